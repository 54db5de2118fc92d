import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import express from 'express'
import Fastify from 'fastify'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  createTestServer,
  type TestServer,
  type TestServerOptions,
  validator,
} from '../../../testing/index.ts'
import wsgi, { type Application, type Header, type JavaScriptEnviron } from '../index.ts'
import { readAnswer, requestText } from './app-server.ts'

interface Context {
  undo: (() => unknown)[]
}

const javascript = suite<Context>('applications in JavaScript, in the front')

javascript.before.each((context) => {
  context.undo = []
})
javascript.after.each(async ({ undo }) => {
  for (const step of undo.reverse()) await step()
})

type Use = NonNullable<TestServerOptions['plugins']>[number]

async function start({ undo }: Context, use: Use | Application): Promise<TestServer> {
  const plugin = typeof use === 'function' && !('apply' in use && 'config' in use) ? wsgi(use) : use
  const server = await createTestServer({ plugins: [plugin as Use] })
  undo.push(() => server.close())
  return server
}

const bytes = (text: string) => Buffer.from(text, 'latin1')
const plain: Header[] = [['Content-Type', 'text/plain']]
const answer =
  (make: () => unknown, headers = plain, status = '200 OK'): Application =>
  (_environ, startResponse) => {
    startResponse(status, headers)
    return make() as Uint8Array
  }
const wire = async (server: TestServer, method = 'GET', path = '/') =>
  readAnswer(await server.raw(requestText(path, { method })), method)

javascript('answers with what the app returns, its length known', async (context) => {
  for (const make of [
    () => bytes('tea'),
    () => [bytes('t'), bytes('ea')],
    async () => bytes('tea'),
  ]) {
    const server = await start(context, validator(answer(make)))
    const { status, headers, body } = await server.request('/')
    assert.equal([status, body, headers['content-length']], [200, 'tea', '3'])
  }
})

javascript('sends what an iterable gives as it comes, synchronous or not', async (context) => {
  const sync = function* () {
    yield bytes('a')
    yield bytes('')
    yield bytes('b')
  }
  const slow = async function* () {
    yield bytes('a')
    await after(5)
    yield bytes('b')
  }
  for (const make of [sync, slow, async () => slow()]) {
    const server = await start(context, validator(answer(make)))
    const { body, fields } = await wire(server)
    assert.is(body, 'ab')
    assert.ok(fields.some(([name, value]) => name === 'Transfer-Encoding' && value === 'chunked'))
  }
})

javascript('a chunk is on the wire before the next is made', async (context) => {
  let more = () => {}
  const server = await start(
    context,
    answer(async function* () {
      yield bytes('first')
      await new Promise<void>((resolve) => {
        more = resolve
      })
      yield bytes('second')
    }),
  )
  const client = await server.connect()
  client.send(requestText('/'))
  await client.receive(/first/)
  more()
  await client.receive(/second/)
})

javascript('startResponse may come late: before the first byte is enough', async (context) => {
  const server = await start(context, async function* (_environ, startResponse) {
    yield bytes('')
    startResponse('201 Created', plain)
    yield bytes('made')
  } as Application)
  const { status, body } = await server.request('/')
  assert.equal([status, body], [201, 'made'])
})

javascript('an error replaces the head that has not gone out', async (context) => {
  const server = await start(context, (_environ, startResponse) => {
    startResponse('200 OK', plain)
    startResponse('418 Tea', plain, new Error('no coffee'))
    return bytes('short and stout')
  })
  assert.is((await server.request('/')).status, 418)
})

javascript('write() sends at once, and the returned body follows', async (context) => {
  const server = await start(context, async (_environ, startResponse) => {
    const write = startResponse('200 OK', plain)
    await write(bytes('one '))
    await write(bytes('two '))
    return [bytes('three')]
  })
  assert.is((await server.request('/')).body, 'one two three')
})

