import { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { LeanResponse } from '../lean-response.ts'
import { get, type Handler, parseAnswer, Stage, settled, sleep } from './wire.ts'

interface Context {
  open(handler: Handler): Promise<Stage>
  stages: Stage[]
}

const withStage = (name: string) => {
  const test = suite<Context>(name)
  test.before.each((context) => {
    context.stages = []
    context.open = async (handler) => {
      const stage = await Stage.open(handler, { lingerTime: 50 })
      context.stages.push(stage)
      return stage
    }
  })
  test.after.each(async ({ stages }) => {
    for (const stage of stages) await stage.close()
  })
  return test
}

const CLOSE = 'Connection: close\r\n'
/** The only answer of a server with this handler. */
const answerOf = async ({ open }: Context, handler: Handler, request = get('/', CLOSE)) =>
  parseAnswer(await (await open(handler)).exchange(request))

const framing = withStage('response framing')

framing('gives a body that is ended at once its length', async (context) => {
  const { headers, body } = await answerOf(context, (_, response) => response.end('größe'))
  assert.is(headers['content-length'], '7')
  assert.is(Buffer.from(body, 'latin1').toString(), 'größe')
})

framing('sends latin-1 text as it is', async (context) => {
  const { headers, body } = await answerOf(context, (_, response) => {
    response.writeHead(200, 'OK', ['Content-Type', 'text/plain', 'Content-Length', '5'])
    response.end('größe', 'latin1')
  })
  assert.equal([headers['content-length'], body], ['5', 'größe'])
})

framing('sends head and buffer together, small or large', async (context) => {
  for (const size of [1, 16_384, 16_385, 1_000_000]) {
    const { headers, body } = await answerOf(context, (_, response) =>
      response.end(Buffer.alloc(size, 'x')),
    )
    assert.is(headers['content-length'], String(size))
    assert.is(body, 'x'.repeat(size))
  }
})

framing('chunks a body of unknown length', async (context) => {
  const { headers, body } = await answerOf(context, (_, response) => {
    response.write('a')
    response.write(Buffer.from('bc'))
    response.end('d')
  })
  assert.is(headers['transfer-encoding'], 'chunked')
  assert.is(body, '1\r\na\r\n2\r\nbc\r\n1\r\nd\r\n0\r\n\r\n')
})

framing('ends a body of unknown length with the connection on HTTP/1.0', async (context) => {
  const request = 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n'
  const { headers, body } = await answerOf(
    context,
    (_, response) => {
      response.write('a')
      response.end('b')
    },
    request,
  )
  assert.equal([headers['transfer-encoding'], headers.connection, body], [undefined, 'close', 'ab'])
})

framing('keeps an HTTP/1.0 connection that asks for it', async ({ open }) => {
  const stage = await open((_, response) => response.end('ok'))
  const client = await stage.connect()
  for (const _ of [1, 2]) {
    client.send('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
    assert.match(await client.until('\r\n\r\nok'), 'Connection: keep-alive\r\n')
  }
})

for (const status of [204, 304]) {
  framing(`sends no body with ${status}`, async ({ open }) => {
    const stage = await open((request, response) => {
      if (request.url !== '/') return void response.end('next')
      response.writeHead(status)
      response.write('a')
      response.end('b')
    })
    const client = await stage.connect()
    client.send(get() + get('/next'))
    const text = await client.until('next')
    assert.match(text, /^HTTP\/1\.1 \d+ [\s\S]*?\r\n\r\nHTTP\/1\.1 200 /)
    assert.not.match(text.slice(0, text.indexOf('\r\n\r\n')), /content-length|transfer-encoding/i)
  })
}

framing('removes a length that was given to 204', async (context) => {
  const { headers } = await answerOf(context, (_, response) => {
    response.writeHead(204, { 'Content-Length': 3 }).end()
  })
  assert.is(headers['content-length'], undefined)
})

framing('answers HEAD with the length and without the body', async (context) => {
  const { headers, body } = await answerOf(
    context,
    (_, response) => response.end('hello'),
    `HEAD / HTTP/1.1\r\nHost: a\r\n${CLOSE}\r\n`,
  )
  assert.equal([headers['content-length'], body], ['5', ''])
})

framing('never sends more than the declared length, and closes', async (context) => {
  for (const finish of [
    (response: LeanResponse) => response.end('hello world'),
    (response: LeanResponse) => {
      response.write('hel')
      response.end('lo world')
    },
  ]) {
    const { body } = await answerOf(
      context,
      (_, response) => {
        response.setHeader('Content-Length', 5)
        finish(response)
      },
      get() + get('/'),
    )
    assert.is(body, 'hello')
  }
})

framing('closes after a body that is shorter than declared', async (context) => {
  const { body, headers } = await answerOf(
    context,
    (_, response) => {
      response.setHeader('Content-Length', 50)
      response.end('hello')
    },
    get() + get(),
  )
  assert.equal([body, headers.connection], ['hello', 'close'])
})

framing('throws on a wrong length where it is told to be strict', async (context) => {
  let code: unknown
  await answerOf(context, (_, response) => {
    response.strictContentLength = true
    response.setHeader('Content-Length', 5)
    try {
      response.end('hello world')
    } catch (error) {
      code = (error as { code: string }).code
      response.destroy()
    }
  })
  assert.is(code, 'ERR_HTTP_CONTENT_LENGTH_MISMATCH')
})

framing('prefers chunked where the application sets both', async (context) => {
  const { headers, body } = await answerOf(context, (_, response) => {
    response.writeHead(200, { 'Content-Length': '2', 'Transfer-Encoding': 'chunked' })
    response.end('hi')
  })
  assert.equal(
    [headers['content-length'], headers['transfer-encoding'], body],
    [undefined, 'chunked', '2\r\nhi\r\n0\r\n\r\n'],
  )
})

framing('sends trailers after a chunked body', async (context) => {
  const { body } = await answerOf(context, (_, response) => {
    response.setHeader('Trailer', 'X-Sum')
    response.write('hi')
    response.addTrailers({ 'X-Sum': 'abc' })
    response.end()
  })
  assert.is(body, '2\r\nhi\r\n0\r\nX-Sum: abc\r\n\r\n')
})

framing('says close where the application does, and closes', async (context) => {
  for (const give of [
    (response: LeanResponse) => response.setHeader('Connection', 'close'),
    (response: LeanResponse) => {
      response.shouldKeepAlive = false
    },
  ]) {
    const { headers } = await answerOf(
      context,
      (_, response) => {
        give(response)
        response.end('ok')
      },
      get() + get(),
    )
    assert.is(headers.connection, 'close')
  }
})

framing('counts the bytes of the body', async (context) => {
  let bytes = 0
  await answerOf(context, (_, response) => {
    response.on('close', () => {
      bytes = response.bodyBytes
    })
    response.write('ä')
    response.end(Buffer.alloc(3))
  })
  assert.is(bytes, 5)
})
framing.run()

const fields = withStage('response fields')

fields('sets, appends, lists and removes', async (context) => {
  const { headers } = await answerOf(context, (_, response) => {
    response.setHeader('X-A', '1').appendHeader('x-a', '2').setHeader('X-B', 3)
    response.setHeader('X-C', 'gone')
    response.removeHeader('x-c')
    response.setHeaders(new Map([['x-d', '4']]))
    assert.equal(response.getHeaderNames(), ['x-a', 'x-b', 'x-d'])
    assert.equal(response.getHeader('X-a'), ['1', '2'])
    assert.equal({ ...response.getHeaders() }, { 'x-a': ['1', '2'], 'x-b': 3, 'x-d': '4' })
    assert.equal([response.hasHeader('X-B'), response.hasHeader('x-c')], [true, false])
    response.end()
  })
  assert.equal([headers['x-a'], headers['x-b'], headers['x-d']], ['1, 2', '3', '4'])
})

fields('sends each cookie on a line of its own', async (context) => {
  const { headers } = await answerOf(context, (_, response) => {
    response.writeHead(200, { 'Set-Cookie': ['a=1', 'b=2'] }).end()
  })
  assert.is(headers['set-cookie'], 'a=1, b=2')
})

fields('lets the pairs of writeHead replace what was set, and keeps them all', async (context) => {
  const { headers } = await answerOf(context, (_, response) => {
    response.setHeader('X-A', 'old').setHeader('X-B', 'kept')
    response.writeHead(201, 'Made', ['X-A', '1', 'x-a', '2']).end()
  })
  assert.equal([headers['x-a'], headers['x-b']], ['1, 2', 'kept'])
})

fields('keeps nothing of a head that it refuses', async (context) => {
  const { status, headers, body } = await answerOf(
    context,
    (_, response) => {
      const framing = ['Content-Length', '3000', 'Date', 'x', 'Connection', 'close', 'Trailer', 'X']
      const refused = [...framing, 'X-Bad', '\n']
      assert.throws(() => response.writeHead(200, 'Fine', refused), /invalid char/i)
      assert.not(response.headersSent)
      response.writeHead(500).end('sorry')
    },
    `${get('/')}${get('/', CLOSE)}`,
  )
  assert.is(status, 500)
  assert.equal([headers['content-length'], headers.connection], ['5', undefined])
  assert.match(headers.date as string, 'GMT')
  assert.match(body, /^sorryHTTP\/1.1 500 Internal Server Error\r\n/)
})

fields('finds what writeHead was given', async (context) => {
  await answerOf(context, (_, response) => {
    response.writeHead(200, ['X-A', '1'])
    assert.is(response.getHeader('x-a'), '1')
    response.end()
  })
  await answerOf(context, (_, response) => {
    response.writeHead(200, { 'X-A': '1' })
    assert.is(response.getHeader('x-a'), '1')
    response.end()
  })
})

fields('refuses changes once the head is made', async (context) => {
  await answerOf(context, (_, response) => {
    response.writeHead(200)
    assert.ok(response.headersSent)
    for (const change of [
      () => response.setHeader('a', 'b'),
      () => response.appendHeader('a', 'b'),
      () => response.removeHeader('a'),
      () => response.writeHead(201),
    ]) {
      assert.throws(change, (error: { code: string }) => error.code === 'ERR_HTTP_HEADERS_SENT')
    }
    response.end()
  })
})

fields('lets no value or name split the answer', async (context) => {
  await answerOf(context, (_, response) => {
    for (const value of ['a\r\nb: c', 'a\nb', 'a\0b', 'a\x7f', 'snow \u2603']) {
      const isRefused = (error: { code: string }) => error.code === 'ERR_INVALID_CHAR'
      assert.throws(() => response.setHeader('X-A', value), isRefused)
      assert.throws(() => response.setHeader('X-A', ['ok', value]), isRefused)
      assert.throws(() => response.writeHead(200, { 'X-A': value }), isRefused)
      assert.throws(() => response.writeHead(200, ['X-A', value]), isRefused)
      assert.throws(() => response.writeHead(200, value), isRefused)
      assert.throws(() => response.addTrailers({ 'X-A': value }), isRefused)
      assert.throws(() => response.writeEarlyHints({ link: value }), isRefused)
      response.statusMessage = undefined
    }
    for (const name of ['', 'a b', 'a:', 'a\r\nb', 'ä', '(a)']) {
      const isRefused = (error: { code: string }) => error.code === 'ERR_INVALID_HTTP_TOKEN'
      assert.throws(() => response.setHeader(name, 'a'), isRefused)
      assert.throws(() => response.writeHead(200, [name, 'a']), isRefused)
    }
    for (const length of ['+1', '1, 1', '0x1', '-1', '1\t1']) {
      assert.throws(() => response.writeHead(200, { 'Content-Length': length }))
    }
    assert.throws(() => response.setHeader('a', undefined as never))
    assert.throws(() => response.writeHead(99))
    assert.throws(() => response.writeHead(1000))
    response.end()
  })
})

fields('sends a date unless told otherwise', async (context) => {
  const plain = await answerOf(context, (_, response) => response.end())
  assert.ok(Math.abs(Date.parse(plain.headers.date as string) - Date.now()) < 3000)
  const own = await answerOf(context, (_, response) => response.writeHead(200, { date: 'x' }).end())
  assert.is(own.headers.date, 'x')
  const without = await answerOf(context, (_, response) => {
    response.sendDate = false
    response.end()
  })
  assert.is(without.headers.date, undefined)
})
fields.run()

const events = withStage('response as a stream')

events('is a ServerResponse and takes a pipe', async (context) => {
  const text = 'x'.repeat(300_000)
  const { body } = await answerOf(context, (_, response) => {
    assert.instance(response, ServerResponse)
    response.setHeader('Content-Length', text.length)
    Readable.from([text.slice(0, 100_000), text.slice(100_000)]).pipe(response as never)
  })
  assert.is(body.length, text.length)
})

events('works with pipeline and finished', async (context) => {
  let order = ''
  await answerOf(context, async (_, response) => {
    const whole = finished(response as never).then(() => {
      order += 'finished '
    })
    await pipeline(Readable.from(['a', 'b']), response as never)
    order += 'pipeline '
    await whole
  })
  await settled()
  assert.equal(order.trim().split(' ').sort(), ['finished', 'pipeline'])
})

events('tells finish, then close, then the callback of end was called', async (context) => {
  const seen: string[] = []
  await answerOf(context, (_, response) => {
    for (const event of ['finish', 'close']) response.on(event, () => seen.push(event))
    response.end('ok', () => seen.push('callback'))
    assert.equal([response.writableEnded, response.writableFinished], [true, false])
    assert.equal(seen, [])
  })
  assert.equal(seen.sort(), ['callback', 'close', 'finish'])
})

events('tells finish to who listens after end, in the order of the answers', async ({ open }) => {
  const told: string[] = []
  const stage = await open((request, response) => {
    const size = request.url === '/large' ? 20_000_000 : 5
    response.end('x'.repeat(size))
    told.push(`${request.url} ended`)
    response.on('finish', () => told.push(`${request.url} finished`))
  })
  const client = await stage.connect()
  client.send(get('/small'))
  await client.until('xxxxx')
  assert.equal(told, ['/small ended', '/small finished'])
  client.socket.pause()
  client.send(get('/large') + get('/behind'))
  while (told.length < 3) await sleep(5)
  assert.is(told[2], '/large ended')
  client.socket.resume()
  while (told.length < 6) await sleep(5)
  const finished = told.filter((text) => text.endsWith('finished'))
  assert.equal(finished, ['/small finished', '/large finished', '/behind finished'])
})

events('says when to wait and when to go on', async ({ open }) => {
  const chunk = Buffer.alloc(65_536)
  let drains = 0
  const stage = await open((_, response) => {
    let left = 400
    const push = () => {
      while (left-- > 0) if (!response.write(chunk)) return
      response.end()
    }
    response.on('drain', () => {
      drains++
      push()
    })
    push()
  })
  const text = await stage.exchange(get('/', CLOSE))
  assert.ok(text.length > 400 * 65_536)
  assert.ok(drains > 0)
})

events('ends a write after end with an error event, and end after end quietly', async (context) => {
  const codes: unknown[] = []
  await answerOf(context, (_, response) => {
    response.on('error', (error: { code: string }) => codes.push(error.code))
    response.end('ok')
    response.end()
    response.write('more')
    response.end('more')
  })
  await settled()
  assert.equal(codes, ['ERR_STREAM_WRITE_AFTER_END', 'ERR_STREAM_WRITE_AFTER_END'])
})

events('throws on chunks that are no bytes', async (context) => {
  await answerOf(context, (_, response) => {
    assert.throws(() => response.write(null), /null/)
    assert.throws(() => response.write(5), /must be/)
    assert.throws(() => response.end({}), /must be/)
    response.end()
  })
})

events('breaks off where it is destroyed', async (context) => {
  let closed: boolean | undefined
  const { body } = await answerOf(context, (_, response) => {
    response.on('close', () => {
      closed = response.writableFinished
    })
    response.write('a')
    setImmediate(() => response.destroy())
  })
  assert.is(body, '1\r\na\r\n')
  await settled()
  assert.is(closed, false)
})

events('sends flushed heads at once, and interim answers before', async ({ open }) => {
  let go: (() => void) | undefined
  const stage = await open((_, response) => {
    response.writeEarlyHints({ link: ['</a.css>; rel=preload', '</b.js>'], 'x-a': 'b' })
    response.writeProcessing()
    response.flushHeaders()
    go = () => response.end('x')
  })
  const client = await stage.connect()
  client.send(get())
  const hints = await client.until('\r\n\r\n')
  assert.is(
    hints,
    'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload, </b.js>\r\nx-a: b\r\n\r\n',
  )
  assert.is(await client.until('\r\n\r\n'), 'HTTP/1.1 102 Processing\r\n\r\n')
  assert.match(await client.until('\r\n\r\n'), /^HTTP\/1\.1 200 OK\r\n/)
  go?.()
  await client.until('1\r\nx\r\n0\r\n\r\n')
})

events('sends no interim answers on HTTP/1.0', async (context) => {
  const { status } = await answerOf(
    context,
    (_, response) => {
      response.writeEarlyHints({ link: '</a>' })
      response.writeContinue()
      response.end()
    },
    'GET / HTTP/1.0\r\n\r\n',
  )
  assert.is(status, 200)
})
events.run()
