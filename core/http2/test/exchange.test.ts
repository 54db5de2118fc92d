import { once } from 'node:events'
import { constants } from 'node:http2'
import { text } from 'node:stream/consumers'
import * as assert from 'uvu/assert'
import type { EngineResponse } from '../../http/door.ts'
import { ask, block, closed, FLAG, FRAME, frame, GET, http2Suite, send } from './harness.ts'

const requests = http2Suite('a request over HTTP/2')

requests(
  'is one like any other, with HTTP/1.1 names for what is in pseudo-header fields',
  async ({ serve }) => {
    const { open } = await serve((request, response) => {
      const { method, url, httpVersion, httpVersionMajor, rawHeaders, headers } = request
      response.end(
        JSON.stringify([method, url, httpVersion, httpVersionMajor, rawHeaders, headers.host]),
      )
    })
    const fields = {
      ':authority': 'shop.test',
      ':path': '/a%20b?c=d',
      'x-a': ['1', '2'],
      x_b: 'no',
    }
    const { body } = await ask(await open(), fields)
    assert.equal(JSON.parse(body), [
      ...['GET', '/a%20b?c=d', '2.0', 2],
      ['host', 'shop.test', 'x-a', '1', 'x-a', '2'],
      'shop.test',
    ])
  },
)

requests('brings its body, with or without a length', async ({ serve }) => {
  const { open } = await serve(async (request, response) => {
    const body = await text(request)
    response.end(
      `${request.headers['content-length']} ${request.headers['transfer-encoding']} ${body}`,
    )
  })
  const session = await open()
  assert.is((await ask(session, { 'content-length': '2' }, 'hi')).body, '2 undefined hi')
  assert.is((await ask(session, {}, 'hi')).body, 'undefined chunked hi')
  const large = 'x'.repeat(1_000_000)
  assert.is((await ask(session, {}, large)).body.length, large.length + 'undefined chunked '.length)
})

requests('brings its trailers, but none that would be a field of the head', async ({ serve }) => {
  const { open } = await serve((request, response) => {
    request.resume().on('end', () => response.end(JSON.stringify(request.trailers)))
    request.on('error', () => {}) // the second one's
  })
  const session = await open()
  const asked = async (name: string) => {
    const stream = session.request({ ':method': 'POST', ':path': '/' }, { waitForTrailers: true })
    stream.on('error', () => {}) // 'close' follows
    stream.on('wantTrailers', () => stream.sendTrailers({ [name]: 'yes' }))
    stream.end('body')
    const body = await text(stream).catch(() => 'broken')
    return body || 'broken'
  }
  assert.is(await asked('x-sum'), '{"x-sum":"yes"}')
  assert.is(await asked('authorization'), 'broken')
})

requests('that expects 100 Continue hears it when its body is wanted', async ({ serve }) => {
  const { open } = await serve(async (request, response) => response.end(await text(request)))
  const stream = (await open()).request({ ':method': 'POST', ':path': '/', expect: '100-continue' })
  await once(stream, 'continue')
  stream.end('now')
  assert.is(await text(stream), 'now')
})

requests('that is given up is aborted, and its response closes', async ({ serve }) => {
  let response: EngineResponse | undefined
  const { open } = await serve((_request, given) => {
    response = given
    given.write('first')
  })
  const stream = send(await open())
  await once(stream, 'response')
  const closed = once(response as EngineResponse, 'close')
  stream.close(constants.NGHTTP2_CANCEL)
  await closed
  assert.is(response?.writableFinished, false)
  assert.is(response?.destroyed, true)
})

requests('whose body is not read is answered all the same', async ({ serve }) => {
  const { open } = await serve((_request, response) => response.end('enough'))
  const session = await open()
  const stream = session.request({ ':method': 'POST', ':path': '/' })
  stream.on('error', () => {}) // its rest is not wanted
  stream.write('some')
  assert.is(await text(stream), 'enough')
  assert.is((await ask(session)).body, 'enough')
})

const responses = http2Suite('a response over HTTP/2')

responses('has lower-case names, no field of connections, and cookies apart', async ({ serve }) => {
  const { open } = await serve((_request, response) => {
    response.setHeader('X-One', ['a', 'b'])
    response.writeHead(201, 'Whatever', [
      ...['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2', 'Connection', 'close', 'Upgrade', 'h2c'],
      ...['Keep-Alive', 'timeout=5', 'Transfer-Encoding', 'chunked', 'X-Two', 'é'],
    ])
    response.end('done')
  })
  const { status, headers, body } = await ask(await open())
  assert.is(status, 201)
  assert.is(body, 'done')
  const { date, ...others } = headers
  assert.match(date as string, /GMT$/)
  assert.equal(JSON.parse(JSON.stringify(others)), {
    ':status': 201,
    'content-length': '4',
    'set-cookie': ['a=1', 'b=2'],
    'x-one': 'a, b',
    'x-two': 'é',
  })
})

