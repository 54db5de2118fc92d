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

const LONG_WAY: Record<string, (hooks: Hooks) => void> = {
  'taps server: it may have routes and hooks of Fastify': ({ server }) =>
    server.tap('other-1', () => {}),
  'taps response': ({ response }) => response.tap('other-1', () => {}),
  'taps environ': ({ environ }) => environ.tap('other-1', () => {}),
  'answers by handle alone': ({ handle }) => handle.tap('other-1', () => undefined),
}
for (const [sentence, tap] of Object.entries(LONG_WAY)) {
  test(`is not asked where another plugin ${sentence}`, async (context) => {
    assert.is(await taken(await start(context, ({ hooks }) => tap(hooks))), 'handle')
  })
}

test.run()
