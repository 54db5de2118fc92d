import { once } from 'node:events'
import { constants } from 'node:http2'
import { text } from 'node:stream/consumers'
import * as assert from 'uvu/assert'
import { ask, block, FLAG, FRAME, frame, GET, http2Suite, type Served, send } from './harness.ts'

const { NGHTTP2_ENHANCE_YOUR_CALM: CALM, NGHTTP2_NO_ERROR: NO_ERROR } = constants
const answer = (_request: unknown, response: { end(text: string): void }) => response.end('good')

const heads = http2Suite('a head over HTTP/2')

const REFUSED = [0, 400]

/** 0 where nghttp2 itself has refused it. */
const status = async ({ open }: Served, fields: Record<string, string>) => {
  const session = await open()
  return ask(session, fields).then(
    (answer) => answer.status,
    () => 0,
  )
}

heads('is refused where HTTP/1.1 would refuse it', async ({ serve }) => {
  const served = await serve(answer)
  assert.is(await status(served, { ':path': '*', ':method': 'OPTIONS' }), 200)
  assert.ok(REFUSED.includes(await status(served, { ':path': '*' })))
  assert.ok(REFUSED.includes(await status(served, { ':authority': 'a@b' })))
  assert.is(await status(served, { ':authority': 'a,b:99999' }), 400)
  assert.is(await status(served, { ':authority': 'a.test', host: 'b.test' }), 400)
  assert.is(await status(served, { ':authority': 'a.test', host: 'A.test:443' }), 200)
  assert.is(await status(served, { expect: 'the-best' }), 417)
  assert.ok(served.refusals.includes('400 invalid host'))
  assert.ok(served.refusals.includes('417 unknown expectation'))
})

heads('goes up to the limits of lines and fields, and no further', async ({ serve }) => {
  const limits = { requestLine: 100, fieldSize: 50, fields: 10, head: 1000 }
  const served = await serve(answer, limits)
  const line = 100 - 'GET  HTTP/2.0'.length
  assert.is(await status(served, { ':path': '/'.padEnd(line, 'x') }), 200)
  assert.is(await status(served, { ':path': '/'.padEnd(line + 1, 'x') }), 414)
  assert.is(await status(served, { x: 'y'.repeat(47) }), 200)
  assert.is(await status(served, { x: 'y'.repeat(48) }), 431)
  const fields = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`x${index}`, 'y']))
  assert.is(await status(served, fields(10)), 200)
  assert.is(await status(served, fields(11)), 431)
})

heads('that is announced with too large a body is refused at once', async ({ serve }) => {
  const served = await serve((_request, response) => response.end('good'), { body: 10 })
  const session = await served.open()
  const head = { ':method': 'POST', ':path': '/' }
  const stream = session.request({ ...head, 'content-length': '11' })
  stream.on('error', () => {}) // nothing of its body is wanted
  const [headers] = await once(stream, 'response')
  assert.is(headers[':status'], 413)
  assert.is((await ask(session, { 'content-length': '10' }, '0123456789')).status, 200)
})

heads('of a flood is refused before it is kept', async ({ serve }) => {
  const served = await serve(answer)
  const client = await served.raw()
  client.socket.write(frame(FRAME.headers, FLAG.endStream, 1, block(GET)))
  const piece = block(Array.from({ length: 100 }, (_, index) => [`x-${index}`, 'y'.repeat(100)]))
  for (let count = 0; count < 1000; count++) {
    if (!(await client.write(frame(FRAME.continuation, 0, 1, piece)))) break
    assert.ok(count < 900, 'the connection ends')
  }
  await client.closed()
  assert.is((await ask(await served.open())).body, 'good')
})

const bodies = http2Suite('a body over HTTP/2')

bodies('that grows too large is refused when it does', async ({ serve }) => {
  const served = await serve(
    async (request, response) => {
      const body = await text(request).catch(() => undefined)
      if (body !== undefined) response.end(body)
    },
    { body: 100_000 },
  )
  const session = await served.open()
  assert.is((await ask(session, {}, 'x'.repeat(100_000))).status, 200)
  const { status } = await ask(session, {}, 'x'.repeat(100_001))
  assert.is(status, 413)
  assert.ok(served.refusals.includes('413 body too large'))
})

bodies(
  'that comes too slowly is refused, and others on the connection go on',
  async ({ serve }) => {
    const served = await serve(
      (request, response) => {
        request.on('error', () => {}) // the slow one's
        request.resume().on('end', () => response.end('good'))
      },
      { rateTime: 100 },
    )
    const session = await served.open()
    const stream = session.request({ ':method': 'POST', ':path': '/' })
    stream.on('error', () => {}) // nothing more of it is wanted
    stream.write('x')
    const [headers] = await once(stream, 'response')
    assert.is(headers[':status'], 408)
    assert.is((await ask(session)).body, 'good')
  },
)

bodies('that nobody takes is given up', async ({ serve }) => {
  const served = await serve(
    (_request, response) => {
      response.end(Buffer.alloc(1_000_000))
    },
    { rateTime: 100 },
  )
  const session = await served.open()
  const stream = send(session)
  const ended = new Promise((resolve) => stream.once('close', resolve))
  await once(stream, 'response') // and it is not read
  await ended
  assert.equal(served.refusals, ['0 client reads too slowly'])
})

const floods = http2Suite('a client that floods HTTP/2')

