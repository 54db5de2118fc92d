import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import type { Core } from '../../../core/index.ts'
import { APP, type Context, type Site, start, withFolder, write } from './support.ts'

const test = withFolder('static: lanes')

/** How often Fastify's router has been asked, by a hook that nobody else may see. */
const app = (core: Core) => {
  core.hooks.handle.tap('app', (_request, reply) => {
    reply.send(APP)
    return true
  })
}

/** Counts the requests that reach `handle`: those that the fast lane has not answered. */
async function startCounting(
  context: Context,
  options: object,
  apply: (core: Core) => void = () => {},
) {
  const count = { handled: 0 }
  const site = await start(context, { alias: ['/s/=site'], ...options }, (core) => {
    const { handle } = core.hooks
    const [tap] = handle.taps as unknown as [{ fn: (...args: unknown[]) => unknown }]
    const { fn } = tap
    tap.fn = (...args) => {
      count.handled++
      return fn(...args)
    }
    apply(core)
    app(core)
  })
  return { site, count }
}

const askThrice = async (site: Site, path: string) => {
  const bodies = []
  for (let count = 0; count < 3; count++) bodies.push((await site.ask(path)).body)
  return bodies
}

test('what is in memory passes by the router, after it has come through it once', async (context) => {
  write(context, { 'a.txt': 'a', 'index.html': 'home' })
  const { site, count } = await startCounting(context, {})
  assert.equal(await askThrice(site, '/s/a.txt'), ['a', 'a', 'a'])
  assert.is(count.handled, 1)
  assert.equal(await askThrice(site, '/s/'), ['home', 'home', 'home'])
  assert.is(count.handled, 2)
  const etag = (await site.ask('/s/a.txt')).headers.etag as string
  assert.is((await site.ask('/s/a.txt', { headers: { 'If-None-Match': etag } })).status, 304)
  assert.is(count.handled, 2)
  for (const headers of [
    { Range: 'bytes=0-0' },
    { 'If-Match': '"x"' },
    { 'If-None-Match': '"x"' },
  ]) {
    await site.ask('/s/a.txt', { headers: headers as never })
  }
  await site.ask('/s/a.txt', { method: 'HEAD' })
  assert.is(count.handled, 6)
})

test('on a kept connection nothing is made of a request, and the answers are the same', async (context) => {
  write(context, { 'a.txt': 'a', 'b.txt': 'b'.repeat(10_000), 'b.txt.gz': 'packed' })
  const seen: string[] = []
  const { site } = await startCounting(context, { addHeaders: ['X-A=1'] }, ({ hooks }) => {
    hooks.ready.tap('app', ({ url }) => void seen.push(url))
    hooks.request.tap('app', ({ url }) => void seen.push(`request ${url}`))
  })
  const { site: observed } = await startCounting(
    context,
    { addHeaders: ['X-A=1'] },
    ({ hooks }) => {
      hooks.finished.tap('app', () => {})
    },
  )
  const ask = (to: Site, path: string, headers: object) =>
    to.request(path, { headers: { Connection: 'keep-alive', ...headers } })
  const etag = (await site.ask('/s/a.txt')).headers.etag as string
  for (const [path, headers, isReady] of [
    ['/s/a.txt', {}, true],
    ['/s/a.txt', { 'If-None-Match': etag }, true],
    ['/s/a.txt', { 'If-None-Match': '"x"' }, false],
    ['/s/a.txt', { Range: 'bytes=0-0' }, false],
    ['/s/b.txt', {}, true],
    ['/s/b.txt', { 'Accept-Encoding': 'gzip' }, true],
  ] as const) {
    await site.ask(path)
    await observed.ask(path)
    seen.length = 0
    const [one, other] = [await ask(site, path, headers), await ask(observed, path, headers)]
    assert.equal({ ...one.headers, date: '' }, { ...other.headers, date: '' }, path)
    assert.equal([one.status, one.body], [other.status, other.body])
    assert.equal(seen, isReady ? [path] : [path, `request ${path}`])
  }
})

test('other spellings of a path do not fill the fast lane', async (context) => {
  write(context, { 'a.txt': 'a' })
  const { site, count } = await startCounting(context, {})
  for (const path of ['/s//a.txt', '/s/%61.txt', '/s/a.txt?x=1', '//s/a.txt']) {
    assert.equal(await askThrice(site, path), ['a', 'a', 'a'], path)
  }
  assert.is(count.handled, 12)
})

