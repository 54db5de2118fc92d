import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createTestServer, type TestServer } from '../../testing/index.ts'
import { type Core, definePlugin, PreparedAnswer, prepareHead } from '../index.ts'

interface Context {
  server: TestServer | undefined
}

const test = suite<Context>('ready')
test.after.each(async ({ server }) => server?.close())

const answer = new PreparedAnswer(prepareHead(200, []), 'ready')

function answers({ hooks }: Core): void {
  hooks.ready.tap('answers', ({ url }) => {
    if (url === '/broken') throw new Error('secret')
    return url === '/' ? answer : undefined
  })
  hooks.handle.tap('answers', (_request, reply) => {
    reply.send('handle')
    return true
  })
}

async function start(context: Context, ...others: ((core: Core) => void)[]): Promise<TestServer> {
  const plugins = [...others, answers].map((apply) =>
    definePlugin({ name: apply === answers ? 'answers' : 'other', apply }),
  )
  context.server = await createTestServer({ plugins })
  return context.server
}

const taken = async (server: TestServer, path = '/', headers = {}) =>
  (await server.request(path, { headers: { Connection: 'keep-alive', ...headers } })).body

test('answers before anything is made of a request', async (context) => {
  const server = await start(context)
  assert.is(await taken(server), 'ready')
  assert.is(await taken(server, '/other'), 'handle')
})

test('is asked where who taps request taps it too, and may say no', async (context) => {
  const seen: (string | undefined)[] = []
  const server = await start(context, ({ hooks }) => {
    hooks.request.tap('other', ({ url }) => void seen.push(url))
    hooks.ready.tap('other', ({ fields }) => (fields.includes('X-Look') ? false : undefined))
  })
  assert.is(await taken(server), 'ready')
  assert.is(await taken(server, '/', { 'X-Look': '1' }), 'handle')
  assert.equal(seen, ['/'])
})

test('is not asked where nobody gives answers', async (context) => {
  let asked = 0
  const refuser = definePlugin({
    name: 'refuser',
    apply({ hooks }) {
      hooks.ready.tap({ name: 'refuser', onlyRefuses: true }, () => void asked++)
      hooks.handle.tap('refuser', (_request, reply) => {
        reply.send('handle')
        return true
      })
    },
  })
  context.server = await createTestServer({ plugins: [refuser] })
  assert.is(await taken(context.server), 'handle')
  assert.is(asked, 0)
})

const OBSERVERS: Record<string, (core: Core) => void> = {
  'taps request alone': ({ hooks }) => hooks.request.tap('other', () => {}),
  'taps finished': ({ hooks }) => {
    hooks.finished.tap('other', () => {})
    hooks.ready.tap('other', () => undefined)
  },
}
for (const [sentence, tap] of Object.entries(OBSERVERS)) {
  test(`is not asked where another plugin ${sentence}`, async (context) => {
    assert.is(await taken(await start(context, tap)), 'handle')
  })
}

test('that throws leaves the request to the others, and failed knows the cause', async (context) => {
  const causes: unknown[] = []
  const server = await start(context, ({ hooks }) => {
    hooks.failed.tap('other', ({ message }, request) => void causes.push(message, request))
  })
  assert.is(await taken(server, '/broken'), 'handle')
  assert.equal(causes, ["plugin 'answers' failed in hook 'ready': secret", undefined])
  assert.match(server.log(), /secret/)
})

test.run()
