import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createTestServer, type TestServer } from '../../testing/index.ts'
import { type Core, createServer, definePlugin, errors, type Hooks } from '../index.ts'

interface Context {
  started: TestServer[]
}

function withServers(name: string) {
  const test = suite<Context>(name)
  test.before.each((context) => {
    context.started = []
  })
  test.after.each(async ({ started }) => {
    for (const server of started.reverse()) await server.close()
  })
  return test
}

async function start(context: Context, apply: (core: Core) => void, more: (typeof apply)[] = []) {
  const plugins = [apply, ...more].map((one, index) =>
    definePlugin({ name: `plugin-${index + 1}`, apply: one }),
  )
  const server = await createTestServer({ plugins })
  context.started.push(server)
  return server
}

const startFails = async (apply: (core: Core) => void) => {
  const server = createServer({ bind: ['127.0.0.1:0'], errorLogfile: '/dev/null' })
  server.use(definePlugin({ name: 'broken', apply }))
  try {
    await server.listen()
  } catch (error) {
    return error as Error & { code: string; cause: Error }
  }
  await server.close()
  throw new Error('it started')
}

/** Taps every hook there is, and notes its name. */
function tapAll({ hooks }: Core, note: (name: keyof Hooks) => void): void {
  const tap = 'notes'
  hooks.prepare.tap(tap, () => note('prepare'))
  hooks.fastifyOptions.tap(tap, (options) => {
    note('fastifyOptions')
    return options
  })
  hooks.server.tap(tap, (fastify) => {
    note('server')
    fastify.get('/routed', async () => 'routed')
    fastify.get('/throws', async () => {
      throw new Error('secret')
    })
  })
  hooks.listeners.tap(tap, (specs) => {
    note('listeners')
    return specs
  })
  hooks.beforeListen.tap(tap, () => note('beforeListen'))
  hooks.afterListen.tap(tap, () => note('afterListen'))
  hooks.request.tap(tap, () => note('request'))
  hooks.handle.tap(tap, (_request, reply) => {
    note('handle')
    reply.send('handled')
    return true
  })
  hooks.response.tap(tap, () => note('response'))
  hooks.finished.tap(tap, () => note('finished'))
  hooks.failed.tap(tap, () => note('failed'))
  hooks.resize.tap(tap, (delta) => note(delta === 1 ? 'resize' : 'request'))
  hooks.beforeRetire.tap(tap, () => note('beforeRetire'))
  // `environ` is called by who builds one: see plugins/wsgi/test. `handleRaw` needs that nobody taps `server`, `ready` that nobody taps `finished`.
}

const life = withServers('hooks')

life('are all called, each at its place', async (context) => {
  const seen: string[] = []
  const server = await start(context, (core) => tapAll(core, (name) => seen.push(name)))
  assert.equal(seen.splice(0), [
    'prepare',
    'fastifyOptions',
    'server',
    'listeners',
    'beforeListen',
    'afterListen',
  ])
  assert.is((await server.request('/routed')).body, 'routed')
  assert.is((await server.request('/elsewhere')).body, 'handled')
  assert.is((await server.request('/throws')).status, 500)
  await server.server.resize(1)
  await server.server.close()
  assert.equal(seen, [
    ...['request', 'response', 'finished'],
    ...['request', 'handle', 'response', 'finished'],
    ...['request', 'failed', 'response', 'finished'],
    'resize',
    'beforeRetire',
  ])
})

life('that build the server are called anew for each generation', async (context) => {
  const seen: string[] = []
  const server = await start(context, (core) => {
    const { generation } = core
    tapAll(core, (name) => seen.push(`${generation} ${name}`))
  })
  seen.length = 0
  await server.server.reload()
  assert.equal(seen, [
    '2 prepare',
    '2 fastifyOptions',
    '2 server',
    '2 listeners',
    '2 beforeListen',
    '2 afterListen',
    '1 beforeRetire',
  ])
})