responses('has no body where there is to be none', async ({ serve }) => {
  const { open } = await serve((request, response) => {
    if (request.url === '/204') response.writeHead(204)
    response.end(request.url === '/204' ? undefined : 'body')
  })
  const session = await open()
  const head = await ask(session, { ':method': 'HEAD' })
  assert.equal([head.status, head.headers['content-length'], head.body], [200, '4', ''])
  const none = await ask(session, { ':path': '/204' })
  assert.equal([none.status, none.headers['content-length'], none.body], [204, undefined, ''])
})

responses('comes in pieces as they are written', async ({ serve }) => {
  let response: EngineResponse | undefined
  const { open } = await serve((_request, given) => {
    response = given
    given.write('first')
  })
  const stream = send(await open())
  stream.setEncoding('utf8')
  assert.equal(await once(stream, 'data'), ['first'])
  response?.write('second')
  assert.equal(await once(stream, 'data'), ['second'])
  response?.end()
  await once(stream, 'end')
  assert.is(response?.bodyBytes, 11)
})

responses('waits for who reads slowly, and tells when there is room', async ({ serve }) => {
  const piece = Buffer.alloc(100_000, 'x')
  const { open } = await serve((_request, response) => {
    let left = 20
    const more = () => {
      while (left > 0) {
        left--
        if (!response.write(piece)) return void response.once('drain', more)
      }
      response.end()
    }
    more()
  })
  assert.is((await ask(await open())).body.length, 2_000_000)
})

responses('ends with its trailers', async ({ serve }) => {
  const { open } = await serve((_request, response) => {
    response.writeHead(200, { trailer: 'x-sum' })
    response.write('body')
    response.addTrailers({ 'x-sum': '1' })
    response.end()
  })
  const stream = send(await open())
  const trailers = once(stream, 'trailers')
  assert.is(await text(stream), 'body')
  assert.is((await trailers)[0]['x-sum'], '1')
})

responses('may be preceded by hints', async ({ serve }) => {
  const { open } = await serve((_request, response) => {
    response.writeEarlyHints({ link: '</a.css>; rel=preload' })
    response.end('body')
  })
  const stream = send(await open())
  const [hints] = await once(stream, 'headers')
  assert.equal([hints[':status'], hints.link], [103, '</a.css>; rel=preload'])
  assert.is(await text(stream), 'body')
})

responses(
  'that breaks off, or is not as long as it says, is never ended as if whole',
  async ({ serve }) => {
    const { raw } = await serve((request, response) => {
      response.writeHead(200, request.url === '/open' ? {} : { 'content-length': 10 })
      response.write('half')
      if (request.url === '/short') response.end()
      else setImmediate(() => response.destroy())
    })
    for (const path of ['/short', '/destroyed', '/open']) {
      const client = await raw()
      const fields = GET.map(([name, value]) => [name, name === ':path' ? path : value] as const)
      client.socket.write(frame(FRAME.headers, FLAG.endStream | FLAG.endHeaders, 1, block(fields)))
      const code = await client.frame(FRAME.reset)
      assert.is(code.readUInt32BE(0), constants.NGHTTP2_INTERNAL_ERROR, path)
      const data = client.frames.filter(({ type }) => type === FRAME.data)
      assert.is(data.map(({ payload }) => payload.toString()).join(''), 'half', path)
      assert.ok(
        data.every(({ flags }) => (flags & FLAG.endStream) === 0),
        path,
      )
    }
  },
)

responses(
  'of a kind that HTTP/2 has none of is broken off, and nothing else with it',
  async ({ serve }) => {
    const { open } = await serve((request, response) => {
      if (request.url === '/101') response.writeHead(101, { upgrade: 'x' })
      response.end('good')
    })
    const session = await open()
    const stream = send(session, { ':path': '/101' })
    await closed(stream)
    assert.is(stream.rstCode, constants.NGHTTP2_INTERNAL_ERROR)
    assert.is((await ask(session)).body, 'good')
  },
)

responses('that is longer than it says is cut', async ({ serve }) => {
  const { open } = await serve((_request, response) => {
    response.writeHead(200, { 'content-length': 4 })
    response.end('body and more')
  })
  assert.is((await ask(await open())).body, 'body')
})

responses('that an error has kept from coming lets the others go on', async ({ serve }) => {
  const { open } = await serve((request, response) => {
    if (request.url === '/bad') response.destroy()
    else response.end('good')
  })
  const session = await open()
  const bad = send(session, { ':path': '/bad' })
  await closed(bad)
  assert.is((await ask(session)).body, 'good')
})

requests.run()
responses.run()
