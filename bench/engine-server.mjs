// One contender of bench/engine.mjs: `node --expose-gc bench/engine-server.mjs KIND ENGINE`. It says its port over the
// channel that it was forked with, and answers each message there with what it has served and used so far.
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { pathToFileURL } from 'node:url'
import Fastify from 'fastify'

const BODY = 'Hello, world!\n'
const HEADERS = { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': BODY.length }
const IDLE = 75_000
const [kind, file] = process.argv.slice(2)
let served = 0

function answer(_request, response) {
  served++
  response.writeHead(200, HEADERS).end(BODY)
}

async function engine(serve) {
  const { createEngineServer } = await import(pathToFileURL(file))
  const door = { serve, takesUpgrades: () => false, upgrade() {}, keepAlive: IDLE }
  return createEngineServer(door, { connectionsPerAddress: 0 })
}

const onNode = (serve) => http.createServer({ keepAliveTimeout: IDLE, noDelay: true }, serve)

/** Fastify's handler, to be put behind any server. */
async function fastifyHandler() {
  let handler
  const fastify = Fastify({
    serverFactory: (given) => {
      handler = given
      return http.createServer()
    },
  })
  fastify.get('/', (_request, reply) => {
    served++
    reply.type('text/plain; charset=utf-8').send(BODY)
  })
  await fastify.ready()
  return handler
}

/** What a server costs that neither reads nor makes anything. */
function echo() {
  const head = `HTTP/1.1 200 OK\r\nContent-Type: ${HEADERS['Content-Type']}\r\n`
  const text = `${head}Date: ${new Date().toUTCString()}\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`
  return net.createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      served++
      if (bytes.includes('close')) socket.end(text, 'latin1')
      else socket.write(text, 'latin1')
    })
  })
}

const KINDS = {
  net: echo,
  engine: () => engine(answer),
  node: () => onNode(answer),
  'fastify-engine': async () => engine(await fastifyHandler()),
  'fastify-node': async () => onNode(await fastifyHandler()),
}

const server = await KINDS[kind]()
server.listen(0, '127.0.0.1')
await once(server, 'listening')
process.on('message', () => {
  globalThis.gc()
  const { user, system } = process.cpuUsage()
  process.send({ served, cpu: user + system, memory: process.memoryUsage.rss() })
})
process.on('disconnect', () => process.exit())
process.send({ port: server.address().port })