life('are called in the order of dependencies', async (context) => {
  const seen: string[] = []
  const note = (name: string) => (core: Core) => {
    core.hooks.beforeListen.tap(name, () => void seen.push(name))
  }
  const second = definePlugin({ name: 'second', dependencies: ['first'], apply: note('second') })
  const first = definePlugin({ name: 'first', apply: note('first') })
  context.started.push(await createTestServer({ plugins: [second, first] }))
  assert.equal(seen, ['first', 'second'])
})

life('are frozen and nobody taps a name that does not exist', async (context) => {
  await start(context, ({ hooks }) => {
    assert.throws(() => Object.assign(hooks, { extra: hooks.request }), TypeError)
  })
})

life('beforeListen waits for prepare, and the building of Fastify does not', async (context) => {
  const seen: string[] = []
  await start(context, ({ hooks }) => {
    let prepared = () => {}
    hooks.prepare.tapPromise('slow', async () => {
      await new Promise<void>((resolve) => {
        prepared = resolve
      })
      seen.push('prepared')
    })
    hooks.server.tap('slow', () => {
      seen.push('server')
      prepared()
    })
    hooks.beforeListen.tap('slow', () => void seen.push('beforeListen'))
  })
  assert.equal(seen, ['server', 'prepared', 'beforeListen'])
})

life('afterListen is told the addresses', async (context) => {
  let addresses: readonly string[] = []
  const server = await start(context, ({ hooks }) => {
    hooks.afterListen.tap('test', (all) => {
      addresses = all
    })
  })
  assert.equal(addresses, [server.url])
})

life('listeners may add one', async (context) => {
  const server = await start(context, ({ hooks }) => {
    hooks.listeners.tap('test', (specs) => [
      ...specs,
      { address: { kind: 'tcp', host: '127.0.0.1', port: 0 }, scheme: 'http' },
    ])
  })
  assert.is(server.server.addresses.length, 2)
})

life('fastifyOptions shape the Fastify that is built', async (context) => {
  const server = await start(context, ({ hooks }) => {
    hooks.fastifyOptions.tap('test', (options) => ({ ...options, bodyLimit: 3 }))
    hooks.server.tap('test', (fastify) => {
      fastify.post('/', async (request) => request.body)
    })
  })
  const post = (body: string) =>
    server.request('/', { method: 'POST', headers: { 'content-type': 'text/plain' }, body })
  assert.is((await post('abc')).status, 200)
  assert.is((await post('abcd')).status, 413)
})

life('finished tells what went out', async (context) => {
  const all: unknown[] = []
  const server = await start(context, ({ hooks }) => {
    hooks.server.tap('test', (fastify) => void fastify.get('/', async () => 'five!'))
    hooks.finished.tap('test', (request, _response, finished) => {
      const { milliseconds, time, timestamp, ...rest } = finished
      assert.ok(milliseconds >= 0 && timestamp <= Date.now())
      assert.is(time.getTime(), Math.trunc(timestamp))
      all.push([request.url, rest])
    })
  })
  await server.request('/')
  await server.server.close()
  assert.equal(all, [['/', { statusCode: 200, bytes: 5, completed: true }]])
})

life('finished tells that the client left before its answer, and who it was', async (context) => {
  let left: (told: unknown[]) => void = () => {}
  const finished = new Promise<unknown[]>((resolve) => {
    left = resolve
  })
  let arrived: () => void = () => {}
  const arrival = new Promise<void>((resolve) => {
    arrived = resolve
  })
  const server = await start(context, ({ hooks }) => {
    hooks.finished.tap('test', ({ socket }, _response, { completed }) =>
      left([completed, socket.remoteAddress]),
    )
    hooks.handle.tap('test', () => {
      arrived()
      return true
    })
  })
  const connection = await server.connect()
  connection.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await arrival
  connection.destroy()
  assert.equal(await finished, [false, '127.0.0.1'])
})

life.run()

const bail = withServers('handle')

bail('stops at the first tap that returns true', async (context) => {
  const seen: string[] = []
  const tap =
    (name: string, takes: boolean) =>
    ({ hooks }: Core) =>
      hooks.handle.tapPromise(name, async (_request, reply) => {
        seen.push(name)
        if (!takes) return undefined
        reply.send(name)
        return true
      })
  const server = await start(context, tap('one', false), [tap('two', true), tap('three', true)])
  assert.is((await server.request('/')).body, 'two')
  assert.equal(seen, ['one', 'two'])
})