for (const hook of ['onRequest', 'preHandler', 'onSend', 'onResponse'] as const) {
  test(`a Fastify hook ${hook} sees every request, and no lane passes it by`, async (context) => {
    write(context, { 'a.txt': 'a' })
    let seen = 0
    const { site } = await startCounting(context, {}, ({ hooks }) => {
      hooks.server.tap('app', (fastify) => {
        fastify.addHook(hook as 'onRequest', (_request, reply, ...rest) => {
          seen++
          if (!reply.sent) reply.header('x-seen', seen)
          ;(rest.at(-1) as () => void)()
        })
      })
    })
    for (let count = 1; count <= 3; count++) {
      const { headers, body } = await site.ask('/s/a.txt')
      assert.equal([seen, body], [count, 'a'])
      if (hook !== 'onResponse') assert.is(headers['x-seen'], String(count))
    }
  })
}

test('a hook within a plugin of Fastify that asks for all requests counts too', async (context) => {
  write(context, { 'a.txt': 'a' })
  const { site } = await startCounting(context, {}, ({ hooks }) => {
    hooks.server.tap('app', (fastify) => {
      const auth = async (instance: typeof fastify) => {
        instance.addHook('onRequest', async (_request, reply) => {
          await reply.code(401).send('who are you?')
        })
      }
      // as fastify-plugin marks it
      fastify.register(Object.assign(auth, { [Symbol.for('skip-override')]: true }))
    })
  })
  for (let count = 0; count < 3; count++) assert.is((await site.ask('/s/a.txt')).status, 401)
})

test('answers that Fastify sends are the same, ranges and all', async (context) => {
  const large = 'abcdefghij'.repeat(150_000)
  write(context, { 'a.txt': '0123456789', 'large.txt': large, '404.html': 'gone' })
  const plain = await start(context, { alias: ['/s/=site'], errorPages: ['404=/s/404.html'] })
  const { site } = await startCounting(
    context,
    { errorPages: ['404=/s/404.html'] },
    ({ hooks }) => {
      hooks.server.tap('app', (fastify) => {
        fastify.addHook('onSend', async (_request, _reply, payload) => payload)
      })
    },
  )
  const etag = (await plain.ask('/s/a.txt')).headers.etag as string
  for (const [path, options] of [
    ['/s/a.txt', {}],
    ['/s/a.txt', { method: 'HEAD' }],
    ['/s/a.txt', { headers: { Range: 'bytes=2-4' } }],
    ['/s/a.txt', { headers: { Range: 'bytes=20-' } }],
    ['/s/a.txt', { headers: { 'If-None-Match': etag } }],
    ['/s/a.txt', { method: 'POST', headers: { 'Content-Length': '0' } }],
    ['/s/large.txt', {}],
    ['/s/large.txt', { method: 'HEAD' }],
    ['/s/large.txt', { headers: { Range: 'bytes=1499990-' } }],
    ['/s/none', {}],
  ] as const) {
    const [one, other] = [await plain.ask(path, options), await site.ask(path, options)]
    assert.equal({ ...other.headers, date: '' }, { ...one.headers, date: '' }, path)
    assert.is(other.status, one.status)
    assert.ok(other.body === one.body, path)
  }
})

test('a route at the path of a file wins, always', async (context) => {
  write(context, { 'a.txt': 'file', 'b.txt': 'file' })
  const { site } = await startCounting(context, {}, ({ hooks }) => {
    hooks.server.tap('app', (fastify) => {
      fastify.get('/s/a.txt', async () => 'route')
    })
  })
  assert.equal(await askThrice(site, '/s/a.txt'), ['route', 'route', 'route'])
  assert.equal(await askThrice(site, '/s/b.txt'), ['file', 'file', 'file'])
})

test('routes that depend on the host close the fast lane', async (context) => {
  write(context, { 'a.txt': 'file' })
  const { site } = await startCounting(context, {}, ({ hooks }) => {
    hooks.server.tap('app', (fastify) => {
      fastify.route({
        method: 'GET',
        url: '/s/a.txt',
        constraints: { host: 'other' },
        handler: async () => 'route',
      })
    })
  })
  assert.equal(await askThrice(site, '/s/a.txt'), ['file', 'file', 'file'])
  const other = 'GET /s/a.txt HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n'
  assert.match(await site.raw(other), /\r\n\r\nroute$/)
})

test('the response hook sees and changes every answer', async (context) => {
  write(context, { 'a.txt': 'a' })
  let seen = 0
  const { site } = await startCounting(context, {}, ({ hooks }) => {
    hooks.response.tap('app', (head) => {
      seen++
      head.headers.push(['X-Seen', String(seen)])
    })
  })
  for (let count = 1; count <= 3; count++) {
    assert.is((await site.ask('/s/a.txt')).headers['x-seen'], String(count))
  }
})

