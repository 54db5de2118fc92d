import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startServer, until } from '../../../test/helpers/server-process.ts'
import { APPS, appSuite, fieldOf, onTheWire, readAnswer, requestText } from './app-server.ts'

/** LINES of apps/pep3333.py. */
const LINES = Array.from(
  { length: 100_000 },
  (_, number) => `line ${String(number).padStart(5, '0')}\n`,
).join('')

const files = appSuite('wsgi.file_wrapper', 'pep3333:app')

for (const [kind, body] of [
  ['whole', LINES],
  ['unbuffered', LINES],
  ['offset', LINES.slice(11 * 50_000)],
  ['halfread', LINES.slice(11)],
  ['deleted', LINES],
  ['anonymous', LINES],
  ['empty', ''],
  ['less', LINES.slice(0, 22)],
] as const) {
  files(`sends a file with its length: ${kind}`, async (context) => {
    const answer = await onTheWire(context, `/file?${kind}`)
    assert.is(answer.status, '200 OK')
    assert.is(fieldOf(answer.fields, 'content-length'), String(body.length))
    assert.ok(answer.body === body, 'the bytes are the same')
  })
}

for (const [kind, body] of [
  ['pipe', LINES.slice(0, 1100)],
  ['bytesio', LINES],
  ['told', LINES],
] as const) {
  files(`sends what is no file as a stream: ${kind}`, async (context) => {
    const answer = await onTheWire(context, `/file?${kind}`)
    assert.is(fieldOf(answer.fields, 'transfer-encoding'), 'chunked')
    assert.ok(answer.whole)
    assert.ok(answer.body === body, 'the bytes are the same')
  })
}

files('calls close() of the file', async (context) => {
  await onTheWire(context, '/file?told')
  await until('the file is closed', () => context.has('closed-file'))
})

files('never ends clean with less than was announced', async (context) => {
  const answer = await onTheWire(context, '/file?more')
  const isWhole = answer.status === '200 OK' && answer.whole
  assert.not.ok(isWhole)
  await context.server.line(/app gave a file of 1100000 bytes for its Content-Length of 1100001/)
})

files('leaves no descriptor open', async ({ server }) => {
  await server.request('/file?whole')
  const before = server.descriptors()
  for (let round = 0; round < 20; round++) await server.request('/file?deleted')
  await until('the files are closed', () => server.descriptors() <= before)
})

files('leaves none open either when clients leave midway', async ({ server }) => {
  const before = server.descriptors()
  for (let round = 0; round < 10; round++) {
    const connection = await server.connect()
    connection.send(requestText('/file?whole'))
    await connection.receive(/line 00001/)
    connection.destroy()
  }
  await until('the files are closed', () => server.descriptors() <= before)
})

files('sends a file on a connection that is kept', async ({ server }) => {
  const connection = await server.connect()
  for (let round = 0; round < 3; round++) {
    connection.send('GET /file?less HTTP/1.1\r\nHost: test\r\n\r\n')
    const text = await connection.receive(/line 00001\n/)
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n.*\r\n\r\nline 00000\nline 00001\n$/s)
  }
})

files.run()

const SWITCHED_OFF: [string, string[], Record<string, string>][] = [
  ['--no-sendfile', ['--no-sendfile'], {}],
  ['SENDFILE=no', [], { SENDFILE: 'no' }],
]

const streamed = suite('wsgi.file_wrapper that the worker reads')

for (const [source, args, env] of SWITCHED_OFF) {
  streamed(`sends a file as a stream with ${source}`, async () => {
    const server = await startServer([...args, 'pep3333:app'], { cwd: APPS, env })
    try {
      const answer = readAnswer(await server.raw(requestText('/file?whole')))
      assert.is(fieldOf(answer.fields, 'transfer-encoding'), 'chunked')
      assert.ok(answer.whole && answer.body === LINES, 'the bytes are the same')
      const less = readAnswer(await server.raw(requestText('/file?less')))
      assert.is(less.body, LINES.slice(0, 22), 'Content-Length of them')
    } finally {
      await server.stop()
    }
  })
}

streamed.run()
