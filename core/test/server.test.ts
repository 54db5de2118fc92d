import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { Agent, request as sendRequest } from 'node:http'
import {
  type AddressInfo,
  createServer as createNetServer,
  type ListenOptions,
  type Server as NetServer,
} from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createTestServer, openConnection, type TestServer } from '../../testing/index.ts'
import {
  type Core,
  createServer,
  definePlugin,
  errors,
  type ListenerSpec,
  type Server,
} from '../index.ts'

interface Context {
  folder: string
  undo: (() => unknown)[]
}
type Coded = Error & { code: string; cause: Error }

const withServers = (name: string) => {
  const test = suite<Context>(name)
  test.before.each((context) => {
    const folder = mkdtempSync(join(tmpdir(), 'wsgi-core-server-'))
    context.folder = folder
    context.undo = [() => rmSync(folder, { recursive: true })]
  })
  test.after.each(async ({ undo }) => {
    for (const step of undo.reverse()) await step()
  })
  return test
}

type Apply = (core: Core) => void
const plugin = (apply: Apply, name = 'test') => definePlugin({ name, apply })

async function start({ undo }: Context, apply: Apply = () => {}, config = {}): Promise<TestServer> {
  const server = await createTestServer({ plugins: [plugin(apply)], config })
  undo.push(() => server.close())
  return server
}

/** Its config file can be changed, and with it what a reload sees. */
async function startFromFile({ folder, undo }: Context, apply: Apply, config: object = {}) {
  const path = join(folder, 'config.json')
  const log = join(folder, 'error.log')
  const configure = (values: object) => {
    writeFileSync(path, JSON.stringify({ bind: ['127.0.0.1:0'], errorLogfile: log, ...values }))
  }
  configure(config)
  const server = createServer({ config: path }).use(plugin(apply))
  undo.push(() => server.close({ quick: true }))
  await server.listen()
  return { server, configure, log: () => readFileSync(log, 'utf8') }
}

const fails = async (promise: Promise<unknown>): Promise<Coded> =>
  promise.then(
    () => assert.unreachable('it went well') as never,
    (error) => error,
  )

