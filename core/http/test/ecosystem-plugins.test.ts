import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream, readdirSync, rmSync, statSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { brotliDecompressSync, gunzipSync, gzipSync, inflateSync } from 'node:zlib'
import fastifyCompress from '@fastify/compress'
import fastifyExpress from '@fastify/express'
import fastifyProxy from '@fastify/http-proxy'
import fastifyMiddie from '@fastify/middie'
import fastifyMultipart from '@fastify/multipart'
import fastifyStatic from '@fastify/static'
import fastifyWebsocket from '@fastify/websocket'
import express, { type RequestHandler } from 'express'
import * as assert from 'uvu/assert'
import { WebSocket } from 'ws'
import { adoptExpress } from '../adopt.ts'
import { type App, type Context, suiteOfApps, until } from './fixtures-ecosystem/app.ts'
import { MEGABYTE, makeFiles, openFiles, sha } from './fixtures-ecosystem/folder.ts'
import { get, parseAnswer } from './wire.ts'

const bytesOf = async (response: Response) => new Uint8Array(await response.arrayBuffer())

function makeFolder({ defer }: Context) {
  const made = makeFiles()
  defer(() => rmSync(made.folder, { recursive: true }))
  return made
}

/** fetch would ask not to be answered from a cache. */
async function statusByEtag(app: App, path: string, etag: string): Promise<number> {
  const client = await app.connect()
  client.send(get(path, `If-None-Match: ${etag}\r\nConnection: close\r\n`))
  return parseAnswer(await client.rest()).status
}

const files = suiteOfApps('@fastify/static')

files('sends files, pages and 304', async (context) => {
  const { folder, large } = makeFolder(context)
  const app = await context.open((fastify) => fastify.register(fastifyStatic, { root: folder }))
  const small = await app.fetch('/small.txt')
  assert.is(await small.text(), '0123456789')
  assert.is(await (await app.fetch('/')).text(), '<p>hello</p>')
  assert.is(sha(await bytesOf(await app.fetch('/large.bin'))), sha(large))
  assert.is((await app.fetch('/missing')).status, 404)
  assert.is((await app.fetch('/..%2f..%2fetc/passwd')).status, 404)
  const etag = small.headers.get('etag') as string
  assert.is(await statusByEtag(app, '/small.txt', etag), 304)
  assert.is(await statusByEtag(app, '/small.txt', 'W/"other"'), 200)
  const head = await app.fetch('/large.bin', { method: 'HEAD' })
  assert.is(head.headers.get('content-length'), String(5 * MEGABYTE))
})

files('sends ranges', async (context) => {
  const { folder, large } = makeFolder(context)
  const app = await context.open((fastify) => fastify.register(fastifyStatic, { root: folder }))
  const ask = (path: string, range: string) => app.fetch(path, { headers: { range } })
  const part = await ask('/small.txt', 'bytes=2-4')
  assert.equal([part.status, part.headers.get('content-range')], [206, 'bytes 2-4/10'])
  assert.is(await part.text(), '234')
  assert.is(await (await ask('/small.txt', 'bytes=-3')).text(), '789')
  assert.is((await ask('/small.txt', 'bytes=20-')).status, 416)
  const half = await ask('/large.bin', `bytes=${MEGABYTE}-`)
  assert.is(sha(await bytesOf(half)), sha(large.subarray(MEGABYTE)))
})

files('sends what was asked for in one go, in order', async (context) => {
  const { folder } = makeFolder(context)
  const app = await context.open((fastify) => fastify.register(fastifyStatic, { root: folder }))
  const client = await app.connect()
  client.send(get('/small.txt') + get('/missing') + get('/index.html') + get('/small.txt'))
  for (const end of ['0123456789', '"statusCode":404}', '<p>hello</p>', '0123456789']) {
    assert.match(await client.until(end), /^HTTP\/1\.1 \d{3}/)
  }
})

files('keeps no file open after a download that was broken off', async (context) => {
  const { folder } = makeFolder(context)
  const app = await context.open((fastify) => fastify.register(fastifyStatic, { root: folder }))
  const clients = await Promise.all(Array.from({ length: 20 }, () => app.connect()))
  for (const client of clients) {
    client.send(get('/large.bin'))
    await client.until('\r\n\r\n')
    client.socket.pause()
  }
  await until(() => openFiles(folder) === 20)
  for (const client of clients) client.socket.destroy()
  await until(() => openFiles(folder) === 0)
})
files.run()

