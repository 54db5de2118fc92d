import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { definePlugin } from '../../core/index.ts'
import wsgi from '../../plugins/wsgi/index.ts'
import { createTestServer, FakeClock, type TestServer, workerDouble } from '../index.ts'

interface Context {
  undo: (() => unknown)[]
}

const kit = suite<Context>('the testing kit')

kit.before.each((context) => {
  context.undo = []
})
kit.after.each(async ({ undo }) => {
  for (const step of undo.reverse()) await step()
})

async function start({ undo }: Context, options: Parameters<typeof createTestServer>[0]) {
  const server: TestServer = await createTestServer(options)
  undo.push(() => server.close())
  return server
}

const tea = definePlugin({
  name: 'tea',
  apply(core) {
    core.hooks.request.tap('tea', (_request, response) => response.setHeader('x-tea', 'green'))
    core.hooks.response.tap('tea', (head) => void head.headers.push(['x-seen', 'yes']))
    core.hooks.finished.tap('tea', ({ url }) => core.logger('tea').warn({ url }, 'finished'))
    core.hooks.server.tap('tea', (fastify) => {
      fastify.post('/echo', ({ body }) => body)
    })
  },
})

kit('answers requests in memory, with all hooks', async (context) => {
  const server = await start(context, { plugins: [tea], config: { logFormat: 'json' } })
  const answer = await server.inject({ method: 'POST', url: '/echo', payload: { a: 1 } })
  assert.equal(answer.json(), { a: 1 })
  assert.equal([answer.headers['x-tea'], answer.headers['x-seen']], ['green', 'yes'])
  const [record] = server.records().filter(({ msg }) => msg === 'finished')
  assert.is(record?.url, '/echo')
  assert.is((await server.inject('/nothing')).statusCode, 404)
})

kit('answers an application in memory', async (context) => {
  const server = await start(context, {
    plugins: [
      wsgi((_environ, startResponse) => {
        startResponse('200 OK', [])
        return Buffer.from('tea')
      }),
    ],
  })
  assert.is((await server.inject('/')).payload, 'tea')
})

kit('a worker double answers in place of workers', async (context) => {
  const answers = new Map<string, Parameters<typeof workerDouble>[0]>([
    [
      '/hello',
      ({ environ }) => ({ headers: [['x-query', environ.QUERY_STRING ?? '']], body: 'hello' }),
    ],
    ['/echo', ({ body }) => ({ status: '201 Created', body })],
    ['/died', () => 'died'],
    ['/timeout', () => 'timeout'],
    ['/fails', () => assert.unreachable() as never],
  ])
  const double = workerDouble((request) => {
    const handler = answers.get(request.environ.PATH_INFO ?? '')
    return handler ? handler(request) : { status: '404 Not Found' }
  })
  const server = await start(context, { plugins: [double, wsgi({ app: 'any:app' })] })
  const hello = await server.request('/hello?a=b')
  assert.equal([hello.status, hello.headers['x-query'], hello.body], [200, 'a=b', 'hello'])
  const echo = await server.request('/echo', { method: 'POST', body: 'tea' })
  assert.equal([echo.status, echo.body], [201, 'tea'])
  for (const [path, status] of [
    ['/died', 502],
    ['/timeout', 504],
    ['/fails', 500],
    ['/x', 404],
  ]) {
    assert.is((await server.request(path as string)).status, status)
  }
})

const clocks = suite<{ clock: FakeClock }>('the fake clock')

clocks.before.each((context) => {
  context.clock = FakeClock.install()
})
clocks.after.each(({ clock }) => clock.uninstall())

clocks('runs what is due, in order, when time passes', async ({ clock }) => {
  const seen: string[] = []
  const begun = [Date.now(), performance.now()] as const
  setTimeout((word: string) => seen.push(word), 2000, 'two')
  const timer = setInterval(() => seen.push('tick'), 900)
  setTimeout(() => setTimeout(() => seen.push('nested'), 500), 1000)
  const never = setTimeout(() => seen.push('never'), 100)
  clearTimeout(never)
  await clock.advance(899)
  assert.equal(seen, [])
  await clock.advance(1)
  assert.equal(seen, ['tick'])
  await clock.advance(1100)
  assert.equal(seen, ['tick', 'nested', 'tick', 'two'])
  const passed = [Date.now() - begun[0], Math.round(performance.now() - begun[1])]
  assert.equal(passed, [2000, 2000])
  clearInterval(timer)
  await clock.advance(5000)
  assert.is(seen.length, 4)
})

clocks('a refreshed timer begins anew', async ({ clock }) => {
  let runs = 0
  const timer = setTimeout(() => runs++, 100)
  await clock.advance(90)
  timer.refresh()
  await clock.advance(90)
  assert.is(runs, 0)
  await clock.advance(10)
  assert.is(runs, 1)
})

clocks('a limit of minutes is reached at once', async ({ clock }) => {
  const server = await createTestServer({ config: { keepAlive: 75 } })
  try {
    const client = await server.connect()
    client.send('GET /x HTTP/1.1\r\nHost: test\r\n\r\n')
    await client.receive(/404 Not Found/)
    await clock.advance(74_000)
    assert.is(client.socket.closed, false)
    await clock.advance(3000)
    assert.match(await client.rest(), /.*/)
  } finally {
    await server.close()
  }
})

kit.run()
clocks.run()
