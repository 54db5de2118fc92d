import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { openConnection } from '../../testing/index.ts'
import { createServer, errors, type Server } from '../index.ts'

import {
  type Apply,
  answerOf,
  type Context,
  deferred,
  fails,
  GET,
  LAST,
  occupy,
  plugin,
  portOf,
  sayGeneration,
  slow,
  start,
  startFromFile,
  withServers,
} from './support.ts'

const reloading = withServers('reload')

reloading('swaps: a kept connection meets the new generation', async (context) => {
  const { server, connect } = await start(context, sayGeneration)
  const connection = await connect()
  connection.send(GET())
  await connection.receive(answerOf('1'))
  await server.reload()
  connection.send(GET())
  await connection.receive(answerOf('2'))
})

reloading('lets the old generation finish what it has begun', async (context) => {
  const { apply, arrived, release } = slow()
  const { server, connect, request } = await start(context, apply)
  const connection = await connect()
  connection.send(GET('/slow'))
  await arrived
  await server.reload()
  assert.is((await request('/')).body, '2')
  release()
  await connection.receive(answerOf('slow 1'))
  connection.send(GET())
  await connection.receive(answerOf('2'))
})

reloading('waits while four generations still drain', async (context) => {
  const { apply, release } = slow()
  const { server, connect, request } = await start(context, apply)
  const drain = async (generation: number) => {
    const connection = await connect()
    connection.send(GET('/') + GET('/slow'))
    await connection.receive(answerOf(String(generation)))
    await server.reload()
    return connection
  }
  const connections = []
  for (let count = 1; count <= 4; count++) connections.push(await drain(count))
  const fifth = server.reload()
  await new Promise((resolve) => setTimeout(resolve, 100)) // as long as a reload here takes at least
  assert.is((await request('/')).body, '5')
  release()
  await fifth
  assert.is((await request('/')).body, '6')
  for (const connection of connections) await connection.receive(answerOf('slow'))
})

reloading('reads the config file again', async (context) => {
  const { server, configure } = await startFromFile(context, sayGeneration, { keepAlive: 2 })
  configure({ keepAlive: 3 })
  await server.reload()
  assert.is(server.configuration?.core.keepAlive, 3)
})

reloading('waits for a start that is under way', async (context) => {
  const begun = deferred()
  const released = deferred()
  const { listening, server } = begin(context, ({ hooks, generation }) => {
    if (generation > 1) return
    hooks.beforeListen.tapPromise('test', async () => {
      begun.resolve()
      await released.promise
    })
  })
  await begun.promise
  const reloaded = server.reload()
  released.resolve()
  await Promise.all([listening, reloaded])
})

reloading('is refused where the start fails that it waits for', async (context) => {
  const { listening, server } = begin(context, ({ hooks }) => {
    hooks.beforeListen.tap('test', () => {
      throw new Error('no luck')
    })
  })
  const failed = fails(listening)
  assert.is((await fails(server.reload())).code, 'WSGI_CORE_BAD_STATE')
  assert.match((await failed).message, /no luck$/)
})

function begin({ undo }: Context, apply: Apply) {
  const server = createServer({ bind: ['127.0.0.1:0'], logLevel: 'critical' }).use(plugin(apply))
  undo.push(() => server.close())
  return { server, listening: server.listen() }
}

reloading('calls queue up', async (context) => {
  const { server, request } = await start(context, sayGeneration)
  await Promise.all([server.reload(), server.reload(), server.reload()])
  assert.is((await request('/')).body, '4')
})

const stillServes = async (server: Server, generation = '1') => {
  const response = await fetch(server.addresses[0] as string, { headers: { connection: 'close' } })
  assert.is(await response.text(), generation)
}

reloading('with a bad configuration leaves all as it was', async (context) => {
  const { server, configure } = await startFromFile(context, sayGeneration, { logLevel: 'info' })
  configure({ logLevel: 'loud' })
  assert.is((await fails(server.reload())).code, 'WSGI_CORE_BAD_CONFIG')
  await stillServes(server)
  configure({})
  await server.reload()
  await stillServes(server, '2')
})

for (const place of ['apply', 'prepare', 'server', 'beforeListen', 'afterListen'] as const) {
  reloading(`that fails in ${place} is undone, and the old one goes on`, async (context) => {
    const undone: number[] = []
    const { server } = await startFromFile(context, (core) => {
      const { hooks, generation } = core
      sayGeneration(core)
      core.defer('test', () => undone.push(generation))
      const fail = () => {
        if (generation === 2) throw new Error('no luck')
      }
      if (place === 'apply') fail()
      else hooks[place].tap('test', fail)
    })
    assert.match((await fails(server.reload())).message, /no luck$/)
    assert.equal(undone, [2])
    await stillServes(server)
    await server.reload()
    await stillServes(server, '3')
    assert.equal(undone, [2, 1])
  })
}

