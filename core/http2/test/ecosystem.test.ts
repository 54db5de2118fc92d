import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { type ClientHttp2Session, constants } from 'node:http2'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import fastifyCompress from '@fastify/compress'
import fastifyExpress from '@fastify/express'
import fastifyMultipart from '@fastify/multipart'
import fastifyStatic from '@fastify/static'
import express, { type RequestHandler } from 'express'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import * as assert from 'uvu/assert'
import { adoptExpress } from '../../http/adopt.ts'
import { MEGABYTE, makeFiles, openFiles, sha } from '../../http/test/fixtures-ecosystem/folder.ts'
import {
  ask,
  type Context,
  closed,
  type Fields,
  type Handler,
  http2Suite,
  send,
} from './harness.ts'

/** Fastify on HTTP/2, as a generation has it. */
async function open(
  { serve }: Context,
  build: (app: FastifyInstance) => unknown,
): Promise<ClientHttp2Session> {
  let handler: Handler | undefined
  const serverFactory = (handle: Handler) => {
    handler = handle
    return createServer()
  }
  const fastify = Fastify({ serverFactory } as unknown as FastifyServerOptions)
  await build(fastify as unknown as FastifyInstance)
  await fastify.ready()
  const served = await serve(handler as unknown as Handler)
  return served.open()
}

async function download(session: ClientHttp2Session, path: string, fields: Fields = {}) {
  const stream = send(session, { ':path': path, ...fields })
  const [headers] = await once(stream, 'response')
  return { status: headers[':status'], headers, bytes: await buffer(stream) }
}

const folders: string[] = []

function makeFolder() {
  const made = makeFiles()
  folders.push(made.folder)
  return made
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5))
}

const plugins = http2Suite('Fastify and its plugins over HTTP/2')

plugins.after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true })
})

plugins('@fastify/static sends files, ranges and 304', async (context) => {
  const { folder, large } = makeFolder()
  const session = await open(context, (app) => app.register(fastifyStatic, { root: folder }))
  assert.is((await ask(session, { ':path': '/small.txt' })).body, '0123456789')
  assert.is(sha((await download(session, '/large.bin')).bytes), sha(large))
  const part = await ask(session, { ':path': '/small.txt', range: 'bytes=2-4' })
  assert.equal([part.status, part.body], [206, '234'])
  const half = await download(session, '/large.bin', { range: `bytes=${MEGABYTE}-` })
  assert.is(sha(half.bytes), sha(large.subarray(MEGABYTE)))
  const { etag } = (await ask(session, { ':path': '/small.txt' })).headers
  const same = await ask(session, { ':path': '/small.txt', 'if-none-match': etag as string })
  assert.equal([same.status, same.body], [304, ''])
  const head = await ask(session, { ':path': '/large.bin', ':method': 'HEAD' })
  assert.equal([head.headers['content-length'], head.body], [String(5 * MEGABYTE), ''])
  assert.is((await ask(session, { ':path': '/missing' })).status, 404)
})

plugins(
  '@fastify/static keeps no file open after a download that was broken off',
  async (context) => {
    const { folder } = makeFolder()
    const session = await open(context, (app) => app.register(fastifyStatic, { root: folder }))
    const streams = Array.from({ length: 20 }, () => send(session, { ':path': '/large.bin' }))
    await Promise.all(streams.map((stream) => once(stream, 'response')))
    assert.is(openFiles(folder), 20)
    for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL)
    await until(() => openFiles(folder) === 0)
  },
)

plugins('@fastify/compress compresses values and streams', async (context) => {
  const session = await open(context, async (app) => {
    await app.register(fastifyCompress, { threshold: 100 })
    app.get('/json', async () => ({ text: 'a'.repeat(10_000) }))
    app.get('/stream', (_, reply) =>
      reply.type('text/plain').send(Readable.from(['b'.repeat(50_000), 'c'.repeat(50_000)])),
    )
  })
  for (const [path, size] of [
    ['/json', 10_011],
    ['/stream', 100_000],
  ] as const) {
    const { headers, bytes } = await download(session, path, { 'accept-encoding': 'gzip' })
    assert.is(headers['content-encoding'], 'gzip')
    assert.is(gunzipSync(bytes).length, size)
  }
})