const compression = suiteOfApps('@fastify/compress')

const withCompression = ({ open }: Context): Promise<App> =>
  open(async (fastify) => {
    await fastify.register(fastifyCompress, { threshold: 100 })
    fastify.get('/json', async () => ({ text: 'a'.repeat(10_000) }))
    fastify.get('/small', async () => ({ a: 1 }))
    fastify.get('/stream', (_, reply) => {
      return reply.type('text/plain').send(Readable.from(['b'.repeat(50_000), 'c'.repeat(50_000)]))
    })
    fastify.post('/', async ({ body }) => body)
  })

const DECODERS = { gzip: gunzipSync, br: brotliDecompressSync, deflate: inflateSync }

for (const [coding, decode] of Object.entries(DECODERS)) {
  compression(`answers in ${coding}`, async (context) => {
    const app = await withCompression(context)
    for (const path of ['/json', '/stream']) {
      const client = await app.connect()
      client.send(get(path, `Accept-Encoding: ${coding}\r\nConnection: close\r\n`))
      const { headers, body } = parseAnswer(await client.rest())
      assert.equal([headers['content-encoding'], headers['transfer-encoding']], [coding, 'chunked'])
      assert.match(headers.vary ?? '', /accept-encoding/i)
      const text = decode(Buffer.from(joinChunks(body), 'latin1')).toString()
      assert.is(text.length, path === '/json' ? 10_011 : 100_000)
    }
  })
}

function joinChunks(body: string): string {
  let text = ''
  for (let at = 0; ; ) {
    const end = body.indexOf('\r\n', at)
    const size = Number.parseInt(body.slice(at, end), 16)
    if (size === 0) return text
    text += body.slice(end + 2, end + 2 + size)
    at = end + 2 + size + 2
  }
}

compression('leaves alone what is small or was not asked for', async (context) => {
  const app = await withCompression(context)
  const client = await app.connect()
  client.send(get('/small', 'Accept-Encoding: gzip\r\n'))
  assert.not.match(await client.until('{"a":1}'), /content-encoding/i)
  client.send(get('/json'))
  assert.match(await client.until('a"}'), /content-length: 10011\r\n/i)
})

compression('reads a compressed body', async (context) => {
  const app = await withCompression(context)
  const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' }
  const body = gzipSync(JSON.stringify({ text: 'x'.repeat(100_000) }))
  const response = await app.fetch('/', { method: 'POST', headers, body })
  assert.is(((await response.json()) as { text: string }).text.length, 100_000)
})
compression.run()

const uploads = suiteOfApps('@fastify/multipart')

uploads('takes fields and a file of 2 MB', async ({ open }) => {
  const app = await open(async (fastify) => {
    await fastify.register(fastifyMultipart, { limits: { fileSize: 4 * MEGABYTE } })
    fastify.post('/', async (request) => {
      const parts: unknown[] = []
      for await (const part of request.parts()) {
        if (part.type === 'file') parts.push([part.filename, sha(await part.toBuffer())])
        else parts.push([part.fieldname, part.value])
      }
      return parts
    })
  })
  const file = randomBytes(2 * MEGABYTE)
  const form = new FormData()
  form.append('name', 'wörld')
  form.append('file', new Blob([file]), 'a.bin')
  form.append('last', 'x')
  const response = await app.fetch('/', { method: 'POST', body: form })
  assert.equal(await response.json(), [
    ['name', 'wörld'],
    ['a.bin', sha(file)],
    ['last', 'x'],
  ])
})

uploads('refuses a file over its limit, and the server goes on', async ({ open }) => {
  const app = await open(async (fastify) => {
    await fastify.register(fastifyMultipart, { limits: { fileSize: 1000 } })
    fastify.post('/', async (request) => (await request.file())?.toBuffer())
    fastify.get('/', async () => 'ok')
  })
  const form = new FormData()
  form.append('file', new Blob([randomBytes(50_000)]), 'a.bin')
  assert.is((await app.fetch('/', { method: 'POST', body: form })).status, 413)
  assert.is(await (await app.fetch('/')).text(), 'ok')
})

