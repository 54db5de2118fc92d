import type { FastifyReply, FastifyRequest } from 'fastify'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createTestServer, type TestServer } from '../../testing/index.ts'
import { type Core, definePlugin, type Hooks } from '../index.ts'

interface Context {
  servers: TestServer[]
}

const test = suite<Context>('past the router')
test.before.each((context) => {
  context.servers = []
})
test.after.each(async ({ servers }) => {
  for (const server of servers) await server.close()
})

type See = (request: FastifyRequest, reply: FastifyReply) => unknown

/** A server whose `handle` answers with what `see` finds. */
async function start({ servers }: Context, see: See, add: (hooks: Hooks) => void = () => {}) {
  const apply = ({ hooks }: Core) => {
    hooks.response.tap('seer', () => {})
    hooks.handle.tap('seer', (request, reply) => {
      reply.send(JSON.stringify(see(request, reply)) ?? 'nothing')
      return true
    })
    add(hooks)
  }
  const server = await createTestServer({ plugins: [definePlugin({ name: 'seer', apply })] })
  servers.push(server)
  return server
}

/** The hook has each request come through Fastify. */
const slowly = ({ server }: Hooks) =>
  server.tap('seer', (fastify) => void fastify.addHook('onRequest', async () => {}))

/** Of what went through Fastify's router there is this. */
const PAYLOAD = 'Symbol(fastify.RequestPayloadStream)'
/** Made when it is first asked for. */
const CACHED = 'Symbol(fastify.request.contentType)'

const wentShort = (request: FastifyRequest) =>
  !Object.getOwnPropertySymbols(request).some((symbol) => String(symbol) === PAYLOAD)

const namesOf = (object: object) =>
  Reflect.ownKeys(object)
    .map(String)
    .filter((name) => name !== PAYLOAD && name !== CACHED)
    .sort()

const seeAll: See = (request, reply) => {
  const { id, params, query, body, originalUrl, url, method, ip, protocol, hostname } = request
  const { is404, routeOptions, headers } = request
  return {
    ...{ id, params, query, body, originalUrl, url, method, ip, protocol, hostname, is404 },
    headers: { ...headers, host: '' },
    routeOptions: { ...routeOptions, handler: typeof routeOptions.handler },
    isBare: Object.getPrototypeOf(params as object) !== Object.prototype,
    isBareQuery: Object.getPrototypeOf(query as object) !== Object.prototype,
    names: [namesOf(request), namesOf(reply)],
    same: [request.log === reply.log, reply.request === request, request.server === reply.server],
    hasTime: reply.elapsedTime > 0,
    sent: reply.sent,
  }
}

const REQUESTS: [path: string, init?: Parameters<TestServer['request']>[1]][] = [
  ['/'],
  ['/a/b'],
  ['/a//b/'],
  ['/?'],
  ['/a?b=1&b=2&c'],
  ['/a?q=%20x%ZZ#'],
  ['/%61?x'],
  ['/a%2Fb'],
  ['/a', { method: 'HEAD' }],
  ['/a', { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } }],
  ['/a', { method: 'POST', body: 'x=1', headers: { 'content-type': 'a/b; charset=utf-8' } }],
  ['/a', { method: 'POST', body: 'x', headers: { 'content-type': 'no type' } }],
  ['/a', { method: 'PUT', body: 'x' }],
  ['/a', { method: 'DELETE' }],
  ['/a', { method: 'OPTIONS' }],
  ['/a', { method: 'PROPFIND' }],
]

test('requests and replies are as Fastify makes them', async (context) => {
  const short = await start(context, seeAll)
  const long = await start(context, seeAll, slowly)
  for (const [path, init] of REQUESTS) {
    const [one, other] = [await short.request(path, init), await long.request(path, init)]
    assert.is(one.status, other.status, path)
    assert.is(one.body, other.body, path)
  }
})

test('only what is out of the ordinary goes through the router, once it is known how', async (context) => {
  const server = await start(context, (request) => wentShort(request))
  const found: string[] = []
  for (const path of ['/first', '/second?x=1', '/%61', '/third']) {
    found.push((await server.request(path)).body)
  }
  assert.equal(found, ['false', 'true', 'false', 'true'])
})

const LONG_WAY: Record<string, (hooks: Hooks) => void> = {
  'a hook of Fastify': slowly,
  'a route': ({ server }) =>
    server.tap('seer', (fastify) => void fastify.get('/other', async () => '')),
  'a decorated reply': ({ server }) =>
    server.tap('seer', (fastify) => void fastify.decorateReply('other', null)),
  'an option of Fastify': ({ fastifyOptions }) =>
    fastifyOptions.tap('seer', (options) => ({ ...options, requestIdHeader: 'x-id' })),
}
for (const [what, add] of Object.entries(LONG_WAY)) {
  test(`all go through the router where there is ${what}`, async (context) => {
    const server = await start(context, (request) => wentShort(request), add)
    for (const path of ['/first', '/second']) assert.is((await server.request(path)).body, 'false')
  })
}

test('a target that is rewritten goes through the router', async (context) => {
  const server = await start(
    context,
    (request) => [wentShort(request), request.url, request.originalUrl],
    ({ fastifyOptions }) =>
      fastifyOptions.tap('seer', (options) => ({
        ...options,
        rewriteUrl: ({ url = '' }) => url.replace('/old', '/new'),
      })),
  )
  await server.request('/first')
  assert.is((await server.request('/kept')).body, '[true,"/kept","/kept"]')
  assert.is((await server.request('/old')).body, '[false,"/new","/old"]')
})

test('a tap that throws is a 500, and the response hook sees each answer', async (context) => {
  const seen: number[] = []
  const see: See = ({ url }) => {
    if (url === '/broken') throw new Error('secret')
  }
  const server = await start(context, see, ({ response }) =>
    response.tap('seer', ({ statusCode }) => void seen.push(statusCode)),
  )
  for (const path of ['/', '/', '/broken', '/']) await server.request(path)
  assert.equal(seen, [200, 200, 500, 200])
})

test('the signal of a request is left alone when its answer is out', async (context) => {
  const signals: AbortSignal[] = []
  const server = await start(context, ({ signal }) => void signals.push(signal))
  for (const path of ['/first', '/second', '/third']) await server.request(path)
  await server.server.close()
  assert.equal(
    signals.map(({ aborted }) => aborted),
    [false, false, false],
  )
})

test.run()
