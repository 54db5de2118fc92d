import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Agent, request as sendRequest } from 'node:http'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import * as assert from 'uvu/assert'
import { openConnection } from '../../testing/index.ts'
import { createServer, errors } from '../index.ts'

import {
  answerOf,
  deferred,
  fails,
  GET,
  LAST,
  plugin,
  sayGeneration,
  slow,
  start,
  withServers,
} from './support.ts'

const life = withServers('server')

life('serves from listen until close, once', async (context) => {
  const { server, url, request } = await start(context, sayGeneration)
  assert.is((await request('/')).body, '1')
  assert.match(url, /^http:\/\/127\.0\.0\.1:[1-9]\d*$/)
  assert.is((await fails(server.listen())).message, 'the server cannot listen while it is serving')
  await server.close()
  await server.close()
  assert.is((await fails(openConnection(url))).code, 'ECONNREFUSED')
  assert.is((await fails(server.listen())).message, 'the server cannot listen while it is stopped')
  assert.is((await fails(server.reload())).code, 'WSGI_CORE_BAD_STATE')
  assert.equal(server.addresses, [])
})

life('can be closed before it has listened', async () => {
  const server = createServer()
  await server.close()
  assert.is((await fails(server.listen())).code, 'WSGI_CORE_BAD_STATE')
})

life('tells its configuration and its log once there are any', async (context) => {
  const server = createServer({ bind: ['127.0.0.1:0'], errorLogfile: '/dev/null', keepAlive: 3 })
  context.undo.push(() => server.close())
  assert.is(server.configuration, undefined)
  assert.is(server.log, undefined)
  await server.listen()
  assert.is(server.configuration?.core.keepAlive, 3)
  assert.ok(server.log)
})

life("logs gunicorn's lines", async (context) => {
  const { url, log } = await start(context)
  assert.match(log(), /^\[[-\d]+ [:\d]+ [+-]\d{4}\] \[\d+\] \[INFO\] Starting wsgi-core \d/)
  assert.match(log(), `[INFO] Listening at: ${url} (${process.pid})`)
})

life('undoes a start that failed, last to first', async () => {
  const undone: string[] = []
  const server = createServer({ bind: ['127.0.0.1:0'], errorLogfile: '/dev/null' })
  server.use(
    plugin((core) => {
      core.hooks.prepare.tap('test', () => core.defer('test', () => undone.push('prepare')))
      core.hooks.beforeListen.tap('test', () => core.defer('test', () => undone.push('before')))
      core.hooks.beforeListen.tap('test', () => {
        throw new Error('no luck')
      })
    }),
  )
  const error = await fails(server.listen())
  assert.is(error.message, "plugin 'test' failed in hook 'beforeListen': no luck")
  assert.equal(undone, ['before', 'prepare'])
  assert.equal(server.addresses, [])
})

life('adds a clean-up that failed to the log, and keeps the first error', async ({ folder }) => {
  const log = join(folder, 'error.log')
  const undone: string[] = []
  const server = createServer({ bind: ['127.0.0.1:0'], errorLogfile: log })
  server.use(
    plugin((core) => {
      core.defer('test', () => undone.push('first'))
      core.defer('test', async () => {
        throw new Error('stuck')
      })
      throw new Error('no luck')
    }),
  )
  assert.is((await fails(server.listen())).message, "plugin 'test' failed to apply: no luck")
  assert.equal(undone, ['first'])
  assert.match(
    readFileSync(log, 'utf8'),
    /\[ERROR\] clean-up failed\n.*plugin 'test' failed to clean up: Error: stuck/,
  )
})

life('checks without opening anything', async (context) => {
  const seen: string[] = []
  const server = createServer({ bind: ['127.0.0.1:1'], errorLogfile: '/dev/null' })
  server.use(
    plugin((core) => {
      core.hooks.beforeListen.tap('test', () => void seen.push('beforeListen'))
      core.hooks.afterListen.tap('test', () => void seen.push('afterListen'))
      core.defer('test', () => seen.push('undone'))
    }),
  )
  await server.check()
  assert.equal(seen, ['beforeListen', 'undone'])
  context.undo.push(() => server.close())
})

life('that is closed while it starts gives up', async () => {
  const started = deferred<AbortSignal>()
  const undone: string[] = []
  const server = createServer({ bind: ['127.0.0.1:0'], errorLogfile: '/dev/null' })
  server.use(
    plugin((core) => {
      core.defer('test', () => undone.push('undone'))
      core.hooks.beforeListen.tapPromise('test', async () => {
        started.resolve(core.signal)
        await once(core.signal, 'abort')
      })
    }),
  )
  const listening = fails(server.listen())
  const signal = await started.promise
  assert.is(signal.aborted, false)
  await server.close()
  assert.is(signal.aborted, true)
  assert.instance(await listening, errors.Stopped)
  assert.equal(undone, ['undone'])
})

