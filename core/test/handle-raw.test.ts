import type { FastifyInstance } from 'fastify'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createTestServer, type TestServer } from '../../testing/index.ts'
import { type Core, definePlugin, type Hooks } from '../index.ts'

interface Context {
  server: TestServer | undefined
}

const test = suite<Context>('handleRaw')
test.after.each(async ({ server }) => server?.close())

/** A server whose plugin `answers` taps both ways to answer; the body says which was taken. */
async function start(context: Context, ...others: ((core: Core) => void)[]): Promise<TestServer> {
  const plugins = [answers, ...others].map((apply, index) =>
    definePlugin({ name: index === 0 ? 'answers' : `other-${index}`, apply }),
  )
  context.server = await createTestServer({ plugins })
  return context.server
}

function answers({ hooks }: Core): void {
  hooks.handle.tap('answers', (_request, reply) => {
    reply.send('handle')
    return true
  })
  hooks.handleRaw.tap('answers', ({ url }, response) => {
    if (url === '/left') return undefined
    if (url === '/fastify') return false
    if (url === '/broken') throw new Error('secret')
    response.end('raw')
    return true
  })
}

const taken = async (server: TestServer, path = '/') => (await server.request(path)).body

test('is asked in place of handle where no plugin has to do with Fastify', async (context) => {
  assert.is(await taken(await start(context)), 'raw')
})

test('leaves a request that nobody takes to handle', async (context) => {
  assert.is(await taken(await start(context), '/left'), 'handle')
})

test('gives a request to handle by false, whoever else taps it', async (context) => {
  const server = await start(context, ({ hooks }) => {
    hooks.handle.tap('other-1', () => undefined)
    hooks.handleRaw.tap('other-1', (_request, response) => {
      response.end('other')
      return true
    })
  })
  assert.is(await taken(server, '/fastify'), 'handle')
  assert.is(await taken(server, '/left'), 'other')
})

test('serves, observed or not, with the hooks around it', async (context) => {
  const seen: string[] = []
  const server = await start(context, ({ hooks }) => {
    hooks.request.tap('other-1', ({ url }) => void seen.push(`request ${url}`))
    hooks.finished.tap('other-1', (_request, _response, { bytes }) => {
      seen.push(`finished ${bytes}`)
    })
  })
  assert.is(await taken(server), 'raw')
  await server.server.close()
  assert.equal(seen, ['request /', 'finished 3'])
})

test('that throws is a plain 500, and failed knows the cause', async (context) => {
  const causes: string[] = []
  const server = await start(context, ({ hooks }) => {
    hooks.failed.tap('other-1', ({ message }) => void causes.push(message))
  })
  const { status, body } = await server.request('/broken')
  assert.is(status, 500)
  assert.not.match(body, /secret/)
  assert.equal(causes, ["plugin 'answers' failed in hook 'handleRaw': secret"])
  assert.match(server.log(), /secret/)
})

const onServer =
  (add: (fastify: FastifyInstance) => unknown) =>
  ({ server }: Hooks) =>
    server.tap('other-1', (fastify) => void add(fastify))

const LONG_WAY: Record<string, (hooks: Hooks) => void> = {
  'adds a route': onServer((fastify) => fastify.get('/other', async () => 'other')),
  'adds a route in a plugin of Fastify': onServer((fastify) =>
    fastify.register(async (inner) => void inner.get('/other', async () => 'other')),
  ),
  'adds a hook of Fastify': onServer((fastify) => fastify.addHook('onRequest', async () => {})),
  'handles errors': onServer((fastify) => fastify.setErrorHandler(() => {})),
  'decorates requests': onServer((fastify) => fastify.decorateRequest('other', null)),
  'parses bodies': onServer((fastify) => fastify.addContentTypeParser('a/b', async () => '')),
  'changes Fastify’s options': ({ server, fastifyOptions }) => {
    server.tap('other-1', () => {})
    fastifyOptions.tap('other-1', (options) => Object.assign(options, { caseSensitive: false }))
  },
  'taps response': ({ response }) => response.tap('other-1', () => {}),
  'taps environ': ({ environ }) => environ.tap('other-1', () => {}),
  'answers by handle alone': ({ handle }) => handle.tap('other-1', () => undefined),
}
for (const [sentence, tap] of Object.entries(LONG_WAY)) {
  test(`is not asked where another plugin ${sentence}`, async (context) => {
    assert.is(await taken(await start(context, ({ hooks }) => tap(hooks))), 'handle')
  })
}

test('is asked where a plugin taps server and adds nothing that a request could notice', async (context) => {
  const server = await start(
    context,
    ({ hooks }) => hooks.server.tap('other-1', () => {}),
    ({ hooks }) =>
      hooks.server.tapPromise('other-2', async (fastify) => {
        fastify.decorate('other', 1)
        fastify.addHook('onClose', async () => {})
        await fastify.register(async (inner) => void inner.decorate('inner', 1))
      }),
  )
  assert.is(await taken(server), 'raw')
  assert.is(await taken(server, '/left'), 'handle')
  assert.is(await taken(server), 'raw')
})

test.run()