plugins('@fastify/multipart takes fields and a file of 2 MB', async (context) => {
  const session = await open(context, async (app) => {
    await app.register(fastifyMultipart, { limits: { fileSize: 4 * MEGABYTE } })
    app.post('/', async (request) => {
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
  const encoded = new Response(form)
  const type = encoded.headers.get('content-type') as string
  const body = Buffer.from(await encoded.arrayBuffer())
  const answer = await ask(session, { 'content-type': type }, body)
  assert.equal(JSON.parse(answer.body), [
    ['name', 'wörld'],
    ['a.bin', sha(file)],
  ])
})

plugins('Express answers, sends files and hears of the end', async (context) => {
  const { folder, large } = makeFolder()
  const ended: string[] = []
  const session = await open(context, async (app) => {
    await app.register(fastifyExpress)
    adoptExpress((app as unknown as { express: Parameters<typeof adoptExpress>[0] }).express)
    const site = express.Router()
    const note: RequestHandler = (request, response, next) => {
      response.on('finish', () => ended.push(request.url))
      next()
    }
    site.use(note)
    site.use(express.json())
    site.get('/json', (_request, response) => void response.status(201).json({ good: true }))
    site.get('/file', (_request, response) => response.sendFile(join(folder, 'large.bin')))
    site.post('/body', (request, response) => void response.send(request.body.text))
    app.use(site as never)
  })
  const json = await ask(session, { ':path': '/json' })
  assert.equal([json.status, json.body], [201, '{"good":true}'])
  assert.is(sha((await download(session, '/file')).bytes), sha(large))
  const type = { 'content-type': 'application/json' }
  const body = await ask(session, { ':path': '/body', ...type }, '{"text":"hello"}')
  assert.is(body.body, 'hello')
  await until(() => ended.length === 3)
})

plugins('replies may be streams, hijacked, raw, and errors', async (context) => {
  const { folder, large } = makeFolder()
  const session = await open(context, (app) => {
    app.get('/stream', (_, reply) => reply.send(createReadStream(join(folder, 'large.bin'))))
    app.get('/raw', (_, reply) => {
      reply.hijack()
      reply.raw.writeHead(202, { 'x-raw': 'yes' })
      createReadStream(join(folder, 'small.txt')).pipe(reply.raw)
    })
    app.get('/error', async () => {
      throw Object.assign(new Error('a fault'), { statusCode: 418 })
    })
    app.get('/version', async ({ raw, ip, host, protocol }) => ({
      versions: [raw.httpVersion, raw.httpVersionMajor, raw.httpVersionMinor],
      ...{ ip, host, protocol, remote: raw.socket.remoteAddress },
    }))
  })
  assert.is(sha((await download(session, '/stream')).bytes), sha(large))
  const raw = await ask(session, { ':path': '/raw' })
  assert.equal([raw.status, raw.headers['x-raw'], raw.body], [202, 'yes', '0123456789'])
  const error = await ask(session, { ':path': '/error' })
  assert.equal([error.status, JSON.parse(error.body).message], [418, 'a fault'])
  const { body } = await ask(session, { ':path': '/version', ':authority': 'shop.test:81' })
  assert.equal(JSON.parse(body), {
    versions: ['2.0', 2, 0],
    ...{ ip: '127.0.0.1', host: 'shop.test:81', protocol: 'http', remote: '127.0.0.1' },
  })
})

plugins("may end an answer by what stands for its socket, which is no other's", async (context) => {
  const session = await open(context, (app) => {
    app.get('/', async (_, { raw }) => raw.socket?.remoteAddress)
    app.get('/destroy', (_, reply) => {
      reply.hijack()
      reply.raw.socket?.destroy()
    })
    app.get('/end', (_, reply) => {
      reply.hijack()
      reply.raw.write('some')
      reply.raw.socket?.end()
    })
  })
  const destroyed = send(session, { ':path': '/destroy' })
  await closed(destroyed)
  assert.is(destroyed.rstCode, constants.NGHTTP2_INTERNAL_ERROR)
  const ended = send(session, { ':path': '/end' })
  const pieces: Buffer[] = []
  ended.on('data', (piece) => pieces.push(piece))
  await closed(ended)
  assert.is(ended.rstCode, constants.NGHTTP2_INTERNAL_ERROR)
  assert.is(Buffer.concat(pieces).toString(), 'some')
  assert.is((await ask(session)).body, '127.0.0.1')
})

plugins('hear of a client that has left, in each of the ways', async (context) => {
  const heard: string[] = []
  const session = await open(context, (app) => {
    app.get('/', (request, reply) => {
      const { socket } = reply.raw
      request.raw.on('close', () => heard.push('request'))
      reply.raw.on('close', () => heard.push(`response ${reply.raw.writableFinished}`))
      socket?.on('close', () => heard.push('socket'))
      reply.hijack()
      reply.raw.write('first')
    })
  })
  const stream = send(session)
  await once(stream, 'data')
  stream.close(constants.NGHTTP2_CANCEL)
  await until(() => heard.length === 3)
  assert.equal(heard.sort(), ['request', 'response false', 'socket'])
})

plugins.run()