const deferred = <T = void>() => {
  let resolve!: (value: T) => void
  const promise = new Promise<T>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

const sayGeneration: Apply = ({ hooks, generation }) => {
  hooks.server.tap('test', (fastify) => void fastify.get('/', async () => String(generation)))
}

/** Answers `/` when it is let go. */
function slow() {
  const arrived = deferred()
  const release = deferred()
  const apply: Apply = ({ hooks, generation }) => {
    hooks.server.tap('test', (fastify) => {
      fastify.get('/slow', async () => {
        arrived.resolve()
        await release.promise
        return `slow ${generation}`
      })
      fastify.get('/', async () => String(generation))
    })
  }
  return { arrived: arrived.promise, release: release.resolve, apply }
}

const GET = (path = '/') => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`
const LAST = (path = '/') => `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`
const answerOf = (body: string) => new RegExp(`\r\n\r\n${body}`)

function occupy({ undo }: Context, where: { port: number; host: string } | { path: string }) {
  const server = createNetServer((socket) => socket.destroy()).listen(where)
  undo.push(() => new Promise((closed) => server.close(closed)))
  return once(server, 'listening').then(() => server)
}
const portOf = (server: NetServer) => (server.address() as AddressInfo).port

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
  const reloaded = server.reload()
  while ((await request('/')).body !== '2');
  release()
  await connection.receive(answerOf('slow 1'))
  await reloaded
  connection.send(GET())
  await connection.receive(answerOf('2'))
})

reloading('reads the config file again', async (context) => {
  const { server, configure } = await startFromFile(context, sayGeneration, { keepAlive: 2 })
  configure({ keepAlive: 3 })
  await server.reload()
  assert.is(server.configuration?.core.keepAlive, 3)
})

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

for (const place of ['apply', 'prepare', 'server', 'beforeListen'] as const) {
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

const logging = withServers('access log')

const GOLDEN =
  /^127\.0\.0\.1 - - \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET \/a\?b=1 HTTP\/1\.1" 200 17 "http:\/\/ref\/" "UA \\"x"$/

logging("writes gunicorn's line for a route", async (context) => {
  const accessLogfile = join(context.folder, 'access.log')
  const { server, request } = await start(
    context,
    ({ hooks }) => {
      hooks.server.tap('test', (fastify) => {
        fastify.get('/a', async () => 'x'.repeat(17))
        fastify.get('/none', async (_request, reply) => reply.code(204).send())
      })
    },
    { accessLogfile },
  )
  await request('/a?b=1', { headers: { referer: 'http://ref/', 'user-agent': 'UA "x' } })
  await request('/a', { method: 'HEAD' })
  await request('/none')
  await request('/nowhere')
  await server.close()
  const lines = readFileSync(accessLogfile, 'utf8').trimEnd().split('\n')
  assert.match(lines[0] ?? '', GOLDEN)
  assert.match(lines[1] ?? '', '"HEAD /a HTTP/1.1" 200 0 "-" "-"')
  assert.match(lines[2] ?? '', '"GET /none HTTP/1.1" 204 0 "-" "-"')
  assert.match(lines[3] ?? '', '"GET /nowhere HTTP/1.1" 404 ')
  assert.is(lines.length, 4)
})

logging('has a line for a request that a quick close cuts off', async (context) => {
  const accessLogfile = join(context.folder, 'access.log')
  const { apply, arrived } = slow()
  const { server, connect } = await start(context, apply, { accessLogfile })
  const connection = await connect()
  connection.send(GET('/slow'))
  await arrived
  await server.close({ quick: true })
  assert.match(readFileSync(accessLogfile, 'utf8'), '"GET /slow HTTP/1.1" 200 0')
})

logging('is written at once where an exit cannot wait', async (context) => {
  const accessLogfile = join(context.folder, 'access.log')
  const { server, request } = await start(context, sayGeneration, { accessLogfile })
  await request('/')
  server.flushLogs()
  assert.match(readFileSync(accessLogfile, 'utf8'), '"GET / HTTP/1.1" 200 1')
})

logging('and the error log go to new files after a rotation', async (context) => {
  const [access, error] = ['access.log', 'error.log'].map((name) => join(context.folder, name)) as [
    string,
    string,
  ]
  const { server, request } = await start(context, sayGeneration, {
    accessLogfile: access,
    errorLogfile: error,
  })
  for (const file of [access, error]) renameSync(file, `${file}.1`)
  server.reopenLogs()
  await request('/')
  server.log?.info('after the rotation')
  await server.close()
  assert.match(readFileSync(access, 'utf8'), '" 200 1 ')
  assert.match(readFileSync(error, 'utf8'), 'after the rotation')
})

logging('that cannot be opened anew goes on in the old file, and says so', async (context) => {
  const access = join(context.folder, 'access.log')
  const { server, request, log } = await start(context, sayGeneration, { accessLogfile: access })
  renameSync(access, `${access}.1`)
  mkdirSync(access)
  server.reopenLogs()
  await request('/')
  await server.close()
  assert.match(log(), /\[ERROR\] a log cannot be opened anew/)
  assert.match(readFileSync(`${access}.1`, 'utf8'), '" 200 1 ')
})

logging.run()

const connections = withServers('connections')

connections('are kept for keepAlive seconds', async (context) => {
  const { url } = await start(context, sayGeneration, { keepAlive: 7 })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  context.undo.push(() => agent.destroy())
  const get = async () => {
    const request = sendRequest(url, { agent }).end()
    const [response] = await once(request, 'response')
    await text(response)
    return { header: response.headers['keep-alive'], port: request.socket?.localPort }
  }
  const [first, second] = [await get(), await get()]
  assert.is(first.header, 'timeout=7')
  assert.is(second.port, first.port)
})

connections.run()