bail('gives a plain 404 where nobody takes the request', async (context) => {
  const server = await start(context, ({ hooks }) => {
    hooks.handle.tap('nobody', () => undefined)
  })
  const { status, headers, body } = await server.request('/none?<script>')
  assert.is(status, 404)
  assert.is(headers['content-type'], 'text/html; charset=utf-8')
  assert.match(body, '<h1>404 Not Found</h1>')
  assert.not.match(body, 'script')
})

bail('gets the body unread, whatever its type', async (context) => {
  const server = await start(context, ({ hooks }) => {
    hooks.handle.tap('echo', (request, reply) => {
      assert.is(request.body, undefined)
      reply.send(request.raw)
      return true
    })
  })
  const body = '{"not json'
  const headers = { 'content-type': 'application/json' }
  assert.is((await server.request('/', { method: 'POST', headers, body })).body, body)
})

bail('leaves routes alone', async (context) => {
  const server = await start(context, ({ hooks }) => {
    hooks.server.tap('test', (fastify) => void fastify.get('/route', async () => 'route'))
    hooks.handle.tap('test', (_request, reply) => {
      reply.send('handled')
      return true
    })
  })
  assert.is((await server.request('/route')).body, 'route')
  assert.is((await server.request('/route', { method: 'DELETE' })).body, 'handled')
})

bail.run()

const responses = withServers('response')

const changing = (context: Context, register: (fastify: FastifyInstance) => void) =>
  start(context, ({ hooks }) => {
    hooks.server.tap('test', register)
    hooks.response.tap('test', (head, request) => {
      head.statusCode = 203
      head.headers = head.headers.filter(([name]) => name !== 'x-secret')
      head.headers.push(['x-path', request.url], ['set-cookie', 'a=1'], ['set-cookie', 'b=2'])
    })
  })

responses('changes status and headers of a route', async (context) => {
  const server = await changing(context, (fastify) => {
    fastify.get('/', async (_request, reply) => reply.header('x-secret', '1').send('body'))
  })
  const { status, headers, body } = await server.request('/')
  assert.is(status, 203)
  assert.is(headers['x-secret'], undefined)
  assert.is(headers['x-path'], '/')
  assert.equal(headers['set-cookie'], ['a=1', 'b=2'])
  assert.is(headers['content-type'], 'text/plain; charset=utf-8')
  assert.is(body, 'body')
})

responses('sees routes of encapsulated Fastify plugins, and the 404', async (context) => {
  const server = await changing(context, (fastify) => {
    fastify.register(async (inner) => void inner.get('/inner', async () => 'inner'))
  })
  for (const path of ['/inner', '/none']) {
    const { status, headers } = await server.request(path)
    assert.equal([status, headers['x-path']], [203, path])
  }
})

responses('sees all that was set on a reply, and on what is below it', async (context) => {
  const seen: [string, string][][] = []
  const server = await start(context, ({ hooks }) => {
    hooks.server.tap('test', (fastify) => {
      fastify.addHook('onRequest', async ({ url }, reply) => {
        if (url === '/below') reply.raw.setHeader('X-Below', 'b')
      })
      for (const path of ['/', '/below']) {
        fastify.get(path, async (_request, reply) =>
          reply.headers({ 'x-number': 1, 'set-cookie': ['a=1', 'b=2'] }).send('body'),
        )
      }
    })
    hooks.response.tap('test', ({ headers }) => void seen.push(headers))
  })
  const own = [
    ['x-number', '1'],
    ['set-cookie', 'a=1'],
    ['set-cookie', 'b=2'],
    ['content-type', 'text/plain; charset=utf-8'],
  ]
  const { headers } = await server.request('/')
  assert.equal(headers['set-cookie'], ['a=1', 'b=2'])
  assert.is((await server.request('/below')).headers['x-below'], 'b')
  assert.equal(seen, [own, [['x-below', 'b'], ...own]])
})