reloading('that finds an address in use is undone', async (context) => {
  const taken = portOf(await occupy(context, { port: 0, host: '127.0.0.1' }))
  const undone: number[] = []
  const { server, configure } = await startFromFile(context, (core) => {
    sayGeneration(core)
    core.defer('test', () => undone.push(core.generation))
  })
  const before = server.addresses
  configure({ bind: ['127.0.0.1:0', 'localhost:0', `127.0.0.1:${taken}`] })
  const error = await fails(server.reload())
  assert.is(error.code, 'WSGI_CORE_ADDRESS_IN_USE')
  assert.equal(undone, [2])
  assert.equal(server.addresses, before)
  await stillServes(server)
})

reloading('opens new addresses and closes those no longer wanted', async (context) => {
  const path = `unix:${join(context.folder, 'a.sock')}`
  const first = ['127.0.0.1:0', path]
  const { server, configure } = await startFromFile(context, sayGeneration, { bind: first })
  const [kept, dropped] = server.addresses as [string, string]
  const connection = await openConnection(dropped)
  connection.send(GET())
  await connection.receive(answerOf('1'))
  configure({ bind: ['127.0.0.1:0', 'localhost:0'] })
  await server.reload()
  assert.is(server.addresses[0], kept)
  assert.is(server.addresses.length, 2)
  await stillServes(server, '2')
  assert.ok((await fails(openConnection(dropped))).code)
  assert.is(existsSync(join(context.folder, 'a.sock')), false)
  assert.is(await connection.rest(), '')
})

reloading('keeps two addresses with port 0 apart', async (context) => {
  const { server } = await startFromFile(context, sayGeneration, {
    bind: ['127.0.0.1:0', '127.0.0.1:0'],
  })
  const before = server.addresses
  assert.is(new Set(before).size, 2)
  await server.reload()
  assert.equal(server.addresses, before)
})

reloading(
  'is refused while the server closes, and close waits for one under way',
  async (context) => {
    const started = deferred()
    const { server } = await start(context, ({ hooks, generation, signal }) => {
      if (generation === 1) return
      hooks.beforeListen.tapPromise('test', async () => {
        started.resolve()
        await once(signal, 'abort')
      })
    })
    const reloaded = fails(server.reload())
    await started.promise
    await server.close()
    assert.instance(await reloaded, errors.Stopped)
  },
)

reloading('does not keep close from ending listening while the old one drains', async (context) => {
  const { apply, arrived, release } = slow()
  const { server, url, connect, request } = await start(context, apply)
  const connection = await connect()
  connection.send(LAST('/slow'))
  await arrived
  const reloaded = server.reload()
  while ((await request('/')).body !== '2');
  const closed = server.close()
  await new Promise(setImmediate)
  assert.is((await fails(openConnection(url))).code, 'ECONNREFUSED')
  release()
  assert.match(await connection.rest(), answerOf('slow 1$'))
  await Promise.all([reloaded, closed])
})

reloading('goes over to other log files', async (context) => {
  const { folder } = context
  const { server, configure, log } = await startFromFile(context, sayGeneration, {
    accessLogfile: join(folder, 'a.log'),
  })
  await stillServes(server)
  const settings = { errorLogfile: join(folder, 'new.log'), accessLogfile: join(folder, 'b.log') }
  configure({ ...settings, accessLogformat: 'new %(s)s' })
  await server.reload()
  await stillServes(server, '2')
  server.log?.info('a new line')
  await server.close()
  assert.match(readFileSync(join(folder, 'a.log'), 'utf8'), /^127\.0\.0\.1 .*" 200 1 .*\n$/)
  assert.is(readFileSync(join(folder, 'b.log'), 'utf8'), 'new 200\n')
  assert.match(readFileSync(join(folder, 'new.log'), 'utf8'), 'a new line')
  assert.not.match(log(), 'a new line')
})

for (const settings of [
  { accessLogformat: '%(z)s', accessLogfile: 'b.log' },
  { accessLogfile: 'none/b.log' },
  { errorLogfile: '/none/new.log' },
]) {
  reloading(`with ${JSON.stringify(settings)} leaves the logs as they were`, async (context) => {
    const a = join(context.folder, 'a.log')
    const { server, configure } = await startFromFile(context, sayGeneration, { accessLogfile: a })
    configure({ chdir: context.folder, logLevel: 'critical', ...settings })
    assert.match((await fails(server.reload())).code, /CANNOT_OPEN_LOG|BAD_LOG_FORMAT/)
    assert.is(server.log?.level, 'info')
    await stillServes(server)
    await server.close()
    assert.match(readFileSync(a, 'utf8'), '" 200 1 ')
  })
}

reloading('says that the number of fronts is that of the next start', async (context) => {
  const { server, configure, log } = await startFromFile(context, sayGeneration)
  configure({ fronts: 2 })
  for (let count = 0; count < 2; count++) await server.reload()
  await stillServes(server, '3')
  assert.is(log().match(/\[WARNING\] the number of fronts changes with/g)?.length, 1)
})

reloading('that fails later closes the log that it had opened', async (context) => {
  const b = join(context.folder, 'b.log')
  const { server, configure } = await startFromFile(context, (core) => {
    sayGeneration(core)
    if (core.generation === 2) throw new Error('no luck')
  })
  configure({ accessLogfile: b, logLevel: 'debug' })
  await fails(server.reload())
  assert.is(server.log?.level, 'info')
  await stillServes(server)
  await server.close()
  assert.is(readFileSync(b, 'utf8'), '')
})

reloading.run()
