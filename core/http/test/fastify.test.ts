import { createServer, type IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Client, get, type Handler, parseAnswer, post, Stage, sleep } from './wire.ts'

interface Context {
  app: FastifyInstance
  stage: Stage
  /** Registers routes, then opens. */
  serve(build: (app: FastifyInstance) => void): Promise<Stage>
}

const withFastify = (name: string) => {
  const test = suite<Context>(name)
  test.before.each((context) => {
    context.serve = async (build) => {
      let handler: Handler | undefined
      const options = {
        bodyLimit: 1000,
        serverFactory: (handle: Handler) => {
          handler = handle
          return createServer()
        },
      }
      context.app = Fastify(options as unknown as FastifyServerOptions) as never
      build(context.app)
      await context.app.ready()
      context.stage = await Stage.open(handler as Handler, { lingerTime: 50 })
      return context.stage
    }
  })
  test.after.each(async ({ app, stage }) => {
    await stage?.close()
    await app?.close()
  })
  return test
}

const CLOSE = 'Connection: close\r\n'
const JSON_TYPE = 'Content-Type: application/json\r\n'
const ask = async (stage: Stage, request: string) => parseAnswer(await stage.exchange(request))

const routes = withFastify('Fastify routes')

routes('answer JSON, text and buffers', async ({ serve }) => {
  const stage = await serve((app) => {
    app.get('/json', async () => ({ hello: 'wörld' }))
    app.get('/text', (_, reply) => reply.type('text/plain').send('hi'))
    app.get('/buffer', (_, reply) => reply.send(Buffer.from([0, 255])))
    app.get('/empty', (_, reply) => reply.code(204).send())
  })
  const json = await ask(stage, get('/json', CLOSE))
  assert.is(Buffer.from(json.body, 'latin1').toString(), '{"hello":"wörld"}')
  assert.is(json.headers['content-type'], 'application/json; charset=utf-8')
  assert.is((await ask(stage, get('/text', CLOSE))).body, 'hi')
  assert.is((await ask(stage, get('/buffer', CLOSE))).body, '\0\xff')
  assert.is((await ask(stage, get('/empty', CLOSE))).status, 204)
  assert.is((await ask(stage, get('/nothing', CLOSE))).status, 404)
  const head = await ask(stage, `HEAD /text HTTP/1.1\r\nHost: a\r\n${CLOSE}\r\n`)
  assert.equal([head.status, head.headers['content-length'], head.body], [200, '2', ''])
})

routes('read parameters, query, host and address', async ({ serve }) => {
  const stage = await serve((app) => {
    app.get('/:id', ({ params, query, hostname, ip, protocol }) => {
      return { params, query, hostname, ip, protocol }
    })
  })
  const { body } = await ask(stage, get('/7?a=b', CLOSE))
  const expected = { params: { id: '7' }, query: { a: 'b' }, hostname: 'a', ip: '127.0.0.1' }
  assert.equal(JSON.parse(body), { ...expected, protocol: 'http' })
})

routes('parse bodies, whole, in pieces and chunked', async ({ serve }) => {
  const stage = await serve((app) => {
    app.post('/', async ({ body }) => body)
  })
  const body = JSON.stringify({ text: 'x'.repeat(500) })
  assert.is((await ask(stage, post(body, CLOSE + JSON_TYPE))).body, body)
  const client = await stage.connect()
  for (const piece of post(body, CLOSE + JSON_TYPE).match(/[\s\S]{1,50}/g) ?? []) {
    client.send(piece)
    await sleep(1)
  }
  assert.is(parseAnswer(await client.rest()).body, body)
  const chunked = `POST / HTTP/1.1\r\nHost: a\r\n${CLOSE}${JSON_TYPE}Transfer-Encoding: chunked\r\n\r\n`
  assert.is((await ask(stage, `${chunked}7\r\n{"a":1}\r\n0\r\n\r\n`)).body, '{"a":1}')
  assert.is((await ask(stage, post('{', CLOSE + JSON_TYPE))).status, 400)
  assert.is((await ask(stage, post('x', `${CLOSE}Content-Type: a/b\r\n`))).status, 415)
})

