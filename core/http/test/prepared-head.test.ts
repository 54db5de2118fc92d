import * as assert from 'uvu/assert'
import { type Context, LAST, start, withServers } from '../../test/support.ts'
import type { EngineResponse } from '../door.ts'
import { type PreparedHead, prepareHead } from '../prepared-head.ts'

const test = withServers('prepared heads')
const FIELDS = ['Content-Type', 'text/plain', 'X-A', '1']

/** Answers every request in its `request` hook. */
const answering = (context: Context, answer: (response: EngineResponse) => void) =>
  start(context, ({ hooks }) => {
    hooks.request.tap('test', (_request, response) => answer(response as EngineResponse))
  })

const send = (head: PreparedHead, body?: string | Buffer) => (response: EngineResponse) =>
  response.sendPrepared?.(head, body)

test('are sent with date, length and body', async (context) => {
  const server = await answering(context, send(prepareHead(200, FIELDS), 'caf\u00e9'))
  const raw = await server.raw(LAST())
  assert.match(
    raw,
    /^HTTP\/1\.1 200 OK\r\nContent-Type: text\/plain\r\nX-A: 1\r\nDate: [^\r]+\r\nContent-Length: 4\r\nConnection: close\r\n\r\ncaf\u00e9$/,
  )
})

test('304 has neither length nor body, HEAD no body', async (context) => {
  const none = await answering(context, send(prepareHead(304, FIELDS)))
  assert.not.match(await none.raw(LAST()), /content-length/i)
  const head = await answering(context, send(prepareHead(200, FIELDS), Buffer.alloc(20_000)))
  const raw = await head.raw(LAST().replace('GET', 'HEAD'))
  assert.match(raw, /Content-Length: 20000\r\nConnection: close\r\n\r\n$/)
})

test('fields that were set before go along', async (context) => {
  const server = await answering(context, (response) => {
    response.setHeader('X-B', '2')
    response.setHeader('X-A', 'before')
    response.sendPrepared?.(prepareHead(200, FIELDS), 'x')
  })
  const raw = await server.raw(LAST())
  assert.match(raw, 'X-B: 2\r\n')
  assert.equal(raw.match(/X-A: .*/g), ['X-A: 1'])
})

test('who has put a writeHead of its own sees them', async (context) => {
  const seen: unknown[] = []
  const server = await answering(context, (response) => {
    const writeHead = response.writeHead.bind(response) as (...args: unknown[]) => never
    response.writeHead = ((...args: unknown[]) => {
      seen.push(args)
      return writeHead(...args)
    }) as never
    response.sendPrepared?.(prepareHead(200, FIELDS), 'x')
  })
  await server.raw(LAST())
  assert.equal(seen, [[200, FIELDS]])
})

test("fields that cannot be sent, or are the engine's, are refused", () => {
  for (const fields of [
    ['X-A', 'a\r\nb'],
    ['X A', 'b'],
    ['Content-Length', '1'],
    ['Connection', 'close'],
    ['Date', 'x'],
  ]) {
    assert.throws(() => prepareHead(200, fields))
  }
})

test.run()
