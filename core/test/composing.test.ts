import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { createServer, definePlugin, type Server, type ServerOptions } from '../index.ts'
import { type Coded, type Context, withServers } from './support.ts'

const composing = withServers('composing in code')

const make = ({ undo }: Context, options: ServerOptions = {}): Server => {
  const server = createServer({ bind: ['127.0.0.1:0'], errorLogfile: '/dev/null', ...options })
  undo.push(() => server.close({ quick: true }))
  return server
}

const get = async (server: Server, path: string) =>
  (await fetch((server.addresses[0] as string) + path)).text()

const app = definePlugin({
  name: 'app',
  apply(core) {
    core.hooks.handle.tap('app', (_request, reply) => {
      reply.send('app')
      return true
    })
  },
})

const fails = async (run: () => unknown, code: string, text: string | RegExp) => {
  try {
    await run()
  } catch (error) {
    assert.is((error as Coded).code, code)
    return assert.match((error as Coded).message, text)
  }
  assert.unreachable('it went well')
}

composing('routes of one’s own win over the application, also after a reload', async (context) => {
  const server = make(context).use(app)
  server.fastify((fastify) => fastify.get('/own', () => 'own'))
  await server.listen()
  assert.is(await get(server, '/own'), 'own')
  assert.is(await get(server, '/other'), 'app')
  await server.reload()
  assert.is(await get(server, '/own'), 'own')
  assert.is(await get(server, '/other'), 'app')
})

composing('hooks are tapped directly, and tap every generation once', async (context) => {
  const seen: string[] = []
  const server = make(context).use(app)
  server.hooks.request.tap('mine', ({ url }) => void seen.push(`request ${url}`))
  server.hooks.afterListen.tapPromise('mine', async () => void seen.push('listens'))
  server.hooks.handle.tapAsync('mine', (request, reply, done) => {
    if (request.url !== '/mine') return done()
    reply.send('mine')
    done(null, true)
  })
  await server.listen()
  await server.reload()
  assert.is(await get(server, '/mine'), 'mine')
  assert.is(await get(server, '/a'), 'app')
  assert.equal(seen, ['listens', 'listens', 'request /mine', 'request /a'])
})

composing('an own tap runs after those of plugins, or where `before` says', async (context) => {
  const seen: string[] = []
  const noting = definePlugin({
    name: 'noting',
    apply: (core) => core.hooks.request.tap('noting', () => void seen.push('plugin')),
  })
  const server = make(context).use(noting).use(app)
  server.hooks.request.tap('last', () => void seen.push('last'))
  server.hooks.request.tap({ name: 'first', before: 'noting' }, () => void seen.push('first'))
  await server.listen()
  await get(server, '/')
  assert.equal(seen, ['first', 'plugin', 'last'])
})

composing('an own tap that fails is named', async (context) => {
  const server = make(context)
  server.hooks.beforeListen.tap('mine', () => {
    throw new Error('no')
  })
  await fails(() => server.listen(), 'WSGI_CORE_HOOK_FAILED', "plugin 'mine' failed in hook 'bef")
})

composing('neither plugins nor taps are taken once the server has started', async (context) => {
  const server = await make(context).use(app).listen()
  await fails(() => server.use(app), 'WSGI_CORE_SEALED', "plugin 'app' comes too late")
  const late = () => server.hooks.request.tap('late', () => {})
  await fails(late, 'WSGI_CORE_SEALED', "plugin 'late' comes too late")
  await fails(() => server.fastify(() => {}), 'WSGI_CORE_SEALED', 'call use() before listen()')
})

composing('what is no plugin is refused with what to do', async (context) => {
  const use = (value: unknown) => () => make(context).use(value as never)
  await fails(use('health'), 'WSGI_CORE_BAD_PLUGIN', "add it to the option 'plugins', or import")
  for (const value of [undefined, null, {}, { plugin: {} }, 1]) {
    await fails(use(value), 'WSGI_CORE_BAD_PLUGIN', 'is not a plugin')
  }
})

const plain = (name: string, dependencies: string[] = []) =>
  definePlugin({ name, dependencies, apply() {} })

composing('plugins that do not fit together are errors with the remedy', async (context) => {
  const unknown = make(context, { plugins: ['helth'] })
  await fails(() => unknown.listen(), 'WSGI_CORE_UNKNOWN_PLUGIN', "did you mean 'health'?")
  const missing = make(context).use(plain('tea', ['kettle']))
  await fails(
    () => missing.listen(),
    'WSGI_CORE_MISSING_DEPENDENCY',
    'npm install wsgi-core-plugin',
  )
  const twice = make(context).use(plain('tea')).use(plain('tea'))
  await fails(() => twice.listen(), 'WSGI_CORE_DUPLICATE_PLUGIN', 'remove one of them')
  const circle = make(context)
    .use(plain('tea', ['cup']))
    .use(plain('cup', ['tea']))
  await fails(() => circle.listen(), 'WSGI_CORE_DEPENDENCY_CYCLE', 'tea → cup → tea')
})

composing('two servers live in one process, each by itself', async (context) => {
  const [one, two] = [make(context), make(context)]
  one.fastify((fastify) => fastify.get('/', () => 'one'))
  two.fastify((fastify) => fastify.get('/', () => 'two'))
  await Promise.all([one.listen(), two.listen()])
  assert.is(await get(one, '/'), 'one')
  assert.is(await get(two, '/'), 'two')
  await one.close()
  await two.reload()
  assert.is(await get(two, '/'), 'two')
})

composing('answers for another HTTP server', async (context) => {
  const server = make(context).use(app)
  server.fastify((fastify) => fastify.post('/echo', ({ body }) => body))
  await server.listen()
  const host = createHttpServer(server.handle).listen(0, '127.0.0.1')
  await once(host, 'listening')
  context.undo.push(() => host.close().closeAllConnections())
  const url = `http://127.0.0.1:${(host.address() as AddressInfo).port}`
  const headers = { 'content-type': 'application/json' }
  const echo = await fetch(`${url}/echo`, { method: 'POST', headers, body: '{"a":1}' })
  assert.equal(await echo.json(), { a: 1 })
  assert.is(await (await fetch(`${url}/x`)).text(), 'app')
})

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGTTIN', 'SIGTTOU', 'SIGUSR1'] as const
const listeners = () => SIGNALS.map((signal) => process.listenerCount(signal))

composing('touches no signal unless it is asked, and gives them back', async (context) => {
  const before = listeners()
  const server = await make(context).use(app).listen()
  assert.equal(listeners(), before)
  server.handleSignals({ exit: false })
  assert.equal(
    listeners(),
    before.map((count) => count + 1),
  )
  await server.close()
  assert.equal(listeners(), before)
})

const PROGRAM = fileURLToPath(new URL('fixtures/signals.ts', import.meta.url))

for (const [name, args, ends] of [
  ['exits after the stop', ['exit'], ['stopped 0']],
  ['leaves the exit to its host', ['stay'], ['host goes on', 'stopped 7']],
] as const) {
  composing(`with handleSignals() it obeys HUP and TERM, and ${name}`, async (context) => {
    const child = spawn(process.execPath, ['--import', 'tsx', PROGRAM, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    context.undo.push(() => child.kill('SIGKILL'))
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    assert.is((await lines.next()).value, 'generation 1')
    child.kill('SIGHUP')
    assert.is((await lines.next()).value, 'generation 2')
    child.kill('SIGTERM')
    for (const line of ends) assert.is((await lines.next()).value, line)
  })
}

composing.run()