routes('refuse bodies over their own limit and close', async ({ serve }) => {
  const stage = await serve((app) => {
    app.post('/', async ({ body }) => body)
  })
  const declared = await ask(stage, post('x'.repeat(1001), JSON_TYPE))
  assert.equal([declared.status, declared.headers.connection], [413, 'close'])
  const chunk = `400\r\n${'x'.repeat(1024)}\r\n`
  const head = `POST / HTTP/1.1\r\nHost: a\r\n${JSON_TYPE}Transfer-Encoding: chunked\r\n\r\n`
  const chunked = await ask(stage, `${head}${chunk.repeat(200)}`)
  assert.equal([chunked.status, chunked.headers.connection], [413, 'close'])
})

routes('stream: a Node stream, a web stream, a web Response', async ({ serve }) => {
  const stage = await serve((app) => {
    app.get('/node', (_, reply) => reply.send(Readable.from(['a', 'b'])))
    app.get('/web', (_, reply) => reply.send(new Response('abc').body))
    app.get('/response', () => new Response('abc', { status: 201, headers: { 'x-a': 'b' } }))
  })
  assert.match((await ask(stage, get('/node', CLOSE))).body, /a[\s\S]*b[\s\S]*0\r\n\r\n$/)
  assert.match((await ask(stage, get('/web', CLOSE))).body, /abc\r\n0\r\n\r\n$/)
  const { status, headers } = await ask(stage, get('/response', CLOSE))
  assert.equal([status, headers['x-a']], [201, 'b'])
})

routes('turn the failure of a stream into 500, or break off', async ({ serve }) => {
  const stage = await serve((app) => {
    app.get('/early', (_, reply) => {
      const fails = new Readable({ read: () => fails.destroy(new Error('early')) })
      return reply.send(fails)
    })
    app.get('/late', (_, reply) => {
      const fails = new Readable({ read() {} })
      fails.push('part')
      setTimeout(() => fails.destroy(new Error('late')), 20)
      return reply.send(fails)
    })
  })
  assert.is((await ask(stage, get('/early', CLOSE))).status, 500)
  const late = await stage.exchange(get('/late', CLOSE))
  assert.match(late, /part/)
  assert.not.match(late, /\r\n0\r\n\r\n$/)
})

routes('destroy a stream whose client has left', async ({ serve }) => {
  let resolve: () => void = () => {}
  const destroyed = new Promise<void>((done) => {
    resolve = done
  })
  const stage = await serve((app) => {
    app.get('/', (_, reply) => {
      const endless = new Readable({ read() {} })
      endless.push('x')
      endless.on('close', resolve)
      return reply.send(endless)
    })
  })
  const client = await stage.connect()
  client.send(get())
  await client.until('x')
  client.socket.destroy()
  await destroyed
})

routes('send trailers', async ({ serve }) => {
  const stage = await serve((app) => {
    app.get('/', (_, reply) => {
      reply.trailer('X-Sum', (_reply, payload, done) =>
        done(null, String(payload).length.toString()),
      )
      return reply.send('hello')
    })
  })
  const { headers, body } = await ask(stage, get('/', CLOSE))
  assert.is(headers.trailer, 'x-sum')
  assert.is(body, '5\r\nhello\r\n0\r\nx-sum: 5\r\n\r\n')
})

routes('answer from the raw response, and hijacked', async ({ serve }) => {
  const stage = await serve((app) => {
    app.get('/raw', (request, reply) => {
      reply.hijack()
      reply.raw.writeHead(200, { 'X-Url': request.raw.url as string })
      reply.raw.write('raw')
      reply.raw.end()
    })
    app.get('/hints', async (_, reply) => {
      await new Promise<void>((done) => reply.writeEarlyHints({ link: '</a.css>' }, done))
      return 'ok'
    })
  })
  const raw = await ask(stage, get('/raw', CLOSE))
  assert.equal([raw.headers['x-url'], raw.body], ['/raw', '3\r\nraw\r\n0\r\n\r\n'])
  assert.match(
    await stage.exchange(get('/hints', CLOSE)),
    /^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a\.css>\r\n\r\nHTTP\/1\.1 200 /,
  )
})