floods('with streams that it gives up at once is sent away', async ({ serve }) => {
  let started = 0
  const served = await serve(() => void started++) // which never answers
  const client = await served.raw()
  const code = Buffer.from([0, 0, 0, 8])
  let stream = 1
  for (let count = 0; count < 100; count++) {
    const pairs = Array.from({ length: 10 }, () => {
      const both = [
        frame(FRAME.headers, FLAG.endStream | FLAG.endHeaders, stream, block(GET)),
        frame(FRAME.reset, 0, stream, code),
      ]
      stream += 2
      return Buffer.concat(both)
    })
    if (!(await client.write(Buffer.concat(pairs)))) break
  }
  assert.is(await client.farewell(), CALM)
  await client.closed()
  assert.ok(served.refusals.includes('0 too many streams given up'))
  assert.ok(started <= 120, `${started} were started`)
})

floods('with requests of which some are given up stays', async ({ serve }) => {
  const served = await serve((request, response) => {
    if (request.url === '/') response.end('good')
  })
  const session = await served.open()
  for (let count = 0; count < 150; count++) {
    const given = send(session, { ':path': '/slow' })
    assert.is((await ask(session)).body, 'good')
    assert.is((await ask(session)).body, 'good')
    given.close(constants.NGHTTP2_CANCEL)
  }
  assert.equal(served.refusals, [])
})

const flood = async (served: Served, bytes: Buffer) => {
  const client = await served.raw()
  const many = Buffer.concat(Array.from({ length: 50 }, () => bytes))
  for (let count = 0; count < 200; count++) if (!(await client.write(many))) break
  await client.closed()
}

floods('with PING frames is sent away', async ({ serve }) => {
  const served = await serve(answer)
  await flood(served, frame(FRAME.ping, 0, 0, Buffer.alloc(8)))
  assert.match(served.refusals[0] ?? 'by nghttp2', /too many PING|by nghttp2/)
  assert.is((await ask(await served.open())).body, 'good')
})

floods('with SETTINGS frames is sent away', async ({ serve }) => {
  const served = await serve(answer)
  await flood(served, frame(FRAME.settings, 0, 0, Buffer.from([0, 3, 0, 0, 0, 100])))
  assert.match(served.refusals[0] ?? 'by nghttp2', /SETTINGS|by nghttp2/)
  assert.is((await ask(await served.open())).body, 'good')
})

floods('with empty DATA frames is sent away', async ({ serve }) => {
  const served = await serve((request) => void request.resume())
  const client = await served.raw()
  const post = GET.map(([name, value]) => [name, name === ':method' ? 'POST' : value] as const)
  client.socket.write(frame(FRAME.headers, FLAG.endHeaders, 1, block(post)))
  const many = Buffer.concat(Array.from({ length: 100 }, () => frame(FRAME.data, 0, 1)))
  for (let count = 0; count < 1000; count++) if (!(await client.write(many))) break
  await client.closed()
})

floods('with more streams than it may have has the rest refused', async ({ serve }) => {
  const answers: (() => void)[] = []
  const served = await serve(
    (_request, response) => void answers.push(() => response.end('good')),
    {},
    { maxConcurrentStreams: 3 },
  )
  const client = await served.raw()
  for (const stream of [1, 3, 5, 7]) {
    client.socket.write(frame(FRAME.headers, FLAG.endStream | FLAG.endHeaders, stream, block(GET)))
  }
  const code = await client.frame(FRAME.reset).catch(() => Buffer.from('closed'))
  assert.ok(
    code.equals(Buffer.from([0, 0, 0, constants.NGHTTP2_REFUSED_STREAM])) ||
      code.equals(Buffer.from('closed')),
  )
  assert.ok(answers.length <= 3)
})

const lives = http2Suite('a connection of HTTP/2')

lives('ends where no request comes in time, whatever else comes', async ({ serve }) => {
  const served = await serve(answer, { headTime: 200 })
  const client = await served.raw()
  const pings = setInterval(() => client.socket.write(frame(FRAME.ping, 0, 0, Buffer.alloc(8))), 20)
  try {
    assert.is(await client.farewell(), NO_ERROR)
    await client.closed()
  } finally {
    clearInterval(pings)
  }
})

lives('ends where it has been idle', async ({ serve }) => {
  const served = await serve(answer, { headTime: 200, keepAlive: 100 } as never)
  const session = await served.open()
  const closed = once(session, 'close')
  await ask(session)
  await closed
})

lives('ends after so many requests, with all of them answered', async ({ serve }) => {
  const served = await serve(answer, { requests: 3 })
  const session = await served.open()
  const closed = once(session, 'close')
  const bodies = await Promise.all([1, 2, 3].map(async () => (await ask(session)).body))
  assert.equal(bodies, ['good', 'good', 'good'])
  await closed
})

lives('answers what is under way when the server closes', async ({ serve }) => {
  let finish: () => void = () => {}
  const served = await serve((_request, response) => {
    finish = () => response.end('good')
    response.write('very ')
  })
  const session = await served.open()
  const closed = once(session, 'close')
  const stream = send(session)
  await once(stream, 'response')
  served.http2.close()
  finish()
  assert.is(await text(stream), 'very good')
  await closed
  assert.is(served.http2.size, 0)
})

heads.run()
bodies.run()
floods.run()
lives.run()
