import { once } from 'node:events'
import type { Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { ParsedHead } from '../door.ts'
import type { EngineOptions } from '../engine.ts'
import { resolveLimits } from '../limits.ts'
import { PreparedAnswer, prepareHead } from '../prepared-head.ts'
import { WriteRate } from '../write-rate.ts'
import { type Client, get, type Handler, parseAnswer, post, Stage, sleep } from './wire.ts'

interface Context {
  open(options: EngineOptions, handler?: Handler): Promise<Stage>
  stages: Stage[]
}

const ok: Handler = (request, response) => {
  request.on('end', () => response.end('ok'))
  request.resume()
}

const withStage = (name: string) => {
  const test = suite<Context>(name)
  test.before.each((context) => {
    context.stages = []
    context.open = async (options, handler = ok) => {
      const stage = await Stage.open(handler, { lingerTime: 50, ...options })
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
const statusOf = async (stage: Stage, text: string) =>
  parseAnswer(await stage.exchange(text)).status
const ping = async (client: Client) => {
  client.send(get())
  await client.until('\r\n\r\nok')
}

const sizes = withStage('size limits')

sizes('of the request line: 414', async ({ open }) => {
  const stage = await open({ requestLine: 30 })
  const line = 'GET / HTTP/1.1'.length
  assert.is(await statusOf(stage, get(`/${'a'.repeat(30 - line)}`, CLOSE)), 200)
  assert.is(await statusOf(stage, get(`/${'a'.repeat(31 - line)}`, CLOSE)), 414)
})

sizes('of a field: 431', async ({ open }) => {
  const stage = await open({ fieldSize: 30 })
  assert.is(await statusOf(stage, get('/', `${CLOSE}X: ${'a'.repeat(27)}\r\n`)), 200)
  assert.is(await statusOf(stage, get('/', `${CLOSE}X: ${'a'.repeat(28)}\r\n`)), 431)
})

sizes('of the number of fields: 431', async ({ open }) => {
  const stage = await open({ fields: 3 })
  assert.is(await statusOf(stage, get('/', `${CLOSE}X: 1\r\n`)), 200)
  assert.is(await statusOf(stage, get('/', `${CLOSE}X: 1\r\nX: 2\r\n`)), 431)
})

sizes('of the whole head: 431', async ({ open }) => {
  const head = get('/', `${CLOSE}X: ${'a'.repeat(20)}\r\n`)
  const stage = await open({ head: head.length })
  assert.is(await statusOf(stage, head), 200)
  assert.is(await statusOf(stage, get('/', `${CLOSE}X: ${'a'.repeat(21)}\r\n`)), 431)
  assert.is(await statusOf(stage, get(`/${'a'.repeat(head.length)}`)), 431, 'in the first line')
})

sizes('of trailers: 431', async ({ open }) => {
  const stage = await open({ trailers: 20 })
  const request = (size: number) =>
    `POST / HTTP/1.1\r\nHost: a\r\n${CLOSE}Transfer-Encoding: chunked\r\n\r\n0\r\nX: ${'a'.repeat(size)}\r\n\r\n`
  assert.is(await statusOf(stage, request(15)), 200)
  assert.is(await statusOf(stage, request(16)), 431)
})

sizes('hold for a line that never ends, too', async ({ open }) => {
  const stage = await open({ requestLine: 30, fieldSize: 30, trailers: 20, chunkExtensions: 20 })
  const chunked = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'
  const endless = 'a'.repeat(40)
  for (const [begun, status] of [
    ['', 414],
    ['GET /', 414],
    ['GET / HTTP/1.1\r\n', 431],
    ['GET / HTTP/1.1\r\nX: ', 431],
    [`${chunked}0\r\n`, 431],
    [`${chunked}0\r\nX: `, 431],
    [`${chunked}1;`, 400],
  ] as const) {
    assert.is(await statusOf(stage, begun + endless), status, begun)
  }
})

sizes('of chunk extensions, all together: 400', async ({ open }) => {
  const stage = await open({ chunkExtensions: 20 })
  const request = (size: number) =>
    `POST / HTTP/1.1\r\nHost: a\r\n${CLOSE}Transfer-Encoding: chunked\r\n\r\n` +
    `1;${'a'.repeat(10)}\r\nx\r\n1;${'a'.repeat(size)}\r\ny\r\n0\r\n\r\n`
  assert.is(await statusOf(stage, request(10)), 200)
  assert.is(await statusOf(stage, request(11)), 400)
})

sizes('tell the door why', async ({ open }) => {
  const stage = await open({ fields: 1 })
  await statusOf(stage, get('/', CLOSE))
  assert.equal(stage.door.refusals, [{ status: 431, reason: 'too many fields' }])
})
sizes.run()

const times = withStage('time limits')

times('of a head: 408', async ({ open }) => {
  const stage = await open({ headTime: 100 })
  const client = await stage.connect()
  client.send('GET / HTTP/1.1\r\n')
  assert.is(parseAnswer(await client.rest()).status, 408)
})

times('of a head run from its first byte, not from the last', async ({ open }) => {
  const stage = await open({ headTime: 150 })
  const client = await stage.connect()
  const timer = setInterval(() => client.send('X: y\r\n'), 20) // else it would never end
  client.send('GET / HTTP/1.1\r\n')
  assert.is(parseAnswer(await client.rest()).status, 408)
  clearInterval(timer)
})

times('of a first request: the connection ends without an answer', async ({ open }) => {
  const stage = await open({ headTime: 100 })
  const client = await stage.connect()
  assert.is(await client.rest(), '')
})

times('of an idle connection are the keep-alive time', async ({ open }) => {
  const stage = await open({ headTime: 40 })
  stage.door.keepAlive = 1500
  const client = await stage.connect()
  await ping(client)
  await sleep(150) // longer than a head may take
  await ping(client)
  assert.is(await client.rest(), '')
})

times('of 0 for an idle connection keep none, and each answer says so', async ({ open }) => {
  const stage = await open({})
  stage.door.keepAlive = 0
  Object.assign(stage.door, {
    ready: ({ url }: ParsedHead) =>
      url === '/ready' ? new PreparedAnswer(prepareHead(200, []), 'ok') : undefined,
  })
  for (const path of ['/', '/ready']) {
    const text = await stage.exchange(get(path) + get(path))
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n(?:.+\r\n)*Connection: close\r\n\r\nok$/)
  }
})

times('of a body that comes too slowly: 408', async ({ open }) => {
  const stage = await open({ rateTime: 100, bodyRate: 1000 })
  const client = await stage.connect()
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhello')
  assert.is(parseAnswer(await client.rest()).status, 408)
})

times('do not count while the application does not read', async ({ open }) => {
  const stage = await open({ rateTime: 200, bodyRate: 1000 }, (request, response) => {
    request.on('end', () => response.end('ok'))
    setTimeout(() => request.resume(), 600)
  })
  const client = await stage.connect()
  client.send(post('x'.repeat(16 * 1_048_576)))
  await client.until('\r\n\r\nok')
})

times('of a body quick enough are never reached', async ({ open }) => {
  const stage = await open({ rateTime: 500, bodyRate: 10 })
  const client = await stage.connect()
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60\r\n\r\n')
  for (let index = 0; index < 60; index++) {
    client.send('x')
    await sleep(15)
  }
  await client.until('\r\n\r\nok')
})

times('of a client that does not read its answer end the connection', async ({ open }) => {
  let closed: boolean | undefined
  const stage = await open({ rateTime: 100 }, (_, response) => {
    response.on('close', () => {
      closed = response.writableFinished
    })
    response.end(Buffer.alloc(64 * 1_048_576))
  })
  const client = await stage.connect()
  client.socket.pause()
  client.send(get())
  for (let wait = 0; wait < 100 && closed === undefined; wait++) await sleep(20)
  assert.is(closed, false)
  assert.equal(stage.door.refusals, [{ status: 0, reason: 'client reads too slowly' }])
})

times('of an answer in one piece go by what has left of it', async ({ open }) => {
  const size = 64 * 1_048_576
  let sending: Socket | undefined
  const stage = await open({}, (_, response) => {
    sending = response.socket as Socket
    response.end(Buffer.alloc(size))
  })
  const { socket } = await stage.connect()
  socket.pause()
  socket.write(get())
  while (sending === undefined) await sleep(1)
  const { rateTime } = resolveLimits({})
  const rate = new WriteRate(sending, 0)
  socket.resume()
  while (socket.bytesRead < size / 2) await once(socket, 'data')
  socket.pause()
  assert.is(sending.writableLength > size, true, 'it is one piece')
  assert.is(rate.isTooSlow(sending, rateTime, resolveLimits({})), false)
})

times('do not end an answer that the application takes long for', async ({ open }) => {
  const stage = await open({ rateTime: 40, headTime: 40 }, (_, response) => {
    setTimeout(() => response.end('ok'), 250)
  })
  stage.door.keepAlive = 40
  const client = await stage.connect()
  client.send(get())
  await client.until('\r\n\r\nok')
})
times.run()

const counts = withStage('connection limits')

counts(
  'refuse one connection more with 503 where all have a request under way',
  async (context) => {
    let begun = 0
    const stage = await context.open({ connections: 2, connectionsPerAddress: 0 }, () => {
      begun++
    })
    for (const _ of [1, 2]) (await stage.connect()).send(get())
    while (begun < 2) await sleep(5)
    const third = await stage.connect()
    assert.is(parseAnswer(await third.rest()).status, 503)
  },
)

counts('let one connection more take the place of the longest idle one', async ({ open }) => {
  const stage = await open({ connections: 2, connectionsPerAddress: 0 })
  const first = await stage.connect()
  await ping(first)
  await sleep(600) // the clock of the engine is coarse
  const second = await stage.connect()
  await ping(second)
  const third = await stage.connect()
  await ping(third)
  await first.rest()
  await ping(second)
})

counts('refuse one connection more of the same address with 429', async ({ open }) => {
  const stage = await open({ connectionsPerAddress: 2 })
  const clients = [await stage.connect(), await stage.connect()]
  for (const client of clients) await ping(client)
  const third = await stage.connect()
  assert.is(parseAnswer(await third.rest()).status, 429)
  const other = await stage.connect('127.0.0.2')
  await ping(other)
  clients[0]?.socket.destroy()
  await stage.connections(2)
  await ping(await stage.connect())
})

counts('of an address hold while connections come and go', async ({ open }) => {
  const stage = await open({ connectionsPerAddress: 4 })
  const clients = await Promise.all([1, 2, 3, 4].map(() => stage.connect()))
  const other = await stage.connect('127.0.0.2') // one more than 4 in all: addresses are counted
  for (const client of [...clients, other]) await ping(client)
  for (const client of [...clients.splice(0, 1), other]) client.socket.destroy()
  await stage.connections(3) // still counted
  clients.push(await stage.connect())
  await ping(clients[3] as Client)
  assert.is(parseAnswer(await (await stage.connect()).rest()).status, 429)
})

counts('of answers that a client has asked for and does not take', async ({ open }) => {
  const COUNT = 3000
  const body = 'x'.repeat(20_000)
  let most = 0
  const stage = await open({}, (request, response) => {
    most = Math.max(most, (response.socket as Socket).writableLength)
    if (request.url !== '/last') return response.end(body)
    response.setHeader('Connection', 'close')
    response.end('all')
  })
  const client = await stage.connect()
  client.socket.pause()
  client.send(get().repeat(COUNT) + get('/last'))
  while (most < 1_000_000) await sleep(1)
  client.socket.resume()
  const text = await client.rest()
  assert.ok(text.endsWith('\r\n\r\nall'))
  assert.is(text.split('HTTP/1.1 200 OK').length, COUNT + 2)
  assert.ok(most < 2_000_000, `${most} bytes were kept`)
})

counts('hold against many clients at once, and a normal one is answered', async ({ open }) => {
  const stage = await open({ connections: 100, connectionsPerAddress: 60 })
  const flood = async (number: number) => {
    const client = await stage.connect(`127.0.1.${1 + (number % 5)}`)
    client.send('GET / HTTP/1.1\r\nX: ')
  }
  for (let index = 0; index < 20; index++) {
    await Promise.allSettled(Array.from({ length: 150 }, (_, number) => flood(number)))
    const client = await stage.connect()
    await ping(client)
    client.socket.destroy()
  }
  const count = await new Promise<number>((resolve) =>
    stage.server.getConnections((_, number) => resolve(number)),
  )
  assert.ok(count <= 200, String(count))
})
counts.run()
