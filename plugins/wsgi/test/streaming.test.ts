import * as assert from 'uvu/assert'
import { appSuite, readAnswer, requestText } from './app-server.ts'

const streaming = appSuite('streaming', 'pep3333:app')

streaming('sends a chunk before the app makes the next', async ({ server, open }) => {
  const connection = await server.connect()
  connection.send(requestText('/stream?stream-go'))
  const first = await connection.receive(/first\n/)
  open('stream-go') // the app waits for it, so the first chunk was here before there was a second
  const answer = readAnswer(first + (await connection.rest()))
  assert.is(answer.body, 'first\nsecond\n')
  assert.ok(answer.whole)
})

streaming('sends it on HTTP/1.0 as well', async ({ server, open }) => {
  const connection = await server.connect()
  connection.send(requestText('/stream?stream-old', { version: '1.0' }))
  const first = await connection.receive(/first\n/)
  open('stream-old')
  assert.is(readAnswer(first + (await connection.rest())).body, 'first\nsecond\n')
})

streaming('sends server-sent events one by one', async ({ server, open }) => {
  const connection = await server.connect()
  connection.send(requestText('/events'))
  let text = await connection.receive(/: connected\n\n/)
  for (const number of [1, 2, 3]) {
    open(`event-${number}`)
    text += await connection.receive(new RegExp(`data: event ${number}\n\n`))
  }
  const answer = readAnswer(text + (await connection.rest()))
  assert.ok(answer.whole)
  const events = [1, 2, 3].map((number) => `id: ${number}\ndata: event ${number}\n\n`)
  assert.is(answer.body, `: connected\n\n${events.join('')}`)
})

streaming(
  'lets the worker go on when the client of a stream has left',
  async ({ server, open }) => {
    const connection = await server.connect()
    connection.send(requestText('/stream?stream-left'))
    await connection.receive(/first\n/)
    connection.destroy()
    open('stream-left')
    assert.is((await server.request('/lazy')).body, 'lazy')
  },
)

streaming.run()

const duplex = appSuite('streaming both ways with --no-request-buffering', 'pep3333:app', [
  '--no-request-buffering',
])

duplex('gives the app each piece of a body as it comes', async ({ server }) => {
  const connection = await server.connect()
  connection.send(
    'POST /echo HTTP/1.1\r\nHost: test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n',
  )
  connection.send('4\r\none,\r\n')
  let text = await connection.receive(/one,/)
  connection.send('4\r\ntwo,\r\n')
  text += await connection.receive(/two,/)
  connection.send('5\r\nthree\r\n0\r\n\r\n')
  const answer = readAnswer(text + (await connection.rest()))
  assert.is(answer.body, 'one,two,three')
  assert.ok(answer.whole)
})

duplex('is not held up by a body that the app has left', async ({ server }) => {
  const body = 'x'.repeat(200_000)
  const post = `POST /begun HTTP/1.1\r\nHost: test\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  const text = await server.raw(post + requestText('/lazy'))
  assert.match(text, /\r\n\r\nxxxxx/)
  // of the first answer where much was left, else of the second
  assert.match(text, 'Connection: close')
})

duplex.run()
