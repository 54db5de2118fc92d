import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect } from 'node:tls'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { definePlugin } from '../../../core/index.ts'
import { createTestServer, type TestServer } from '../../../testing/index.ts'
import tls from '../index.ts'
import { Authority } from './authority.ts'
import { get, handshake, helloOf, refusal } from './client.ts'

const hello = definePlugin({
  name: 'hello',
  apply(core) {
    core.hooks.server.tap('hello', (fastify) => {
      fastify.get('/', async () => 'hello')
    })
  },
})

interface Context {
  authority: Authority
  server: TestServer
  ca: string
  port: number
}

/** Half of them at once is more than a busy machine has of anything. */
const HALF_HANDSHAKES = 2000
const TIME = 1.5

const faults = suite<Context>('a fault at a port for TLS')

faults.before(async (context) => {
  const authority = new Authority()
  const { cert, key } = authority.issue('main')
  const plugin = tls({ certfile: [cert], keyfile: [key] })
  const config = { logLevel: 'debug', clientHeaderTimeout: TIME }
  const server = await createTestServer({ plugins: [plugin, hello], config })
  const port = Number(new URL(server.url).port)
  Object.assign(context, { authority, server, port, ca: authority.read('ca.pem') })
})
faults.after(async ({ server, authority }) => {
  await server.close()
  authority.remove()
})
// whatever has happened: others are served
faults.after.each(async ({ server, ca }) =>
  assert.is((await get(server.url, { ca })).body, 'hello'),
)

async function open(port: number, bytes: Buffer | string = ''): Promise<Socket> {
  const socket = connectTcp(port, '127.0.0.1').on('error', () => {}) // 'close' follows
  await once(socket, 'connect')
  if (bytes.length > 0) socket.write(bytes)
  return socket
}

const ended = async (socket: Socket): Promise<void> => {
  socket.resume()
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve))
}

/** So many lines have come since, each of debug. */
function lines({ server }: Context, reason: RegExp): string[] {
  return server
    .log()
    .split('\n')
    .filter((line) => line.includes('came to nothing') && reason.test(line))
}

faults('is garbage', async (context) => {
  await ended(await open(context.port, Buffer.from([0, 1, 2, 3, 255])))
  const found = lines(context, /neither TLS nor HTTP/)
  assert.is(found.length, 1)
  assert.match(found[0] as string, /\[DEBUG\]/)
})

faults('is garbage in a record of TLS', async (context) => {
  const bytes = Buffer.concat([Buffer.from([0x16, 3, 1, 0, 64]), Buffer.alloc(64, 0xff)])
  await ended(await open(context.port, bytes))
  assert.is(lines(context, /ERR_SSL/).length, 1)
})

faults('is a ClientHello that is too large', async (context) => {
  const record = Buffer.concat([Buffer.from([0x16, 3, 1, 0x40, 0]), Buffer.alloc(16_384)])
  record[5] = 1
  record.writeUIntBE(60_000, 6, 3)
  await ended(await open(context.port, record))
  assert.is(lines(context, /ClientHello too large/).length, 1)
})

faults('is a client that leaves: at once, or in its handshake', async (context) => {
  ;(await open(context.port)).end()
  ;(await open(context.port, Buffer.from([0x16, 3]))).end()
  const socket = connect({ port: context.port, host: '127.0.0.1', ca: context.ca })
  socket.on('error', () => {}) // it is our doing
  await once(socket, 'connect')
  socket.destroy()
})

faults('is a client that resets in the midst of its request', async (context) => {
  const socket = await handshake(context.server.url, { ca: context.ca })
  socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf')
  socket.destroy()
})

faults(
  'is a handshake that nobody finishes: thousands, while others are served',
  async (context) => {
    const half = Buffer.from([0x16, 3, 1, 1, 0, 1, 0])
    const sockets = await Promise.all(
      Array.from({ length: HALF_HANDSHAKES }, (_, index) =>
        open(context.port, index % 2 ? half : ''),
      ),
    )
    const { heapUsed: before } = process.memoryUsage()
    assert.is((await get(context.server.url, { ca: context.ca })).body, 'hello')
    await Promise.all(sockets.map(ended))
    assert.ok(lines(context, /took too long/).length >= HALF_HANDSHAKES)
    const grown = process.memoryUsage().heapUsed - before
    assert.ok(grown < HALF_HANDSHAKES * 50_000, `${grown} bytes`)
  },
)

faults('is a handshake that goes on for too long after its first half', async (context) => {
  const silent = connectTcp(context.port, '127.0.0.1')
  await once(silent, 'connect')
  const through = connect({ socket: silent, ca: context.ca, servername: 'localhost' })
  through.on('error', () => {}) // it is not to come to anything
  silent.pause() // what the server says is not read
  await new Promise((resolve) => silent.once('close', resolve).resume())
})

faults('is a renegotiation, which is refused', async ({ server, ca }) => {
  const socket = await handshake(server.url, { ca, maxVersion: 'TLSv1.2' })
  const error = await new Promise((resolve) => {
    socket.on('error', resolve)
    socket.on('close', () => resolve(new Error('closed')))
    socket.renegotiate({}, (failure) => resolve(failure))
  })
  assert.ok(error instanceof Error)
  socket.destroy()
})

faults('is a client with a version of the last century', async ({ server, ca }) => {
  const old = { ca, minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' } as const
  assert.match(await refusal(server.url, old), /PROTOCOL_VERSION/)
})

faults.run()

/** Here no time limit ends anything while a test waits. */
const patient = suite<Context>('a fault at a port for TLS whose server is patient')

patient.before.each(async (context) => {
  const authority = new Authority()
  const { cert, key } = authority.issue('main')
  const config = { clientHeaderTimeout: 600, keepAlive: 600 }
  const server = await createTestServer({
    plugins: [tls({ certfile: [cert], keyfile: [key] }), hello],
    config,
  })
  const port = Number(new URL(server.url).port)
  Object.assign(context, { authority, server, port, ca: authority.read('ca.pem') })
})
patient.after.each(async ({ server, authority }) => {
  await server.close()
  authority.remove()
})

patient('is a client that sends its hello and its end', async ({ port }) => {
  const socket = connectTcp({ port, host: '127.0.0.1', allowHalfOpen: true })
  await once(socket, 'connect')
  socket.end(await helloOf({ servername: 'localhost' }))
  await ended(socket)
})

patient('is a record that cannot be decrypted', async ({ port, ca }) => {
  const below = connectTcp(port, '127.0.0.1').on('error', () => {})
  const socket = connect({ socket: below, ca, servername: 'localhost' }).on('error', () => {})
  await once(socket, 'secureConnect')
  below.write(Buffer.concat([Buffer.from([0x17, 3, 3, 0, 64]), Buffer.alloc(64, 5)]))
  await ended(socket)
})

patient('is half a plain request, which delays no end of the server', async ({ server, port }) => {
  const socket = await open(port, 'GET / HT')
  const silent = await open(port)
  await server.close()
  await Promise.all([ended(socket), ended(silent)])
})

patient.run()
