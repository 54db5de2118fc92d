import { once } from 'node:events'
import { connect } from 'node:net'
import { brotliDecompressSync, constants, createGunzip, gunzipSync } from 'node:zlib'
import type { FastifyReply } from 'fastify'
import * as assert from 'uvu/assert'
import type { Core } from '../../../core/index.ts'
import { type Answer, type Context, start, withFolder, write } from './support.ts'

const test = withFolder('static: compress')
const TEXT = 'It was the best of times, it was the worst of times. '.repeat(100)
const GZIP = { headers: { 'Accept-Encoding': 'gzip' } }

type Respond = (reply: FastifyReply, path: string) => unknown

/** An application that answers past Fastify, as that in Python does. */
const startApp = (
  context: Context,
  respond: Respond,
  options: object = {},
  more: (core: Core) => void = () => {},
) =>
  start(context, { compress: true, ...options }, (core: Core) => {
    more(core)
    core.hooks.handle.tap('app', (request, reply) => {
      reply.hijack()
      respond(reply, request.url)
      return true
    })
  })

/** A body as it was before it was chunked and compressed. */
function decoded({ headers, body }: Answer): string {
  const bytes = Buffer.from(headers['transfer-encoding'] ? unchunk(body) : body, 'latin1')
  switch (headers['content-encoding']) {
    case 'gzip':
      return gunzipSync(bytes).toString()
    case 'br':
      return brotliDecompressSync(bytes).toString()
    default:
      return bytes.toString()
  }
}

function unchunk(text: string): string {
  let body = ''
  for (let at = 0; ; ) {
    const end = text.indexOf('\r\n', at)
    const size = Number.parseInt(text.slice(at, end), 16)
    if (size === 0) return body
    body += text.slice(end + 2, end + 2 + size)
    at = end + 4 + size
  }
}

const whole: Respond = ({ raw }) => {
  raw.writeHead(200, [
    'Content-Type',
    'text/html',
    'Content-Length',
    String(TEXT.length),
    'ETag',
    '"x"',
  ])
  raw.end(TEXT)
}

test('short texts stay as they are, in the fast lane too', async (context) => {
  write(context, { 'a.txt': 'short' })
  const site = await start(context, { alias: { '/': 'site' }, compress: true })
  for (const lane of ['usual', 'fast', 'fast']) {
    const { headers, body } = await site.ask('/a.txt', GZIP)
    assert.equal(
      [headers['content-encoding'], headers['content-length'], body],
      [undefined, '5', 'short'],
      lane,
    )
  }
  assert.not.match(site.log(), /already sent/)
})

test('what a tap of request has begun is answered by nobody else, though it ends later', async (context) => {
  const site = await startApp(context, whole, {}, ({ hooks }) => {
    hooks.request.tap({ name: 'first', stage: 2_000_000 }, (_, response) => {
      response.writeHead(200, { 'Content-Type': 'text/plain' })
      response.end('begun'.repeat(1000))
    })
  })
  const answer = await site.ask('/', GZIP)
  assert.is(decoded(answer), 'begun'.repeat(1000))
  assert.not.match(site.log(), /already sent|failed/)
})

test('answers of the application are compressed for who takes it', async (context) => {
  const site = await startApp(context, whole)
  for (const [accepted, coding] of [
    ['gzip', 'gzip'],
    ['gzip, deflate, br', 'br'],
    ['br;q=0.2, gzip;q=0.5', 'gzip'],
    ['*', 'br'],
    ['identity', undefined],
    ['deflate', undefined],
    ['gzip;q=0', undefined],
  ] as const) {
    const answer = await site.ask('/', { headers: { 'Accept-Encoding': accepted } })
    const { headers } = answer
    assert.equal([headers['content-encoding'], headers.vary], [coding, 'Accept-Encoding'], accepted)
    assert.is(decoded(answer), TEXT)
    assert.is(headers.etag, coding ? 'W/"x"' : '"x"')
    if (coding) assert.ok(answer.body.length < TEXT.length / 2)
  }
})

test('it is off by default', async (context) => {
  const site = await startApp(context, whole, { compress: false })
  const { headers } = await site.ask('/', GZIP)
  assert.equal([headers['content-encoding'], headers.vary], [undefined, undefined])
})