uploads('fails where the client leaves in the middle, and leaves no file', async (context) => {
  const { folder } = makeFolder(context)
  let failure: unknown
  const app = await context.open(async (fastify) => {
    await fastify.register(fastifyMultipart)
    fastify.post('/', async (request) => {
      await request.saveRequestFiles({ tmpdir: folder }).catch((error: unknown) => {
        failure = error
        throw error
      })
      return 'saved'
    })
  })
  const client = await app.connect()
  client.send(
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n' +
      '--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\nContent-Type: a/b\r\n\r\nhello',
  )
  setTimeout(() => client.socket.destroy(), 50)
  await until(() => failure !== undefined)
  await until(() => readdirSync(folder).length === 3 && openFiles(folder) === 0)
})
uploads.run()

const sockets = suiteOfApps('@fastify/websocket')

const withEcho = ({ open }: Context): Promise<App> =>
  open(async (fastify) => {
    await fastify.register(fastifyWebsocket, { options: { maxPayload: 4 * MEGABYTE } })
    fastify.get('/echo', { websocket: true }, (socket) => {
      socket.on('message', (message, isBinary) =>
        socket.send(message as Buffer, { binary: isBinary }),
      )
    })
    fastify.get('/', async () => 'plain')
  })

async function openSocket(app: App, path = '/echo'): Promise<WebSocket> {
  const socket = new WebSocket(`${app.origin.replace('http', 'ws')}${path}`)
  await once(socket, 'open')
  return socket
}

async function echo(socket: WebSocket, message: string | Buffer): Promise<string> {
  socket.send(message)
  const [answer] = (await once(socket, 'message')) as [Buffer]
  return sha(answer)
}

async function checkEcho(app: App, path?: string): Promise<void> {
  const socket = await openSocket(app, path)
  const bytes = randomBytes(MEGABYTE)
  assert.is(await echo(socket, 'hello'), sha(Buffer.from('hello')))
  assert.is(await echo(socket, bytes), sha(bytes))
  socket.ping()
  await once(socket, 'pong')
  socket.close(1000, 'done')
  const [code] = await once(socket, 'close')
  assert.is(code, 1000)
}

sockets('echoes a word and a megabyte, answers a ping, closes', async (context) => {
  await checkEcho(await withEcho(context))
})

sockets('echoes on a hundred connections at once', async (context) => {
  const app = await withEcho(context)
  const clients = await Promise.all(Array.from({ length: 100 }, () => openSocket(app)))
  const answers = clients.map((socket, index) => echo(socket, String(index)))
  assert.equal(
    await Promise.all(answers),
    clients.map((_, index) => sha(Buffer.from(String(index)))),
  )
  for (const socket of clients) socket.close()
  await Promise.all(clients.map((socket) => once(socket, 'close')))
})

sockets('reads a frame that came with the handshake', async (context) => {
  const app = await withEcho(context)
  const client = await app.connect()
  const fields =
    'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n'
  client.send(`${get('/echo', fields)}\x81\x82\0\0\0\0hi`)
  assert.match(await client.until('\r\n\r\n'), /^HTTP\/1\.1 101 /)
  await client.until('\x81\x02hi')
})

sockets('leaves plain requests plain, and refuses what is no route', async (context) => {
  const app = await withEcho(context)
  assert.is(await (await app.fetch('/')).text(), 'plain')
  assert.is((await app.fetch('/echo')).status, 404)
  const socket = new WebSocket(`${app.origin.replace('http', 'ws')}/missing`)
  const [error] = (await once(socket, 'error')) as [Error]
  assert.match(error.message, '404')
})

sockets('ends the connections when Fastify closes', async (context) => {
  const app = await withEcho(context)
  const socket = await openSocket(app)
  const closed = once(socket, 'close')
  await app.fastify.close()
  await closed
})
sockets.run()

const proxy = suiteOfApps('@fastify/http-proxy')

/** Both the proxy and what is behind it run on the engine. */
async function withProxy({ open }: Context) {
  const seen = { aborted: 0 }
  const upstream = await open(async (fastify) => {
    await fastify.register(fastifyWebsocket, { options: { maxPayload: 4 * MEGABYTE } })
    fastify.removeAllContentTypeParsers()
    fastify.addContentTypeParser('*', (_, payload, done) => done(null, payload))
    fastify.get('/json', async ({ headers, host }) => ({ host, own: headers['x-own'] }))
    fastify.post('/sha', async ({ body }) => {
      const hash = createHash('sha256')
      for await (const chunk of body as Readable) hash.update(chunk)
      return hash.digest('hex')
    })
    fastify.post('/echo', ({ body }, reply) => reply.send(body))
    fastify.get('/endless', (_, reply) => {
      const source = Readable.from(endless())
      source.on('close', () => seen.aborted++)
      return reply.send(source)
    })
    fastify.get('/broken', (_, reply) => {
      reply.hijack()
      reply.raw.writeHead(200, { 'content-length': 100 })
      reply.raw.write('part')
      setTimeout(() => reply.raw.destroy(), 20)
    })
    fastify.get('/ws', { websocket: true }, (socket) => {
      socket.on('message', (message, isBinary) =>
        socket.send(message as Buffer, { binary: isBinary }),
      )
    })
  })
  const front = await open(async (fastify) => {
    await fastify.register(fastifyProxy, {
      upstream: upstream.origin,
      prefix: '/api',
      websocket: true,
    })
  })
  return { front, upstream, seen }
}

