import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Server } from 'node:net'
import { text } from 'node:stream/consumers'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createEngineServer } from '../engine.ts'
import { get, parseAnswer, post, settled } from './wire.ts'

type See = (...values: unknown[]) => void
type Handler = (request: IncomingMessage, response: ServerResponse, see: See) => unknown

const test = suite('what node:http does too')

const CLOSE = 'Connection: close\r\n'

/** What a handler sees, and what its client gets, apart from fields in which the two may differ. */
async function outcome(
  make: (handle: (request: IncomingMessage, response: ServerResponse) => void) => Server,
  handler: Handler,
  request: string,
) {
  const seen: unknown[] = []
  const see: See = (...values) => seen.push(...values)
  const server = make((request, response) => void handler(request, response, see))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.setEncoding('latin1').write(request, 'latin1')
  const whole = await text(socket)
  await new Promise((closed) => server.close(closed))
  await settled()
  const { headers, ...answer } = parseAnswer(whole)
  const { date, connection, 'keep-alive': _, ...others } = headers
  return { seen, answer, headers: others, dated: date !== undefined }
}

const onEngine = (handler: Parameters<typeof createServer>[1]) =>
  createEngineServer({
    serve: handler as never,
    takesUpgrades: () => false,
    upgrade() {},
    keepAlive: 1000,
  })

function same(name: string, handler: Handler, request = get('/', CLOSE)): void {
  test(name, async () => {
    const expected = await outcome((handle) => createServer(handle), handler, request)
    assert.equal(await outcome(onEngine, handler, request), expected)
  })
}

/** The code of the error that this throws. */
function codeOf(run: () => unknown): string | undefined {
  try {
    run()
    return undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code
  }
}

same('setHeaders takes Headers and Map, with each cookie', (_, response, see) => {
  const headers = new Headers([['X-A', '1'] as [string, string]])
  headers.append('set-cookie', 'a=1')
  headers.append('set-cookie', 'b=2')
  response.setHeaders(headers)
  response.setHeaders(new Map([['X-B', '2']]))
  see(response.getHeaders())
  for (const wrong of [[], {}, undefined, null]) {
    see(codeOf(() => response.setHeaders(wrong as never)))
  }
  response.end()
})

same('fields are listed by name, also where there are none', (_, response, see) => {
  see(response.getHeaderNames(), response.getHeaders(), response.hasHeader('x-a'))
  response.appendHeader('X-A', '1').appendHeader('X-A', ['2', '3'])
  see(response.getHeaderNames(), response.getHeader('x-A'), response.hasHeader('X-a'))
  response.end()
})

same('removeHeader of Date leaves it out', (_, response) => {
  response.removeHeader('Date')
  response.end('x')
})

same('removeHeader of Content-Length chunks the body', (_, response) => {
  response.removeHeader('Content-Length')
  response.end('x')
})

same('removeHeader of both kinds of framing ends the body with the connection', (_, response) => {
  response.removeHeader('Content-Length')
  response.removeHeader('Transfer-Encoding')
  response.write('x')
  response.end('y')
})

for (const nested of [false, true]) {
  same(`writeHead takes pairs, ${nested ? 'nested' : 'in a row'}`, (_, response) => {
    const pairs = [
      ['X-A', '1'],
      ['X-A', '2'],
      ['Content-Length', '1'],
    ]
    response.writeHead(201, nested ? (pairs as never) : pairs.flat())
    response.end('x')
  })
}

same('writeHead refuses half a pair and no status', (_, response, see) => {
  see(codeOf(() => response.writeHead(200, ['X-A'] as never)))
  see(codeOf(() => response.writeHead(99)))
  see(codeOf(() => response.writeHead(1000)))
  response.end('x')
})

same('a status of one own has an unknown reason, or that which is given', (_, response) => {
  response.statusCode = 299
  response.end('x')
})

same('a reason with a line end is refused', (_, response, see) => {
  see(codeOf(() => response.writeHead(200, 'a\r\nb')))
  response.statusMessage = 'fine'
  response.end('x')
})

same('several values of a cookie field are joined', (_, response) => {
  response.setHeader('Cookie', ['a=1', 'b=2'])
  response.end('x')
})

for (const encoding of ['utf8', 'utf-8', 'latin1', 'binary', 'hex', 'base64', 'ucs2'] as const) {
  same(`text in ${encoding} goes out in it`, (_, response) => {
    response.write('c3a4', encoding)
    response.end('fffe', encoding)
  })
  same(`text in ${encoding} that is all goes out in it`, (_, response) => {
    response.end(['hex', 'base64'].includes(encoding) ? 'ffaa' : 'ffaä', encoding)
  })
}