const FAULTS: [name: string, app: Application, log: string | RegExp][] = [
  ['a string as the body', answer(() => 'text'), 'a string, whose bytes are not known'],
  ['strings in an array', answer(() => ['text']), 'must be made of Uint8Array or Buffer'],
  ['nothing', answer(() => undefined), 'not bytes or an iterable of bytes'],
  ['a number', answer(() => 5), 'not bytes or an iterable of bytes'],
  ['no startResponse()', () => bytes('x'), 'without calling startResponse()'],
  ['a throw', () => assert.unreachable('at once') as never, 'at once'],
  ['a rejection', async () => Promise.reject(new Error('later')), 'later'],
  ['a bare status', answer(() => bytes(''), plain, '200'), "status must be 'NNN reason'"],
  ['a status with a line end', answer(() => bytes(''), plain, '200 OK\r\nX: 1'), 'status must be'],
  ['a header with a line end', answer(() => bytes(''), [['A', 'b\r\nX: 1']]), 'illegal in HTTP'],
  ['a header name with a colon', answer(() => bytes(''), [['A:', 'b']]), 'must be a token'],
  [
    'an object as headers',
    answer(() => bytes(''), { a: 'b' } as never),
    'headers must be an array',
  ],
  ['a number as a value', answer(() => bytes(''), [['A', 1 as never]]), 'must be a string'],
  ['too few bytes', answer(() => bytes('ab'), [['Content-Length', '3']]), 'gave 2 of the 3 bytes'],
  [
    'two lengths',
    answer(
      () => bytes(''),
      [
        ['Content-Length', '0'],
        ['content-length', '0'],
      ],
    ),
    'several',
  ],
]

for (const [name, app, log] of FAULTS) {
  javascript(`${name} is a 500, of which the log says why`, async (context) => {
    const server = await start(context, app)
    const { status, fields, body } = await wire(server)
    assert.is(status, '500 Internal Server Error')
    assert.ok(!fields.some(([field]) => field === 'X'))
    assert.match(body, 'Internal Server Error')
    assert.match(server.log(), log)
  })
}

javascript('more bytes than announced are dropped, and said', async (context) => {
  const headers: Header[] = [['Content-Length', '2']]
  for (const make of [() => bytes('abc'), () => [bytes('a'), bytes('bc')].values()]) {
    const server = await start(context, answer(make, headers))
    const { body } = await server.request('/')
    assert.is(body, 'ab')
    assert.match(server.log(), 'gave more bytes than its Content-Length of 2')
  }
})

javascript('an app that fails after its head breaks the connection', async (context) => {
  const server = await start(
    context,
    answer(async function* () {
      yield bytes('some')
      throw new Error('too late')
    }),
  )
  const { body, whole } = await wire(server)
  assert.is(body, 'some')
  assert.is(whole, false)
  assert.match(server.log(), 'too late')
})

javascript('HEAD, 204 and 304 have no body, and the iterable is let go', async (context) => {
  const seen: string[] = []
  const body = (name: string) => ({
    *[Symbol.iterator]() {
      seen.push(`${name} iterated`)
      yield bytes('x')
    },
    close: () => void seen.push(`${name} closed`),
  })
  const cases = [
    ['HEAD', '200 OK'],
    ['GET', '204 No Content'],
    ['GET', '304 Not Modified'],
  ] as const
  for (const [method, status] of cases) {
    const server = await start(
      context,
      answer(() => body(status), [], status),
    )
    const answered = await wire(server, method)
    assert.is(answered.body, '')
    assert.is(answered.status, status)
  }
  assert.equal(seen, ['200 OK closed', '204 No Content closed', '304 Not Modified closed'])
})

javascript('hop-by-hop headers are dropped with a warning', async (context) => {
  const server = await start(
    context,
    answer(
      () => bytes('x'),
      [
        ['Keep-Alive', '5'],
        ['A', 'b'],
      ],
    ),
  )
  const { fields } = await wire(server)
  assert.ok(fields.some(([name]) => name === 'A'))
  assert.ok(!fields.some(([name]) => name === 'Keep-Alive'))
  assert.match(server.log(), "hop-by-hop header 'Keep-Alive'")
})

javascript('close() and return() are called, whatever the end was', async (context) => {
  const ends: string[] = []
  const make = (name: string, fails: boolean) => {
    const generator = (async function* () {
      try {
        for (let count = 0; count < 3; count++) yield bytes('x')
        if (fails) throw new Error('fails')
      } finally {
        ends.push(`${name} returned`)
      }
    })()
    return Object.assign(generator, { close: () => void ends.push(`${name} closed`) })
  }
  for (const [name, fails, headers] of [
    ['whole', false, plain],
    ['failed', true, plain],
    ['cut', false, [['Content-Length', '1']]],
  ] as [string, boolean, Header[]][]) {
    const server = await start(
      context,
      answer(() => make(name, fails), headers),
    )
    await wire(server)
  }
  const expected = ['whole', 'failed', 'cut'].flatMap((name) => [
    `${name} returned`,
    `${name} closed`,
  ])
  assert.equal(ends, expected)
})