responses('that fails gives a plain 500, once', async (context) => {
  const server = await start(context, ({ hooks }) => {
    hooks.server.tap('test', (fastify) => void fastify.get('/', async () => 'fine'))
    hooks.response.tap('test', () => {
      throw new Error('secret')
    })
  })
  const { status, body } = await server.request('/')
  assert.is(status, 500)
  assert.match(body, '<h1>500 Internal Server Error</h1>')
  assert.match(server.log(), "plugin 'test' failed in hook 'response': secret")
})

responses.run()

const failures = withServers('failing requests')

const FAILING: [string, (request: FastifyRequest, reply: FastifyReply) => unknown][] = [
  ['an error', () => Promise.reject(new Error('secret'))],
  [
    'an error with a status',
    () => Promise.reject(Object.assign(new Error('secret'), { statusCode: 503 })),
  ],
  [
    'at once',
    () => {
      throw new Error('secret')
    },
  ],
]

for (const [what, handler] of FAILING) {
  failures(`tell the hook and the log, and show a plain page: ${what}`, async (context) => {
    const seen: [string, string | undefined][] = []
    const server = await start(context, ({ hooks }) => {
      hooks.server.tap('test', (fastify) => void fastify.get('/x', handler))
      hooks.failed.tap('test', (error, request) => void seen.push([error.message, request?.url]))
    })
    const { status, headers, body } = await server.request('/x')
    assert.ok(status === 500 || status === 503)
    assert.is(headers['content-type'], 'text/html; charset=utf-8')
    assert.not.match(body, 'secret')
    assert.equal(seen, [['secret', '/x']])
    assert.match(server.log(), /\[ERROR\] request failed method=GET url=\/x\n.*secret/)
  })
}

failures('leave what a client did wrong to Fastify', async (context) => {
  const seen: string[] = []
  const server = await start(context, ({ hooks }) => {
    hooks.server.tap('test', (fastify) => {
      fastify.get('/', async () => {
        throw Object.assign(new Error('give a name'), { statusCode: 400 })
      })
    })
    hooks.failed.tap('test', (error) => void seen.push(error.message))
  })
  const { status, body } = await server.request('/')
  assert.is(status, 400)
  assert.match(body, 'give a name')
  assert.equal(seen, [])
})

failures('a tap of handle that throws is a 500 that names it in the log', async (context) => {
  const server = await start(context, ({ hooks }) => {
    hooks.handle.tapPromise('test', async () => {
      throw new Error('secret')
    })
  })
  const { status, body } = await server.request('/')
  assert.is(status, 500)
  assert.not.match(body, 'secret')
  assert.match(server.log(), "plugin 'test' failed in hook 'handle': secret")
})

failures(
  'a tap of request that throws is a 500, and the next request is served',
  async (context) => {
    let times = 0
    const seen: string[] = []
    const server = await start(context, ({ hooks }) => {
      hooks.server.tap('test', (fastify) => void fastify.get('/', async () => 'fine'))
      hooks.request.tap('test', () => {
        times += 1
        if (times === 1) throw new Error('secret')
      })
      hooks.failed.tap('test', (error) => void seen.push(error.message))
    })
    const { status, body } = await server.request('/')
    assert.is(status, 500)
    assert.match(body, '<h1>500 Internal Server Error</h1>')
    assert.equal(seen, ["plugin 'test' failed in hook 'request': secret"])
    assert.is((await server.request('/')).body, 'fine')
  },
)

for (const hook of ['request', 'handleRaw'] as const) {
  failures(
    `a tap of ${hook} that throws after its head ends that answer alone`,
    async (context) => {
      const server = await start(context, ({ hooks }) => {
        const fail = ({ url }: IncomingMessage, response: ServerResponse) => {
          if (url !== '/late') return undefined
          response.writeHead(200).write('begun')
          throw new Error('too late')
        }
        hooks.request.tap('test', hook === 'request' ? fail : () => {})
        hooks.handleRaw.tap('test', hook === 'request' ? () => false : fail)
        hooks.handle.tap('test', (_request, reply) => {
          reply.send('fine')
          return true
        })
      })
      const text = await server.raw('GET /late HTTP/1.1\r\nHost: a\r\n\r\n')
      assert.not.match(text, /0\r\n\r\n$/)
      assert.match(server.log(), /too late/)
      assert.is((await server.request('/')).body, 'fine')
    },
  )
}