life('that is closed while it reads its configuration starts nothing', async () => {
  const server = createServer({ bind: ['127.0.0.1:0'], errorLogfile: '/dev/null' })
  let isApplied = false
  server.use(
    plugin(() => {
      isApplied = true
    }),
  )
  const listening = fails(server.listen())
  await server.close()
  assert.instance(await listening, errors.Stopped)
  assert.is(isApplied, false)
})

life.run()

const closing = withServers('close')

closing('lets requests in flight finish, and takes no new connection', async (context) => {
  const { apply, arrived, release } = slow()
  const { server, url, connect } = await start(context, apply)
  const connection = await connect()
  connection.send(LAST('/slow'))
  await arrived
  const closed = server.close()
  assert.is((await fails(openConnection(url))).code, 'ECONNREFUSED')
  release()
  assert.match(await connection.rest(), answerOf('slow 1$'))
  await closed
})

closing('closes idle connections at once', async (context) => {
  const { server, connect } = await start(context, sayGeneration)
  const connection = await connect()
  connection.send(GET())
  await connection.receive(answerOf('1'))
  const fresh = await connect()
  await server.close()
  assert.is(await connection.rest(), '')
  assert.is(await fresh.rest(), '')
})

closing('waits no longer than gracefulTimeout', async (context) => {
  const { apply, arrived } = slow()
  const { server, connect } = await start(context, apply, { gracefulTimeout: 0.1 })
  const connection = await connect()
  connection.send(GET('/slow'))
  await arrived
  await server.close()
  assert.is(await connection.rest(), '')
})

closing('does not wait when it is quick, also when it was not at first', async (context) => {
  const { apply, arrived } = slow()
  const { server, connect } = await start(context, apply)
  const connection = await connect()
  connection.send(GET('/slow'))
  await arrived
  const graceful = server.close()
  await server.close({ quick: true })
  await graceful
  assert.is(await connection.rest(), '')
})

closing('drains by beforeRetire, then undoes last to first', async (context) => {
  const seen: string[] = []
  const { server } = await start(context, (core) => {
    core.defer('test', () => seen.push('first'))
    core.defer('test', async () => seen.push('second'))
    core.hooks.server.tap('test', (fastify) => {
      fastify.addHook('onClose', async () => void seen.push('onClose'))
    })
    core.hooks.beforeRetire.tapPromise('test', async () => void seen.push('beforeRetire'))
  })
  await server.close()
  assert.equal(seen, ['beforeRetire', 'second', 'first', 'onClose'])
})

closing('logs each clean-up that fails, and does the others', async (context) => {
  const seen: string[] = []
  const { server, log } = await start(context, (core) => {
    core.defer('test', () => seen.push('undone'))
    core.hooks.server.tap('test', (fastify) => {
      fastify.addHook('onClose', async () => {
        throw new Error('third')
      })
    })
    core.defer('test', () => {
      throw new Error('second')
    })
    core.hooks.beforeRetire.tap('test', () => {
      throw new Error('first')
    })
  })
  await server.close()
  assert.equal(seen, ['undone'])
  const found = [...log().matchAll(/clean-up failed\n {2}.*(first|second|third)/g)].map(
    ([, one]) => one,
  )
  assert.equal(found, ['first', 'second', 'third'])
})

closing('ends upgraded connections', async (context) => {
  const { server, connect } = await start(
    context,
    ({ hooks }) => {
      hooks.server.tap('test', (fastify) => {
        fastify.server.on('upgrade', (_request, socket) => {
          socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n')
        })
      })
    },
    { gracefulTimeout: 0.1 },
  )
  const connection = await connect()
  connection.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n')
  await connection.receive(/101 Switching Protocols\r\n\r\n/)
  await server.close()
  assert.is(await connection.rest(), '')
})

closing.run()

const connections = withServers('connections')

connections(
  'serve one request after another, and end when none comes for keepAlive seconds',
  async (context) => {
    const { url } = await start(context, sayGeneration, { keepAlive: 0.2 })
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    context.undo.push(() => agent.destroy())
    const get = async () => {
      const request = sendRequest(url, { agent }).end()
      const [response] = await once(request, 'response')
      await text(response)
      return request.socket as Socket
    }
    const [first, second] = [await get(), await get()]
    assert.is(second.localPort, first.localPort)
    if (!second.closed) await once(second, 'close')
  },
)

connections.run()