async function* endless() {
  for (;;) {
    yield Buffer.alloc(10_000)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

proxy('passes on requests and answers', async (context) => {
  const { front, upstream } = await withProxy(context)
  const response = await front.fetch('/api/json', { headers: { 'x-own': 'a' } })
  assert.equal(await response.json(), { host: upstream.origin.slice(7), own: 'a' })
  assert.is((await front.fetch('/api/missing')).status, 404)
  assert.is((await front.fetch('/other')).status, 404)
})

proxy('passes on a body of 2 MB, declared and chunked', async (context) => {
  const { front } = await withProxy(context)
  const bytes = randomBytes(2 * MEGABYTE)
  const headers = { 'content-type': 'a/b' }
  for (const body of [bytes, new Blob([bytes]).stream()]) {
    const init = { method: 'POST', headers, body, duplex: 'half' } as RequestInit
    assert.is(await (await front.fetch('/api/sha', init)).text(), sha(bytes))
  }
})

proxy('streams both ways at once', async (context) => {
  const { front } = await withProxy(context)
  const client = await front.connect()
  client.send(
    'POST /api/echo HTTP/1.1\r\nHost: a\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n',
  )
  for (const part of ['one', 'two', 'six']) {
    client.send(`3\r\n${part}\r\n`)
    await client.until(part)
  }
  client.send('0\r\n\r\n')
  await client.until('\r\n0\r\n\r\n')
})

proxy('tells what is behind that the client has left', async (context) => {
  const { front, seen } = await withProxy(context)
  const client = await front.connect()
  client.send(get('/api/endless'))
  await client.until('\r\n\r\n')
  client.socket.destroy()
  await until(() => seen.aborted === 1)
})

proxy('breaks off an answer that is broken off behind', async (context) => {
  const { front } = await withProxy(context)
  const client = await front.connect()
  client.send(get('/api/broken'))
  const { headers, body } = parseAnswer(await client.rest())
  assert.equal([headers['content-length'], body], ['100', 'part'])
})

proxy('passes on websockets', async (context) => {
  const { front } = await withProxy(context)
  await checkEcho(front, '/api/ws')
})
proxy.run()

/** Connect middleware as it is found in the wild: headers, streams, bodies, errors. */
const MIDDLEWARE: Record<string, RequestHandler> = {
  header: (_request, response, next) => {
    response.setHeader('x-by', 'connect')
    next()
  },
  answer: (request, response, next) => {
    if (request.url !== '/answer') return next()
    response.statusCode = 201
    response.end('answered')
  },
  body: (request, response, next) => {
    if (request.url !== '/body') return next()
    let size = 0
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
    })
    request.on('end', () => response.end(String(size)))
  },
  failure: (request, _response, next) =>
    request.url === '/fail' ? next(new Error('broken')) : next(),
}

async function checkMiddleware(app: App, folder: string): Promise<void> {
  const plain = await app.fetch('/route')
  assert.equal([plain.headers.get('x-by'), await plain.text()], ['connect', 'routed'])
  const answered = await app.fetch('/answer')
  assert.equal([answered.status, await answered.text()], [201, 'answered'])
  const init = { method: 'POST', body: Buffer.alloc(2 * MEGABYTE) }
  assert.is(await (await app.fetch('/body', init)).text(), String(2 * MEGABYTE))
  const file = await app.fetch('/files/large.bin')
  assert.is((await bytesOf(file)).length, statSync(join(folder, 'large.bin')).size)
  const range = await app.fetch('/files/small.txt', { headers: { range: 'bytes=0-2' } })
  assert.equal([range.status, await range.text()], [206, '012'])
  assert.is((await app.fetch('/fail')).status, 500)
  const client = await app.connect()
  client.send(get('/files/large.bin'))
  await client.until('\r\n\r\n')
  client.socket.pause()
  await until(() => openFiles(folder) === 1)
  client.socket.destroy()
  await until(() => openFiles(folder) === 0)
}