type Take = (reply: FastifyReply) => void
const HIJACKED: readonly [what: string, take: Take, seen: RegExp][] = [
  ['nothing', () => {}, /^HTTP\/1\.1 500 [\s\S]*<h1>500 Internal Server Error<\/h1>/],
  ['a head', ({ raw }) => raw.writeHead(200), /^$/],
  ['an answer', ({ raw }) => raw.end('answer'), /^HTTP\/1\.1 200 [\s\S]*\r\n\r\nanswer$/],
]

for (const [what, take, seen] of HIJACKED) {
  failures(
    `a tap of handle that has hijacked the reply, and throws after ${what}`,
    async (context) => {
      const server = await start(context, ({ hooks }) => {
        hooks.handle.tap('test', (_request, reply) => {
          reply.hijack()
          take(reply)
          throw new Error('secret')
        })
      })
      assert.match(await server.raw('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'), seen)
      assert.match(server.log(), "plugin 'test' failed in hook 'handle': secret")
    },
  )
}

failures('fields that cannot be sent, on a reply that nobody takes, are a 500', async (context) => {
  const server = await start(context, ({ hooks }) => {
    hooks.handle.tapPromise('test', async (_request, reply) => void reply.header('x-test', '€'))
  })
  assert.is((await server.request('/')).status, 500)
  assert.is((await server.request('/')).status, 500)
})

for (const hook of ['finished', 'failed'] as const) {
  failures(`a tap of ${hook} that throws is logged, and the server goes on`, async (context) => {
    const server = await start(context, ({ hooks }) => {
      hooks.server.tap('test', (fastify) => {
        fastify.get('/', async () => {
          throw new Error('first')
        })
      })
      hooks[hook].tap('test', () => {
        throw new Error('second')
      })
    })
    for (const _ of [1, 2]) assert.is((await server.request('/')).status, 500)
    await server.server.close()
    assert.match(server.log(), `plugin 'test' failed in hook '${hook}': second`)
  })
}

failures.run()

const naming = suite('an error of a plugin')

const TAPS: [string, (hooks: Hooks, error: Error) => void][] = [
  [
    'sync',
    (hooks, error) =>
      hooks.beforeListen.tap('tapped', () => {
        throw error
      }),
  ],
  [
    'promise',
    (hooks, error) => hooks.beforeListen.tapPromise('tapped', () => Promise.reject(error)),
  ],
  ['callback', (hooks, error) => hooks.beforeListen.tapAsync('tapped', (done) => done(error))],
  [
    'throwing callback',
    (hooks, error) =>
      hooks.beforeListen.tapAsync('tapped', () => {
        throw error
      }),
  ],
]

for (const [kind, tap] of TAPS) {
  naming(`names plugin and hook, with its cause: ${kind}`, async () => {
    const cause = new Error('no luck')
    const error = await startFails(({ hooks }) => tap(hooks, cause))
    assert.instance(error, errors.HookFailed)
    assert.is(error.message, "plugin 'tapped' failed in hook 'beforeListen': no luck")
    assert.is(error.cause, cause)
  })
}

const START_HOOKS = [
  'prepare',
  'fastifyOptions',
  'server',
  'listeners',
  'beforeListen',
  'afterListen',
] as const

for (const hook of START_HOOKS) {
  naming(`stops the start in ${hook}`, async () => {
    const error = await startFails(({ hooks }) => {
      const tap = hooks[hook] as { tap(name: string, fn: () => never): void }
      tap.tap('tapped', () => {
        throw 'only text'
      })
    })
    assert.is(error.message, `plugin 'tapped' failed in hook '${hook}': only text`)
    assert.is(error.cause, 'only text')
  })
}

naming('in apply names the plugin', async () => {
  const cause = new Error('no luck')
  const error = await startFails(() => {
    throw cause
  })
  assert.instance(error, errors.ApplyFailed)
  assert.is(error.message, "plugin 'broken' failed to apply: no luck")
  assert.is(error.cause, cause)
})

naming.run()