const fields = (...given: string[]) => ['Content-Type', 'text/plain', ...given]
for (const [what, status, given, body] of [
  ['what must not be transformed', 200, fields('Cache-Control', 'public, no-transform'), TEXT],
  ['what is compressed already', 200, fields('Content-Encoding', 'x'), TEXT],
  ['a part', 206, fields('Content-Range', `bytes 0-${TEXT.length - 1}/99999`), TEXT],
  ['a picture', 200, ['Content-Type', 'image/png'], TEXT],
  ['what has no type', 200, [], TEXT],
  ['what is short', 200, fields('Content-Length', '5'), 'short'],
] as const) {
  test(`leaves alone ${what}`, async (context) => {
    const site = await startApp(context, ({ raw }) => raw.writeHead(status, [...given]).end(body))
    const answer = await site.ask('/', GZIP)
    assert.is(answer.status, status)
    const [, coding] = /content-encoding,([^,]+)/i.exec(given.join()) ?? []
    assert.is(answer.headers['content-encoding'], coding)
    assert.ok(answer.body.includes(body))
  })
}

test('heads come in all ways in which they can be given', async (context) => {
  const ways: Record<string, Respond> = {
    '/object': ({ raw }) =>
      raw.writeHead(200, 'Fine', { 'content-type': 'text/plain', vary: 'Cookie' }).end(TEXT),
    '/set': ({ raw }) => {
      raw.setHeader('Content-Type', 'text/plain')
      raw.setHeader('Vary', 'Cookie')
      raw.setHeader('Content-Length', TEXT.length)
      raw.write(TEXT.slice(0, 2000))
      raw.end(TEXT.slice(2000))
    },
    '/pairs': ({ raw }) =>
      raw
        .writeHead(200, [
          ['Content-Type', 'text/plain'],
          ['Vary', 'Cookie'],
          ['Set-Cookie', 'a=1'],
          ['Set-Cookie', 'b=2'],
        ] as never)
        .end(Buffer.from(TEXT)),
  }
  const site = await startApp(context, (reply, path) => ways[path]?.(reply, path))
  for (const path of Object.keys(ways)) {
    const answer = await site.ask(path, GZIP)
    assert.is(decoded(answer), TEXT, path)
    assert.equal(
      [answer.headers.vary, answer.headers['content-encoding']],
      ['Cookie, Accept-Encoding', 'gzip'],
    )
    if (path === '/pairs') assert.is(answer.headers['set-cookie'], 'a=1, b=2')
  }
})

test('HEAD has the fields of GET and no body', async (context) => {
  const site = await startApp(context, whole)
  const { headers, body } = await site.ask('/', { method: 'HEAD', ...GZIP })
  assert.equal([headers['content-encoding'], headers.etag, body], ['gzip', 'W/"x"', ''])
  assert.is(headers['content-length'], undefined)
})

test('answers of routes are compressed, too', async (context) => {
  const site = await start(context, { compress: true }, ({ hooks }: Core) => {
    hooks.server.tap('app', (fastify) => void fastify.get('/json', async () => ({ text: TEXT })))
  })
  const answer = await site.ask('/json', GZIP)
  assert.is(answer.headers['content-encoding'], 'gzip')
  assert.equal(JSON.parse(decoded(answer)), { text: TEXT })
})

test('a chunk is on the wire before the next one is there', async (context) => {
  let goOn = () => {}
  const site = await startApp(context, ({ raw }) => {
    raw.writeHead(200, { 'Content-Type': 'text/event-stream' })
    raw.write('data: first\n\n')
    goOn = () => raw.end('data: second\n\n')
  })
  const response = await fetch(`${site.url}/`, { headers: { 'Accept-Encoding': 'gzip' } })
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  const first = await reader.read()
  assert.is(Buffer.from(first.value as Uint8Array).toString(), 'data: first\n\n')
  goOn()
  const second = await reader.read()
  assert.is(Buffer.from(second.value as Uint8Array).toString(), 'data: second\n\n')
})