javascript('a client that leaves stops the app: signal, return(), close()', async (context) => {
  const ends: string[] = []
  let stopped = () => {}
  const end = new Promise<void>((resolve) => {
    stopped = resolve
  })
  const server = await start(context, (environ, startResponse) => {
    startResponse('200 OK', plain)
    const signal = environ['wsgi_core.signal']()
    signal.addEventListener('abort', () => ends.push('aborted'))
    const generator = (async function* () {
      try {
        for (;;) {
          yield bytes('more\n')
          await after(2)
        }
      } finally {
        ends.push(`returned, gone: ${environ['wsgi_core.client_gone']()}`)
      }
    })()
    return Object.assign(generator, {
      close() {
        ends.push('closed')
        stopped()
      },
    })
  })
  const client = await server.connect()
  client.send(requestText('/'))
  await client.receive(/more/)
  client.destroy()
  await end
  assert.equal(ends, ['aborted', 'returned, gone: true', 'closed'])
})

javascript('a client that does not read holds the app back', async (context) => {
  let made = 0
  let slept = () => {}
  const waits = new Promise<void>((resolve) => {
    slept = resolve
  })
  const server = await start(
    context,
    answer(async function* () {
      for (let count = 0; count < 2000; count++) {
        made++
        const before = performance.now()
        yield Buffer.alloc(65_536)
        if (performance.now() - before > 50) slept()
      }
    }),
  )
  const client = await server.connect()
  client.socket.pause()
  client.send(requestText('/'))
  const idle = async () => {
    for (let last = -1; made !== last; await after(100)) last = made
  }
  await idle()
  assert.ok(made > 0 && made < 1000, `${made} chunks were made`)
  client.socket.resume()
  await waits
})

const echo: Application = async (environ, startResponse) => {
  startResponse('200 OK', plain)
  return environ['wsgi.input']
}

javascript('wsgi.input is an async iterable, and has read()', async (context) => {
  const body = 'x'.repeat(200_000)
  const piecewise: Application = async (environ, startResponse) => {
    startResponse('200 OK', plain)
    const input = environ['wsgi.input']
    const first = await input.read(10)
    const rest = await input.read()
    return bytes(`${first.length} ${rest.length} ${(await input.read()).length}`)
  }
  const whole = await start(context, validator(echo))
  assert.is((await whole.request('/', { method: 'POST', body })).body, body)
  const pieces = await start(context, piecewise)
  assert.is((await pieces.request('/', { method: 'POST', body })).body, '10 199990 0')
  assert.is((await pieces.request('/')).body, '0 0 0')
})

javascript('the environ is that of PEP 3333', async (context) => {
  let seen = {} as JavaScriptEnviron
  const server = await start(context, (environ, startResponse) => {
    seen = environ
    startResponse('204 No Content', [])
    return []
  })
  const headers = { 'x-two': ['a', 'b'], 'content-type': 'text/tea', cookie: 'c=1' }
  await server.request('/caf%C3%A9/x?a=b%20c', { method: 'POST', headers, body: 'abc' })
  const { REQUEST_METHOD, PATH_INFO, QUERY_STRING, CONTENT_TYPE, CONTENT_LENGTH } = seen
  assert.equal([REQUEST_METHOD, PATH_INFO, QUERY_STRING], ['POST', '/caf\xc3\xa9/x', 'a=b%20c'])
  assert.equal([CONTENT_TYPE, CONTENT_LENGTH, seen.HTTP_X_TWO], ['text/tea', '3', 'a,b'])
  assert.equal([seen['wsgi.url_scheme'], seen.SERVER_PROTOCOL], ['http', 'HTTP/1.1'])
  assert.equal(seen['wsgi.version'], [1, 0])
})

javascript('plugins see its environ and its head, and routes win', async (context) => {
  const app: Application = (environ, startResponse) => {
    startResponse('200 OK', plain)
    return bytes(String(environ['tea.kind']))
  }
  const server = await createTestServer({
    plugins: [wsgi(app)],
    setup(made) {
      made.hooks.environ.tap('tea', (environ) => void environ.set('tea.kind', 'green'))
      made.hooks.response.tap('tea', (head) => void head.headers.push(['X-Tea', 'yes']))
      made.fastify((fastify) => fastify.get('/own', () => 'own'))
    },
  })
  context.undo.push(() => server.close())
  const { body, headers } = await server.request('/')
  assert.equal([body, headers['x-tea']], ['green', 'yes'])
  assert.is((await server.request('/own')).body, 'own')
})

