import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer as createNetServer, type ListenOptions } from 'node:net'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { openConnection } from '../../testing/index.ts'
import { errors, type ListenerSpec } from '../index.ts'

import {
  answerOf,
  type Coded,
  deferred,
  fails,
  LAST,
  occupy,
  portOf,
  sayGeneration,
  start,
  withServers,
} from './support.ts'

const binding = withServers('bind')

binding('takes several addresses, and serves on each', async (context) => {
  const path = join(context.folder, 'a.sock')
  const bind = ['127.0.0.1:0', `unix:${path}`]
  const { server } = await start(context, sayGeneration, { bind })
  assert.is(server.addresses[1], `unix:${path}`)
  for (const address of server.addresses) {
    const connection = await openConnection(address)
    connection.send(LAST())
    assert.match(await connection.rest(), answerOf('1$'))
  }
  await server.close()
  assert.is(existsSync(path), false)
})

binding('serves on the first address before the second is open', async (context) => {
  const other = await occupy({ ...context, undo: [] }, { port: 0, host: '127.0.0.1' })
  const port = portOf(other)
  await new Promise((closed) => other.close(closed))
  const answer = deferred<string>()
  await start(
    context,
    (core) => {
      sayGeneration(core)
      core.hooks.listeners.tap('test', ([first]) => [
        first as ListenerSpec,
        {
          address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
          scheme: 'http',
          createServer() {
            const second = createNetServer()
            const listen = second.listen.bind(second)
            const visit = async (options: ListenOptions) => {
              const connection = await openConnection(`http://127.0.0.1:${port}`)
              connection.send(LAST())
              answer.resolve(await connection.rest())
              listen(options)
            }
            return Object.assign(second, { listen: visit })
          },
        },
      ])
    },
    { bind: [`127.0.0.1:${port}`] },
  )
  assert.match(await answer.promise, answerOf('1$'))
})

binding('refuses an address in use, and undoes what was open', async (context) => {
  const port = portOf(await occupy(context, { port: 0, host: '127.0.0.1' }))
  const path = join(context.folder, 'a.sock')
  const error = await fails(
    start(context, undefined, { bind: [`unix:${path}`, `127.0.0.1:${port}`] }),
  )
  assert.instance(error, errors.AddressInUse)
  assert.is(
    error.message,
    `address 'http://127.0.0.1:${port}' is in use; stop the process that listens there, or give another --bind`,
  )
  assert.is((error.cause as Coded).code, 'EADDRINUSE')
  assert.is(existsSync(path), false)
})

binding('says why it cannot listen', async (context) => {
  const error = await fails(start(context, undefined, { bind: ['192.0.2.1:0'] }))
  assert.instance(error, errors.CannotListen)
  assert.match(error.message, "cannot listen at 'http://192.0.2.1:0': listen EADDRNOTAVAIL")
})

binding('replaces a socket file that a crashed server has left', async (context) => {
  const path = join(context.folder, 'a.sock')
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  spawnSync(process.execPath, ['-e', script])
  assert.ok(statSync(path).isSocket())
  const { server } = await start(context, sayGeneration, { bind: [`unix:${path}`] })
  const connection = await openConnection(server.addresses[0] as string)
  connection.send(LAST())
  assert.match(await connection.rest(), answerOf('1$'))
})

binding('leaves the socket of a live server alone', async (context) => {
  const path = join(context.folder, 'a.sock')
  const other = await occupy(context, { path })
  const error = await fails(start(context, undefined, { bind: [`unix:${path}`] }))
  assert.instance(error, errors.AddressInUse)
  assert.ok(existsSync(path) && other.listening)
})

binding('leaves a file that is no socket alone', async (context) => {
  const path = join(context.folder, 'a.sock')
  writeFileSync(path, 'precious')
  const error = await fails(start(context, undefined, { bind: [`unix:${path}`] }))
  assert.is(error.message, `cannot listen at 'unix:${path}': the file exists and is no socket`)
  assert.is(readFileSync(path, 'utf8'), 'precious')
})

binding('refuses a descriptor that is none', async (context) => {
  const error = await fails(start(context, undefined, { bind: ['fd://9999'] }))
  assert.instance(error, errors.CannotListen)
  assert.match(error.message, "cannot listen at 'fd://9999': ")
})

binding.run()

const upgrading = withServers('upgrade')

upgrading("reaches the listeners of Fastify's server", async (context) => {
  const { connect } = await start(context, ({ hooks }) => {
    hooks.server.tap('test', (fastify) => {
      fastify.server.on('upgrade', (request, socket, head) => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n')
        socket.end(`${request.url} ${head}`)
      })
    })
  })
  const connection = await connect()
  connection.send('GET /chat HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\nhi')
  assert.match(await connection.rest(), /^HTTP\/1\.1 101 .*\r\n\r\n\/chat hi$/)
})

const asks = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, close\r\nUpgrade: chat\r\n\r\n'

upgrading('is ignored where nobody listens for it', async (context) => {
  const { raw } = await start(context, sayGeneration)
  assert.match(await raw(asks), /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n1$/)
})

upgrading('follows the generation', async (context) => {
  const { server, raw } = await start(context, (core) => {
    sayGeneration(core)
    if (core.generation !== 2) return
    core.hooks.server.tap('test', (fastify) => {
      fastify.server.on(
        'upgrade',
        (_request, socket) => void socket.end('HTTP/1.1 101 Yes\r\n\r\n'),
      )
    })
  })
  assert.match(await raw(asks), /^HTTP\/1\.1 200/)
  await server.reload()
  assert.match(await raw(asks), /^HTTP\/1\.1 101/)
  await server.reload()
  assert.match(await raw(asks), /^HTTP\/1\.1 200/)
})

upgrading.run()
