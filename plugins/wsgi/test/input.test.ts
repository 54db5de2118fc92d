import { createHash } from 'node:crypto'
import * as assert from 'uvu/assert'
import type { ServerProcess } from '../../../test/helpers/server-process.ts'
import { appSuite } from './app-server.ts'

/** As `do_input` of apps/pep3333.py answers. */
interface Told {
  readonly size: number
  readonly sha256: string
  readonly calls: number
  /** Whether the end stays the end. */
  readonly after: boolean
  readonly length?: string
}

const READERS = [
  ...['read', 'minus', 'pieces', 'much', 'readline', 'shortlines', 'readlines', 'iterate', 'mixed'],
]
/** Around what a slot holds beside its environ, what a block holds, and far past both. */
const SIZES = [
  ...[0, 1, 100, 3500, 4000, 4016, 4056, 4060, 4096, 65_535, 65_536, 65_537, 200_000, 3_000_000],
]
/** Lines of changing length, with an empty one and a last one without its end. */
const TEXT = Buffer.from(
  Array.from({ length: 120 }, (_, number) => `${'é'.repeat((number * 7) % 97)}${number}`)
    .join('\n')
    .replace('50\n', '\n\n'),
)
const digest = (body: Buffer) => createHash('sha256').update(body).digest('hex')

function makeBody(size: number): Buffer {
  const body = Buffer.alloc(size)
  for (let at = 0; at < size; at++) body[at] = (at * 31 + (at >> 8)) & 0xff
  return body
}

/** Sends a body with its length, or in chunks. */
async function send(
  server: ServerProcess,
  reader: string,
  body: Buffer,
  isChunked: boolean,
  path = '/input',
) {
  const headers = isChunked
    ? { 'Transfer-Encoding': 'chunked' }
    : { 'Content-Length': String(body.length) }
  const { status, body: text } = await server.request(`${path}?${reader}`, {
    method: 'POST',
    headers,
    body,
  })
  assert.is(status, 200)
  return JSON.parse(text) as Told
}

for (const buffering of ['--request-buffering', '--no-request-buffering']) {
  const isBuffered = buffering === '--request-buffering'
  const input = appSuite(
    `wsgi.input ${isBuffered ? 'after buffering' : 'on demand'}`,
    'pep3333:app',
    isBuffered ? [] : [buffering],
  )

  for (const isChunked of [false, true]) {
    const how = isChunked ? 'in chunks' : 'with Content-Length'

    for (const reader of READERS) {
      input(`gives all of a body sent ${how}, and no more, by ${reader}`, async ({ server }) => {
        const told = await send(server, reader, TEXT, isChunked)
        assert.is(told.size, TEXT.length)
        assert.is(told.sha256, digest(TEXT))
        assert.ok(told.after)
        const lines = TEXT.toString().split('\n').length
        if (['readline', 'readlines', 'iterate'].includes(reader)) assert.is(told.calls, lines)
      })

      input(`gives nothing of an empty body sent ${how} by ${reader}`, async ({ server }) => {
        const told = await send(server, reader, Buffer.alloc(0), isChunked)
        assert.is(told.size, 0)
        assert.ok(told.after)
      })
    }

    for (const size of SIZES) {
      input(`gives ${size} bytes sent ${how}`, async ({ server }) => {
        const body = makeBody(size)
        const told = await send(server, 'pieces', body, isChunked)
        assert.is(told.size, size)
        assert.is(told.sha256, digest(body))
        assert.ok(told.after)
        if (!isChunked) assert.is(told.length, String(size))
      })
    }
  }

  input('has every length around the edge of a slot', async ({ server }) => {
    // the environ's length is not known here, so all edges are tried
    for (let size = 3400; size <= 3900; size += 1) {
      const body = makeBody(size)
      const told = await send(server, 'read', body, false)
      assert.is(told.sha256, digest(body), `${size} bytes`)
    }
  })

  for (const padding of [3000, 5000, 15_000])
    for (const size of [0, 100, 60_000, 65_536, 65_537]) {
      input(`gives ${size} bytes beside an environ of ${padding} bytes`, async ({ server }) => {
        const body = makeBody(size)
        const reply = await server.request('/input?read', {
          method: 'POST',
          headers: {
            'X-Padding': 'p'.repeat(padding / 2),
            'X-More': 'p'.repeat(padding / 2),
            'Content-Length': String(size),
          },
          body,
        })
        assert.is(reply.status, 200)
        assert.is((JSON.parse(reply.body) as Told).sha256, digest(body))
      })
    }

  input('is each client’s own, however many come at once', async ({ server }) => {
    // more than workers take soon: most wait, while others are read
    const sizes = Array.from({ length: 120 }, (_, index) => 10 + ((index * 977) % 30_000))
    const told = await Promise.all(
      sizes.map((size) => send(server, 'read', Buffer.alloc(size, `${size} `), false)),
    )
    for (const [index, size] of sizes.entries()) {
      assert.is(told[index]?.sha256, digest(Buffer.alloc(size, `${size} `)), `${size} bytes`)
    }
  })

  input('is left unread without harm to the next request', async ({ server }) => {
    const connection = await server.connect()
    const body = 'u'.repeat(60_000) // as much as is read of a body that nobody wants
    for (let round = 0; round < 3; round++) {
      connection.send(
        `POST /unread HTTP/1.1\r\nHost: test\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      )
      assert.match(await connection.receive(/\r\n\r\nunread/), /^HTTP\/1\.1 200 OK\r\n/)
    }
  })

  input('gets 100 Continue before its body where the client waits for it', async ({ server }) => {
    const connection = await server.connect()
    connection.send(
      'POST /input?read HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n',
    )
    await connection.receive(/^HTTP\/1\.1 100 Continue\r\n\r\n/)
    connection.send('hello')
    assert.match(await connection.rest(), digest(Buffer.from('hello')))
  })

  input.run()
}
