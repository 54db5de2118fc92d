import * as assert from 'uvu/assert'
import { appSuite, readAnswer } from './app-server.ts'

const refusals = appSuite('what gunicorn refuses on the wire', 'pep3333:app')

const get = (...lines: string[]) => `${['GET / HTTP/1.1', ...lines].join('\r\n')}\r\n\r\n`
const post = (...lines: string[]) => `${['POST / HTTP/1.1', ...lines].join('\r\n')}\r\n\r\nhello`
const HOST = 'Host: a'
const fields = (count: number) => Array.from({ length: count }, (_, index) => `X-${index}: 1`)

const REFUSED: [string, number, string][] = [
  [
    'a request line of more than 4094 bytes',
    414,
    `GET /${'a'.repeat(4090)} HTTP/1.1\r\nHost: a\r\n\r\n`,
  ],
  ['a field of more than 8190 bytes', 431, get(HOST, `X: ${'a'.repeat(8190)}`)],
  ['more than 100 fields', 431, get(HOST, ...fields(100))],
  [
    'Content-Length with Transfer-Encoding',
    400,
    post(HOST, 'Content-Length: 5', 'Transfer-Encoding: chunked'),
  ],
  ['Transfer-Encoding: xchunked', 400, post(HOST, 'Transfer-Encoding: xchunked')],
  ['two Host fields', 400, get(HOST, 'Host: b')],
  ['a folded line', 400, get(HOST, 'X: 1', ' 2')],
  ['a lower-case method', 400, 'get / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a space before the colon', 400, get(HOST, 'X : 1')],
  ['NUL in a field', 400, get(HOST, 'X: a\0b')],
  ['HTTP/2.0 in the request line', 505, 'GET / HTTP/2.0\r\nHost: a\r\n\r\n'],
  ['Expect: something-else', 417, post(HOST, 'Expect: something-else', 'Content-Length: 5')],
  ['HTTP/1.1 without Host', 400, get()],
]

for (const [what, status, request] of REFUSED) {
  refusals(`gets ${status}, and the connection ends: ${what}`, async ({ server }) => {
    const raw = await server.raw(`${request}GET /environ HTTP/1.1\r\nHost: a\r\n\r\n`)
    assert.match(readAnswer(raw).status, String(status))
    assert.is(raw.match(/^HTTP\/1\.1 \d{3}/gm)?.length, 1, 'what follows is not read')
  })
}

refusals('is served at its limits', async ({ server }) => {
  const line = `GET /${'a'.repeat(4094 - 'GET / HTTP/1.1\r\n'.length)} HTTP/1.0\r\n\r\n`
  assert.match(await server.raw(line), /^HTTP\/1\.1 200/)
  const many = get(HOST, 'Connection: close', ...fields(98)).replace('/ ', '/environ ')
  assert.match(await server.raw(many), /^HTTP\/1\.1 200/)
  const large = get(HOST, 'Connection: close', `X: ${'a'.repeat(8190 - 'X: \r\n'.length)}`)
  assert.match(await server.raw(large.replace('/ ', '/environ ')), /^HTTP\/1\.1 200/)
})

refusals.run()