const connectMiddleware = suiteOfApps('@fastify/middie')

connectMiddleware('runs Connect middleware: headers, bodies, files, errors', async (context) => {
  const { folder } = makeFolder(context)
  const app = await context.open(async (fastify) => {
    await fastify.register(fastifyMiddie)
    for (const each of Object.values(MIDDLEWARE)) fastify.use(each as never)
    fastify.use('/files', express.static(folder) as never)
    fastify.get('/route', async () => 'routed')
    fastify.post('/body', async () => 'never')
  })
  await checkMiddleware(app, folder)
})
connectMiddleware.run()

const expressApps = suiteOfApps('@fastify/express with Express')

expressApps('runs Connect middleware: headers, bodies, files, errors', async (context) => {
  const { folder } = makeFolder(context)
  const app = await context.open(async (fastify) => {
    await fastify.register(fastifyExpress)
    adoptExpress(fastify.express as never)
    for (const each of Object.values(MIDDLEWARE)) fastify.use(each)
    fastify.use('/files', express.static(folder))
    fastify.get('/route', async () => 'routed')
    fastify.post('/body', async () => 'never')
  })
  await checkMiddleware(app, folder)
})

expressApps('serves an Express application', async (context) => {
  const { folder } = makeFolder(context)
  const app = await context.open(async (fastify) => {
    await fastify.register(fastifyExpress)
    adoptExpress(fastify.express as never)
    const router = express.Router()
    router.use(express.json())
    router.get('/hello/:name', (request, response) => {
      response.cookie('a', 'b').status(201).json({ name: request.params.name, ip: request.ip })
    })
    router.post('/echo', (request, response) => {
      response.send(request.body)
    })
    router.get('/file', (_, response) => response.sendFile(join(folder, 'large.bin')))
    router.get('/pipe', (_, response) => {
      createReadStream(join(folder, 'small.txt')).pipe(response)
    })
    fastify.use('/e', router)
    fastify.get('/', async () => 'fastify')
  })
  const hello = await app.fetch('/e/hello/me')
  assert.equal([hello.status, hello.headers.get('set-cookie')], [201, 'a=b; Path=/'])
  assert.equal(await hello.json(), { name: 'me', ip: '127.0.0.1' })
  const headers = { 'content-type': 'application/json' }
  const echoed = await app.fetch('/e/echo', { method: 'POST', headers, body: '{"a":[1]}' })
  assert.equal(await echoed.json(), { a: [1] })
  assert.is((await bytesOf(await app.fetch('/e/file'))).length, 5 * MEGABYTE)
  assert.is(await (await app.fetch('/e/pipe')).text(), '0123456789')
  const etag = (await app.fetch('/e/file', { method: 'HEAD' })).headers.get('etag')
  assert.is(await statusByEtag(app, '/e/file', String(etag)), 304)
  assert.is(await (await app.fetch('/')).text(), 'fastify')
})
expressApps.run()

const streams = suiteOfApps("Node's own stream tools")

streams('pipeline and finished know when an answer is out', async (context) => {
  const { folder } = makeFolder(context)
  const seen: string[] = []
  const app = await context.open((fastify) => {
    fastify.get('/', (_, reply) => {
      reply.hijack()
      pipeline(createReadStream(join(folder, 'large.bin')), reply.raw).then(
        () => seen.push('done'),
        (error: NodeJS.ErrnoException) => seen.push(error.code as string),
      )
    })
    fastify.post('/', (request, reply) => {
      reply.hijack()
      const raw = request.raw as IncomingMessage
      pipeline(raw, reply.raw).catch((error: Error) => seen.push(error.message))
    })
    fastify.addContentTypeParser('*', (_, __, done) => done(null))
  })
  assert.is((await bytesOf(await app.fetch('/'))).length, 5 * MEGABYTE)
  await until(() => seen.includes('done'))
  const client = await app.connect()
  client.send(get())
  await client.until('\r\n\r\n')
  client.socket.destroy()
  await until(() => seen.includes('ERR_STREAM_PREMATURE_CLOSE'))
  const init = { method: 'POST', headers: { 'content-type': 'a/b' }, body: 'x'.repeat(100_000) }
  assert.is((await (await app.fetch('/', init)).text()).length, 100_000)
})
streams.run()
