import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import * as assert from 'uvu/assert'
import { suiteOfApps, until } from './fixtures-ecosystem/app.ts'
import { get, parseAnswer } from './wire.ts'

const MEGABYTE = 1_048_576
const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

const answers = suiteOfApps('Fastify on the engine: answers')

answers('JSON, text, a schema and a reply that was set by hand', async ({ open }) => {
  const response = { 200: { type: 'object', properties: { a: { type: 'number' } } } }
  const app = await open((fastify) => {
    fastify.get('/json', async () => ({ a: 'ä', list: [1, 2] }))
    fastify.get('/schema', { schema: { response } }, async () => ({ a: 1, secret: 2 }))
    fastify.get('/text', (_, reply) => {
      reply.header('x-many', ['a', 'b']).code(202).type('text/plain').send('héllo')
    })
    fastify.get('/away', (_, reply) => reply.redirect('/json'))
  })
  assert.equal(await (await app.fetch('/json')).json(), { a: 'ä', list: [1, 2] })
  assert.is(await (await app.fetch('/schema')).text(), '{"a":1}')
  const text = await app.fetch('/text')
  assert.equal([text.status, text.headers.get('x-many')], [202, 'a, b'])
  assert.is(await text.text(), 'héllo')
  const away = await app.fetch('/away')
  assert.ok(away.redirected)
  await away.text()
})

answers('a megabyte of each kind, byte for byte', async ({ open }) => {
  const bytes = Buffer.alloc(MEGABYTE, 'abcdefg')
  const pieces = () =>
    Array.from({ length: 16 }, (_, at) => bytes.subarray(at << 16, (at + 1) << 16))
  const app = await open((fastify) => {
    fastify.get('/buffer', (_, reply) => reply.send(bytes))
    fastify.get('/stream', (_, reply) => reply.send(Readable.from(pieces())))
    fastify.get('/declared', (_, reply) => {
      return reply.header('content-length', MEGABYTE).send(Readable.from(pieces()))
    })
    fastify.get('/web', (_, reply) => reply.send(new Blob([bytes]).stream()))
    fastify.get('/response', () => new Response(bytes, { status: 203, headers: { 'x-a': 'b' } }))
    fastify.get('/raw', (_, reply) => {
      reply.hijack()
      reply.raw.writeHead(200, { 'content-type': 'a/b' })
      Readable.from(pieces()).pipe(reply.raw)
    })
  })
  for (const path of ['buffer', 'stream', 'declared', 'web', 'response', 'raw']) {
    const response = await app.fetch(`/${path}`)
    assert.is(sha(new Uint8Array(await response.arrayBuffer())), sha(bytes), path)
    const declared = response.headers.get('content-length')
    assert.is(declared, ['buffer', 'declared'].includes(path) ? String(MEGABYTE) : null, path)
  }
})

answers('HEAD like GET, without the body', async ({ open }) => {
  const app = await open((fastify) => {
    fastify.get('/text', async () => 'hello')
    fastify.get('/stream', (_, reply) => reply.send(Readable.from(['a', 'b'])))
  })
  const client = await app.connect()
  client.send('HEAD /text HTTP/1.1\r\nHost: a\r\n\r\n')
  assert.is(parseAnswer(await client.until('\r\n\r\n')).headers['content-length'], '5')
  client.send(`HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n${get('/text')}`)
  await client.until('\r\n\r\n')
  assert.is(parseAnswer(await client.until(/\r\n\r\nhello$/)).status, 200)
})

answers('many requests at once on few connections, each its own', async ({ open }) => {
  const app = await open((fastify) => {
    fastify.get('/:id', async ({ params }) => params)
    fastify.post('/:id', async ({ params, body }) => ({ params, body }))
  })
  const ids = Array.from({ length: 200 }, (_, id) => String(id))
  const ask = (id: string) => {
    if (Number(id) % 2) return app.fetch(`/${id}`)
    const headers = { 'content-type': 'application/json' }
    return app.fetch(`/${id}`, { method: 'POST', headers, body: JSON.stringify({ id }) })
  }
  const got = await Promise.all(ids.map(async (id) => (await ask(id)).json()))
  for (const id of ids) {
    const expected = Number(id) % 2 ? { id } : { params: { id }, body: { id } }
    assert.equal(got[Number(id)], expected)
  }
})
answers.run()

const bodies = suiteOfApps('Fastify on the engine: bodies')

bodies('parsed by its own parsers and by custom ones', async ({ open }) => {
  const app = await open((fastify) => {
    fastify.addContentTypeParser('text/csv', { parseAs: 'string' }, (_, body, done) => {
      done(null, (body as string).split(','))
    })
    fastify.addContentTypeParser('application/x-hash', async (_: unknown, stream: Readable) => {
      const hash = createHash('sha256')
      for await (const chunk of stream) hash.update(chunk)
      return hash.digest('hex')
    })
    fastify.post('/', { bodyLimit: 10 * MEGABYTE }, async ({ body }) => ({ body }))
  })
  const post = async (type: string, body: RequestInit['body']) => {
    const init = {
      method: 'POST',
      headers: { 'content-type': type },
      body,
      duplex: 'half',
    } as RequestInit
    return (await app.fetch('/', init)).json()
  }
  const large = Buffer.alloc(3 * MEGABYTE, 'xyz')
  assert.equal(await post('application/json', '{"a":1}'), { body: { a: 1 } })
  assert.equal(await post('text/plain', 'ä'), { body: 'ä' })
  assert.equal(await post('text/csv', 'a,b'), { body: ['a', 'b'] })
  assert.equal(await post('application/x-hash', large), { body: sha(large) })
  assert.equal(await post('application/x-hash', new Blob([large]).stream()), { body: sha(large) })
  assert.is(
    ((await post('application/json', '{"__proto__":1}')) as { statusCode: number }).statusCode,
    400,
  )
})