routes('say 100 only when a route reads', async ({ serve }) => {
  const stage = await serve((app) => {
    app.post('/', async ({ body }) => body)
    app.post('/no', { onRequest: async (_, reply) => reply.code(401).send() }, async () => 'never')
  })
  const expect = (path: string) =>
    `POST ${path} HTTP/1.1\r\nHost: a\r\n${JSON_TYPE}Content-Length: 7\r\nExpect: 100-continue\r\n\r\n`
  const client = await stage.connect()
  client.send(expect('/'))
  await client.until('100 Continue\r\n\r\n')
  client.send('{"a":1}')
  await client.until('{"a":1}')
  assert.is((await ask(stage, expect('/no'))).status, 401)
})
routes.run()

const hooks = withFastify('Fastify hooks')

hooks('run in order, the last after the answer', async ({ serve }) => {
  const seen: string[] = []
  let finish: () => void = () => {}
  const finished = new Promise<void>((done) => {
    finish = done
  })
  const stage = await serve((app) => {
    for (const name of ['onRequest', 'preParsing', 'preHandler', 'onSend'] as const) {
      app.addHook(name, async () => {
        seen.push(name)
      })
    }
    app.addHook('onResponse', async (_, reply) => {
      seen.push(`onResponse ${reply.elapsedTime > 0}`)
      finish()
    })
    app.get('/', async () => 'ok')
  })
  await ask(stage, get('/', CLOSE))
  await finished
  assert.equal(seen, ['onRequest', 'preParsing', 'preHandler', 'onSend', 'onResponse true'])
})

hooks('learn that a client has left, by hook and by signal', async ({ serve }) => {
  const seen: string[] = []
  const stage = await serve((app) => {
    app.addHook('onRequestAbort', async (_request) => {
      seen.push('hook')
    })
    app.get('/', async (request) => {
      request.signal.addEventListener('abort', () => seen.push('signal'))
      await sleep(300)
      return 'late'
    })
  })
  const client = await stage.connect()
  client.send(get())
  await sleep(30)
  client.socket.destroy()
  await sleep(50)
  assert.equal(seen.sort(), ['hook', 'signal'])
})

hooks('are told nothing of the kind where the client stays', async ({ serve }) => {
  let isAborted: boolean | undefined
  const stage = await serve((app) => {
    app.addHook('onRequestAbort', async (_request) => {
      isAborted = true
    })
    app.post('/', async (request) => {
      request.raw.on('close', () => {
        isAborted ??= request.raw.aborted
      })
      return 'ok'
    })
  })
  const client: Client = await stage.connect()
  client.send(post('{}', JSON_TYPE))
  await client.until('ok')
  await sleep(20)
  assert.is(isAborted ?? false, false)
})

hooks('answer a request that takes too long', async ({ serve }) => {
  const stage = await serve((app) => {
    app.get('/', { handlerTimeout: 50 }, () => new Promise(() => {}))
  })
  assert.is((await ask(stage, get('/', CLOSE))).status, 503)
})

hooks('see an injected request as well', async (context) => {
  await context.serve((app) => {
    app.get('/', async () => 'ok')
  })
  const { body } = await context.app.inject('/')
  assert.is(body, 'ok')
})

hooks('can replace the stream of the body', async ({ serve }) => {
  const stage = await serve((app) => {
    app.addHook('preParsing', async () => Readable.from([Buffer.from('{"a":2}')]))
    app.post('/', async ({ body }) => body)
  })
  assert.is((await ask(stage, post('{"a":1}', CLOSE + JSON_TYPE))).body, '{"a":2}')
})

hooks('find a request that is a stream of node:http', async ({ serve }) => {
  const stage = await serve((app) => {
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', (_, payload, done) => done(null, payload))
    app.post('/', async (request, reply) => {
      const raw = request.body as IncomingMessage
      assert.instance(raw, Readable)
      return reply.send(raw)
    })
  })
  const { body } = await ask(stage, post('hello', `${CLOSE}Content-Type: a/b\r\n`))
  assert.match(body, 'hello')
})
hooks.run()