test('an error in the response hook is a 500, and nothing is left open', async (context) => {
  write(context, { 'a.txt': 'a', 'large.bin': Buffer.alloc(2_000_000) })
  const { site } = await startCounting(context, {}, ({ hooks }) => {
    hooks.response.tap('app', () => {
      throw new Error('no')
    })
  })
  for (const path of ['/s/a.txt', '/s/large.bin']) assert.is((await site.ask(path)).status, 500)
})

test('a tap of request that answers first is not answered over', async (context) => {
  write(context, { 'a.txt': 'a' })
  let isClosed = false
  const { site } = await startCounting(context, {}, ({ hooks }) => {
    hooks.request.tap('app', (_request, response) => {
      if (isClosed) response.writeHead(503).end('closed')
      else response.setHeader('X-Request', 'seen')
    })
  })
  await askThrice(site, '/s/a.txt')
  assert.is((await site.ask('/s/a.txt')).headers['x-request'], 'seen')
  isClosed = true
  assert.is((await site.ask('/s/a.txt')).status, 503)
})

test('both lanes have their line in the access log and their call of finished', async (context) => {
  write(context, { 'a.txt': '0123456789' })
  const accessLogfile = join(context.folder, 'access.log')
  const finished: unknown[] = []
  const site = await start(
    context,
    { alias: ['/s/=site'] },
    ({ hooks }) => {
      hooks.finished.tap('app', ({ url }, _response, { statusCode, bytes, completed }) => {
        finished.push([url, statusCode, bytes, completed])
      })
    },
    { accessLogfile, accessLogformat: '%(r)s %(s)s %(B)s %({etag}o)s' },
  )
  const etag = (await site.ask('/s/a.txt')).headers.etag as string
  await site.ask('/s/a.txt')
  await site.ask('/s/a.txt', { headers: { 'If-None-Match': etag } })
  await site.ask('/s/a.txt', { headers: { 'If-None-Match': `"x", ${etag}` } })
  const expected = [
    [200, 10],
    [200, 10],
    [304, 0],
    [304, 0],
  ]
  assert.equal(
    finished,
    expected.map(([status, bytes]) => ['/s/a.txt', status, bytes, true]),
  )
  await site.server.close()
  const logged = etag.replaceAll('"', '\\"')
  const lines = expected.map(
    ([status, bytes]) => `GET /s/a.txt HTTP/1.1 ${status} ${bytes} ${logged}\n`,
  )
  assert.is(readFileSync(accessLogfile, 'utf8'), lines.join(''))
})

test('where nothing taps Fastify, only what may be a file comes through it', async (context) => {
  write(context, { 'a.txt': 'a' })
  let routed = 0
  const site = await start(context, { alias: ['/s/=site'] }, ({ hooks }) => {
    hooks.handle.tap('app', () => {
      routed++
      return undefined
    })
    hooks.handleRaw.tap('app', (_request, response) => {
      response.end(APP)
      return true
    })
  })
  assert.equal(await askThrice(site, '/x'), [APP, APP, APP])
  assert.equal(await askThrice(site, '/s/a.txt'), ['a', 'a', 'a'])
  assert.is((await site.ask('/s/none')).status, 404)
  assert.is(routed, 0)
})

test('several requests on one connection are answered in order, by whichever lane', async (context) => {
  write(context, { 'a.txt': 'a', 'b.bin': Buffer.alloc(1_500_000, 'b') })
  const site = await start(context, { alias: ['/s/=site'] })
  await site.ask('/s/a.txt')
  const get = (path: string, last = '') => `GET ${path} HTTP/1.1\r\nHost: test\r\n${last}\r\n`
  const all = ['/s/a.txt', '/s/b.bin', '/s/a.txt', '/x', '/s/none']
    .map((path) => get(path))
    .join('')
  const rest = await site.raw(all + get('/s/a.txt', 'Connection: close\r\n'))
  assert.equal(
    rest.match(/HTTP\/1\.1 \d+/g),
    [200, 200, 200, 200, 404, 200].map((status) => `HTTP/1.1 ${status}`),
  )
})

test('HTTP/1.0 gets the connection that it asks for', async (context) => {
  write(context, { 'a.txt': 'a' })
  const site = await start(context, { alias: ['/s/=site'] })
  for (let count = 0; count < 2; count++) {
    const answer = await site.raw('GET /s/a.txt HTTP/1.0\r\n\r\n')
    assert.match(answer, /Connection: close\r\n\r\na$/)
  }
})

test.run()