bodies('sent back while they come', async ({ open }) => {
  const app = await open((fastify) => {
    fastify.removeAllContentTypeParsers()
    fastify.addContentTypeParser('*', (_, payload, done) => done(null, payload))
    fastify.post('/', (request, reply) => reply.send(request.raw))
  })
  const client = await app.connect()
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Type: a/b\r\nContent-Length: 6\r\n\r\n')
  for (const part of ['ab', 'cd', 'ef']) {
    client.send(part)
    await client.until(`2\r\n${part}\r\n`)
  }
  await client.until('0\r\n\r\n')
})

bodies('after an early answer: the connection goes on or ends, in step', async ({ open }) => {
  const app = await open((fastify) => {
    fastify.post('/', { onRequest: async (_, reply) => reply.code(401).send('no') }, async () => '')
    fastify.get('/', async () => 'next')
  })
  const head = (length: number) =>
    `POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: ${length}\r\n\r\n`
  const small = await app.connect()
  small.send(`${head(10)}GET / HTTP${get()}`)
  await small.until('no')
  await small.until(/200 OK\r\n(?:.+\r\n)*\r\nnext/)
  const large = await app.connect()
  large.send(head(10 * MEGABYTE))
  assert.is(parseAnswer(await large.until('no')).headers.connection, 'close')
})

bodies('asked for by 100-continue, also where the handler asks itself', async ({ open }) => {
  const app = await open((fastify) => {
    fastify.removeAllContentTypeParsers()
    fastify.addContentTypeParser('*', (_, payload, done) => done(null, payload))
    fastify.post('/', async (request, reply) => {
      reply.raw.writeContinue()
      const chunks = await (request.body as Readable).toArray()
      return Buffer.concat(chunks).toString()
    })
  })
  const client = await app.connect()
  client.send(
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Type: a/b\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n',
  )
  assert.is(await client.until('\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n')
  client.send('ok')
  assert.match(await client.until('\r\n\r\nok'), /^HTTP\/1\.1 200 OK/)
})

bodies('with trailers, which the handler finds on the raw request', async ({ open }) => {
  const app = await open((fastify) => {
    fastify.post('/', async ({ body, raw }) => ({ body, trailers: raw.trailers }))
  })
  const client = await app.connect()
  client.send(
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n',
  )
  client.send('2\r\nhi\r\n0\r\nX-Sum: 2\r\n\r\n')
  await client.until('{"body":"hi","trailers":{"x-sum":"2"}}')
})
bodies.run()

const ends = suiteOfApps('Fastify on the engine: ends')

ends('signal abort where the client leaves', async ({ open }) => {
  const aborted: string[] = []
  const closed: string[] = []
  const app = await open((fastify) => {
    fastify.addHook('onRequestAbort', async ({ url }) => {
      aborted.push(url)
    })
    fastify.get('/slow', async (request, reply) => {
      request.raw.on('close', () => closed.push('request'))
      reply.raw.on('close', () => closed.push('reply'))
      request.signal.addEventListener('abort', () => closed.push('signal'))
      await new Promise((resolve) => request.signal.addEventListener('abort', resolve))
      return 'never'
    })
  })
  const client = await app.connect()
  client.send(get('/slow'))
  setTimeout(() => client.socket.destroy(), 50)
  await until(
    () => closed.includes('signal') && closed.includes('reply') && closed.includes('request'),
  )
  assert.equal(aborted, ['/slow'])
})

ends('destroy what a reply was sending when the client leaves', async ({ open }) => {
  let destroyed = 0
  const endless = () =>
    new Readable({
      read() {
        this.push(Buffer.alloc(65_536))
      },
      destroy(error, done) {
        destroyed++
        done(error)
      },
    })
  const app = await open((fastify) => {
    fastify.get('/stream', (_, reply) => reply.send(endless()))
    fastify.get('/web', (_, reply) => reply.send(Readable.toWeb(endless())))
    fastify.get('/response', () => new Response(Readable.toWeb(endless()) as ReadableStream))
    fastify.get('/pipe', (_, reply) => {
      reply.hijack()
      const source = endless()
      source.pipe(reply.raw)
      reply.raw.on('close', () => source.destroy())
    })
  })
  for (const [index, path] of ['stream', 'web', 'response', 'pipe'].entries()) {
    const client = await app.connect()
    client.send(get(`/${path}`))
    await client.until('200 OK')
    client.socket.destroy()
    await until(() => destroyed === index + 1)
  }
})

ends('leave an upgrade that nobody takes to the router', async ({ open }) => {
  const app = await open((fastify) => {
    fastify.get('/', async () => 'plain')
  })
  const client = await app.connect()
  client.send(get('/', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'))
  assert.match(await client.until('plain'), /^HTTP\/1\.1 200 OK/)
})

ends('hand an upgrade to the server of Fastify, with what came after it', async ({ open }) => {
  const app = await open((fastify) => {
    fastify.server.on('upgrade', (request, socket, head) => {
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n',
      )
      socket.write(`${request.url} ${request.headers.upgrade} `)
      socket.write(head)
      socket.pipe(socket)
    })
    fastify.get('/', async () => 'plain')
  })
  const client = await app.connect()
  client.send(get('/'))
  await client.until('plain')
  client.send(`${get('/up', 'Connection: keep-alive, Upgrade\r\nUpgrade: echo\r\n')}early`)
  await client.until('\r\n\r\n/up echo early')
  client.send('x'.repeat(MEGABYTE))
  await client.until('x'.repeat(MEGABYTE))
  client.socket.end()
  await client.rest()
})
ends.run()