same(
  'HEAD has no body, however it is written',
  (_, response, see) => {
    response.write('x', () => see('written'))
    response.end('y')
  },
  get('/', CLOSE).replace('GET', 'HEAD'),
)

same('trailers may be pairs', (_, response) => {
  response.setHeader('Trailer', 'X-A')
  response.write('x')
  response.addTrailers([['X-A', '1'] as [string, string]])
  response.end()
})

same('a wrong name of a trailer is refused', (_, response, see) => {
  see(codeOf(() => response.addTrailers({ 'a b': '1' })))
  see(codeOf(() => response.addTrailers({ a: '\n' })))
  response.end('x')
})

same('a response tells its state', (_, response, see) => {
  const state = () => [
    response.writableObjectMode,
    response.writableHighWaterMark > 0,
    response.writableLength,
    response.writableEnded,
    response.writableNeedDrain,
    response.headersSent,
    response.closed,
    response.destroyed,
    response.connection === response.socket,
  ]
  see(...state())
  response.on('finish', () => see(response.writableFinished, response.writableEnded))
  response.flushHeaders()
  response.flushHeaders()
  see(response.headersSent)
  response.end('x')
})

same('cork holds back and uncork lets go', (_, response, see) => {
  response.cork()
  see(response.writableCorked)
  response.write('x')
  response.uncork()
  see(response.writableCorked)
  response.end('y')
})

same('early hints without a link are none; what is no object is refused', (_, response, see) => {
  response.writeEarlyHints({})
  response.writeEarlyHints({ link: [] })
  see(codeOf(() => response.writeEarlyHints('x' as never)))
  response.end('x')
})

same('a response is no source', (_, response, see) => {
  response.on('error', (error: NodeJS.ErrnoException) => see(error.code))
  response.pipe(response)
  response.end('x')
})

same(
  'what is written after the end is an error, for its callback too',
  async (_, response, see) => {
    response.on('error', (error: NodeJS.ErrnoException) => see(error.code))
    response.end('x', () => see('ended'))
    response.write('y', (error) => see((error as NodeJS.ErrnoException | undefined)?.code))
    await new Promise((resolve) => response.on('close', resolve)) // once() rejects at an error
    response.end((error?: NodeJS.ErrnoException) => see(error?.code))
  },
)

same('what is written after destroy is an error for its callback alone', (_, response, see) => {
  response.destroy()
  response.destroy()
  response.write('x', (error) => see((error as NodeJS.ErrnoException | undefined)?.code))
})

same('a time limit tells the response', async (_, response, see) => {
  response.setTimeout(20, () => {
    see('timeout')
    response.end('late')
  })
})

same(
  'a time limit tells the request of which more is to come',
  async (request, response, see) => {
    request.setTimeout(20, () => {
      see('timeout')
      response.end('late')
    })
  },
  `POST / HTTP/1.1\r\nHost: a\r\n${CLOSE}Content-Length: 5\r\n\r\n`,
)

same('a time limit of which nobody is told ends the connection', async (request, response, see) => {
  response.on('close', () => see('closed', response.writableFinished))
  request.setTimeout(20)
})

same(
  'a request tells its fields, alone and joined',
  (request, response, see) => {
    const { httpVersion, headersDistinct, rawHeaders, trailers, trailersDistinct } = request
    see(httpVersion, { ...headersDistinct }, { ...request.headers }, rawHeaders)
    see({ ...trailers }, { ...trailersDistinct }, request.destroyed)
    request.headers = { 'x-own': '1' }
    see(request.headers)
    response.end('x')
  },
  get(
    '/',
    `${CLOSE}X-A: 1\r\nx-a: 2\r\nCookie: a\r\nCookie: b\r\nAge: 1\r\nAge: 2\r\nSet-Cookie: c\r\nSet-Cookie: d\r\n`,
  ),
)

same(
  'a request tells its trailers',
  async (request, response, see) => {
    request.resume()
    await once(request, 'end')
    see({ ...request.trailers }, { ...request.trailersDistinct }, request.rawTrailers)
    request.trailers = { own: '1' }
    see(request.trailers)
    response.end('x')
  },
  `POST / HTTP/1.1\r\nHost: a\r\n${CLOSE}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-A: 1\r\nX-A: 2\r\n\r\n`,
)

same(
  'a body that came before anybody asked is all there',
  async (request, response) => {
    await new Promise((resolve) => setTimeout(resolve, 20))
    response.end(await text(request))
  },
  post('hello', CLOSE),
)

test.run()