javascript('an app hands a file over to the static plugin', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'wsgi-core-hand-over-'))
  context.undo.push(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'tea.txt'), 'green tea')
  const app = answer(() => bytes('not this'), [['X-Accel-Redirect', '/private/tea.txt']])
  const locations = [{ path: '/private/', alias: folder, internal: true }]
  const server = await createTestServer({
    plugins: [wsgi(app)],
    config: { plugins: ['static'], static: { locations } },
  })
  context.undo.push(() => server.close())
  const { body, headers } = await server.request('/')
  assert.is(body, 'green tea')
  assert.is(headers['x-accel-redirect'], undefined)
})

javascript('serves under a root path, and not outside of it', async (context) => {
  const app: Application = ({ SCRIPT_NAME, PATH_INFO }, startResponse) => {
    startResponse('200 OK', plain)
    return bytes(`${SCRIPT_NAME}|${PATH_INFO}`)
  }
  const server = await start(context, wsgi(app, { rootPath: '/shop' }))
  assert.is((await server.request('/shop/a')).body, '/shop|/a')
  assert.is((await server.request('/other')).status, 500)
})

javascript('early hints go out before the answer', async (context) => {
  const server = await start(context, (environ, startResponse) => {
    environ['wsgi.early_hints']([['Link', '</a.css>; rel=preload']])
    startResponse('200 OK', plain)
    return bytes('tea')
  })
  const raw = await server.raw(requestText('/'))
  assert.match(
    raw,
    /^HTTP\/1.1 103 Early Hints\r\nLink: <\/a.css>; rel=preload\r\n\r\nHTTP\/1.1 200/,
  )
})

javascript('serves Fastify apps and plugins, Express apps and fetch handlers', async (context) => {
  const fastify = Fastify()
  fastify.post('/', async ({ body }) => body)
  const plugin = async (instance: typeof fastify) => {
    instance.post('/', async ({ body }) => body)
  }
  const connect = express().use(express.json())
  connect.post('/', (request, response) => void response.json(request.body))
  const fetcher = async (request: Request) => new Response(await request.text(), { status: 200 })
  const uses = [
    wsgi(fastify, { interface: 'fastify' }),
    wsgi(plugin, { interface: 'fastify' }),
    wsgi(connect, { interface: 'node' }),
    wsgi(fetcher, { interface: 'fetch' }),
    wsgi({ fetch: fetcher }, { interface: 'fetch' }),
  ]
  const headers = { 'content-type': 'application/json' }
  for (const use of uses) {
    const server = await start(context, use as Use)
    const { status, body } = await server.request('/', { method: 'POST', headers, body: '{"a":1}' })
    assert.equal([status, body], [200, '{"a":1}'])
  }
})

const validated = suite('the validator of JavaScript applications')

const run = async (app: Application) => {
  const server = await createTestServer({ plugins: [wsgi(validator(app))] })
  try {
    const { status } = await server.request('/')
    return `${status} ${server.log()}`
  } finally {
    await server.close()
  }
}

validated('lets an app through that keeps to the interface', async () => {
  assert.match(await run(answer(() => bytes('tea'))), /^200 /)
})

for (const [name, app, log] of [
  ['a string', answer(() => 'tea'), 'the body is made of bytes'],
  ['bytes before the head', () => bytes('tea'), 'startResponse() is called before the first bytes'],
  [
    'a header of the server',
    answer(() => bytes(''), [['Connection', 'close']]),
    "server's business",
  ],
  [
    'too many bytes',
    answer(() => bytes('tea'), [['Content-Length', '1']]),
    'longer than its Content',
  ],
  ['a type without a body', answer(() => [], plain, '204 No Content'), 'has no Content-Type'],
] as [string, Application, string][]) {
  validated(`finds ${name}`, async () => {
    const outcome = await run(app)
    assert.match(outcome, /^500 /)
    assert.match(outcome, log)
    assert.match(outcome, 'ValidationError')
  })
}

javascript.run()
validated.run()