test('who writes is held back while the client does not read, and nothing is lost', async (context) => {
  const chunk = Buffer.alloc(65_536)
  for (let at = 0; at < chunk.length; at++) chunk[at] = Math.floor(Math.random() * 256)
  const total = 400
  let written = 0
  let most = 0
  const site = await startApp(context, ({ raw }) => {
    raw.writeHead(200, { 'Content-Type': 'text/plain' })
    const more = () => {
      while (written < total) {
        written++
        const goesOn = raw.write(chunk)
        most = Math.max(most, raw.writableLength)
        if (!goesOn) return void raw.once('drain', more)
      }
      raw.end()
    }
    more()
  })
  const { hostname, port } = new URL(site.url)
  const socket = connect(Number(port), hostname)
  context.undo.push(() => socket.destroy())
  socket.write('GET / HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n')
  await once(socket, 'readable')
  let before = -1
  while (before !== written) {
    before = written
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  assert.ok(written < total, 'it was never held back')
  const gunzip = createGunzip({ finishFlush: constants.Z_SYNC_FLUSH })
  let bytes = 0
  let head = ''
  gunzip.on('data', ({ length }) => {
    bytes += length
  })
  socket.on('data', (data: Buffer) => {
    if (head.includes('\r\n\r\n')) return void gunzip.write(data)
    head += data.toString('latin1')
    const at = head.indexOf('\r\n\r\n')
    if (at >= 0) gunzip.write(Buffer.from(head.slice(at + 4), 'latin1'))
  })
  await once(socket, 'end')
  gunzip.end()
  await once(gunzip, 'end')
  assert.is(bytes, total * chunk.length)
  assert.ok(most < 4_000_000, `${most} bytes waited`)
})

test('files in memory are compressed once, and have weak tags of their own', async (context) => {
  write(context, {
    'a.txt': TEXT,
    'a.png': TEXT,
    'b.txt': 'short',
    'c.txt': TEXT,
    'c.txt.gz': 'neighbour',
  })
  const site = await start(context, { alias: ['/s/=site'], compress: true })
  const plain = await site.ask('/s/a.txt')
  assert.equal([plain.body, plain.headers.vary], [TEXT, 'Accept-Encoding'])
  for (let count = 0; count < 3; count++) {
    const answer = await site.ask('/s/a.txt', GZIP)
    const { headers } = answer
    assert.equal(
      [headers['content-encoding'], headers['content-length']],
      ['gzip', String(answer.body.length)],
    )
    assert.is(decoded(answer), TEXT)
    assert.match(headers.etag as string, /^W\/".*-gzip"$/)
    const again = { headers: { ...GZIP.headers, 'If-None-Match': headers.etag as string } }
    assert.is((await site.ask('/s/a.txt', again)).status, 304)
  }
  assert.is((await site.ask('/s/a.png', GZIP)).headers['content-encoding'], undefined)
  assert.is((await site.ask('/s/b.txt', GZIP)).headers['content-encoding'], undefined)
  assert.is((await site.ask('/s/c.txt', GZIP)).body, 'neighbour')
})

test('large files are compressed as they are sent; parts of them are not', async (context) => {
  const large = TEXT.repeat(500)
  write(context, { 'large.txt': large })
  const site = await start(context, { alias: ['/s/=site'], compress: true })
  const answer = await site.ask('/s/large.txt', GZIP)
  assert.ok(decoded(answer) === large)
  assert.equal(
    [answer.headers['accept-ranges'], answer.headers['content-length']],
    [undefined, undefined],
  )
  const part = await site.ask('/s/large.txt', {
    headers: { ...GZIP.headers, Range: 'bytes=0-2999' },
  })
  assert.equal([part.status, part.body], [206, large.slice(0, 3000)])
})

test('a head that cannot be sent leaves the page that says so as it is', async (context) => {
  const site = await startApp(context, ({ raw }) => {
    const fields = { 'Content-Type': 'text/plain' }
    assert.throws(() => raw.writeHead(200, { ...fields, 'X-Bad': '\n' }), /invalid char/i)
    raw.writeHead(500, { ...fields, 'Content-Length': 5 }).end('sorry')
  })
  const { status, headers, body } = await site.ask('/', GZIP)
  assert.equal([status, headers['content-encoding'], body], [500, undefined, 'sorry'])
})

test.run()
