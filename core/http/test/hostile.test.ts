import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { EngineRequest } from '../door.ts'
import { Engine, type EngineOptions } from '../engine.ts'
import { resolveLimits } from '../limits.ts'
import { WriteRate } from '../write-rate.ts'
import { get, type Handler, MemorySocket, post, Stage, settled, TestDoor } from './wire.ts'

interface Context {
  open(handler: Handler, options?: EngineOptions): Promise<Stage>
  stages: Stage[]
}

const test = suite<Context>('hostile or hasty clients')
test.before.each((context) => {
  context.stages = []
  context.open = async (handler, options) => {
    const stage = await Stage.open(handler, { lingerTime: 50, ...options })
    context.stages.push(stage)
    return stage
  }
})
test.after.each(async ({ stages }) => {
  for (const stage of stages) await stage.close()
})

const ok: Handler = (_, response) => response.end('ok')
const never: Handler = () => {}
const CHUNKED = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'
const EXPECT = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n'
const answersIn = (text: string) => text.match(/HTTP\/1\.1 \d{3}/g)
const readBody = async (request: IncomingMessage) => {
  let text = ''
  for await (const chunk of request) text += (chunk as Buffer).toString('latin1')
  return text
}

test('a body that turns bad after its answer gets no second one', async ({ open }) => {
  const stage = await open(ok)
  const client = await stage.connect()
  client.send(`${CHUNKED}1\r\n`)
  await client.until('\r\n\r\nok')
  client.send(`xy\r\n${get('/smuggled')}`)
  assert.is(await client.rest(), '')
  assert.is(stage.door.refusals.length, 1)
})

test('a body that comes too slowly after its answer gets no second one', async ({ open }) => {
  const stage = await open(ok, { rateTime: 50 })
  const client = await stage.connect()
  client.send(`${CHUNKED}1\r\n`)
  await client.until('\r\n\r\nok')
  assert.is(await client.rest(), '')
  assert.equal(stage.door.refusals, [{ status: 408, reason: 'body too slow' }])
})

test('who waits for 100 Continue has the whole time for the body from then on', async (context) => {
  let read = () => {}
  const stage = await context.open(
    (request, response) => {
      read = () => void readBody(request).then((body) => response.end(body))
    },
    { rateTime: 400, bodyRate: 1 },
  )
  const client = await stage.connect()
  client.send(EXPECT)
  await new Promise((resolve) => setTimeout(resolve, 600)) // longer than a body may take
  read()
  await client.until('100 Continue\r\n\r\n')
  await new Promise((resolve) => setTimeout(resolve, 250)) // two ticks of the engine's clock
  client.send('hello')
  await client.until('\r\n\r\nhello')
})

test('whose connection is reset before it is accepted has no request, as nobody knows who it was', async (context) => {
  const seen: unknown[] = []
  const stage = await context.open((request, response) => {
    seen.push([request.url, request.socket.remoteAddress])
    response.end()
  })
  const hasty = `const socket = require('net').connect(${stage.port}, '127.0.0.1')
    socket.write(${JSON.stringify(get('/hasty'))}, () => socket.resetAndDestroy())`
  execFileSync(process.execPath, ['-e', hasty]) // nothing is accepted meanwhile
  await stage.exchange(get('/', 'Connection: close\r\n'))
  assert.equal(seen, [['/', '127.0.0.1']])
})

test('who closes its side while the answer leaves gets all of it', async ({ open }) => {
  const size = 8 * 1_048_576
  const stage = await open((_, response) => response.end(Buffer.alloc(size, 'x')))
  const client = await stage.connect()
  client.send(get())
  await client.until('\r\n\r\n')
  client.socket.end()
  assert.is((await client.rest()).length, size)
})

test('who closes its side before the answer has left', async ({ open }) => {
  const stage = await open((_, response) => {
    response.socket.on('end', () => setImmediate(() => response.end('late')))
  })
  const client = await stage.connect()
  client.send(get())
  client.socket.end()
  assert.is(await client.rest(), '')
})

test('an answer without length that breaks off ends in a reset', async ({ open }) => {
  const stage = await open((_, response) => {
    response.write('x')
    setImmediate(() => setImmediate(() => response.destroy()))
  })
  const client = await stage.connect()
  const failed = once(client.socket, 'error')
  client.send('GET / HTTP/1.0\r\n\r\n')
  const [error] = await failed
  assert.is((error as NodeJS.ErrnoException).code, 'ECONNRESET')
})

test('an application that has seen enough gets no more of the body', async ({ open }) => {
  const seen: string[] = []
  const stage = await open((request, response) => {
    request.on('data', (chunk) => {
      seen.push(String(chunk))
      response.shouldKeepAlive = false
      response.end('enough')
    })
    request.on('error', () => {})
    response.writeContinue() // so that the client knows that the body is awaited
  })
  const client = await stage.connect()
  client.send(CHUNKED)
  await client.until('100 Continue\r\n\r\n')
  client.send('1\r\na\r\n')
  const answer = await client.until('enough')
  client.send(`1\r\nb\r\n0\r\n\r\n${get('/after')}`)
  assert.equal([answersIn(answer), await client.rest(), seen], [['HTTP/1.1 200'], '', ['a']])
})

test('a body that is destroyed with an error ends the connection', async ({ open }) => {
  const stage = await open((request, response) => {
    response.on('error', () => {})
    request.on('error', () => {})
    request.on('data', () => request.destroy(new Error('no more')))
  })
  assert.is(await stage.exchange(`${CHUNKED}1\r\na\r\n1\r\nb\r\n0\r\n\r\n${get()}`), '')
})

test('a reader goes on after an early answer, and then comes the next request', async (context) => {
  let body: Promise<string> | undefined
  const stage = await context.open((request, response) => {
    if (request.method === 'POST') body = readBody(request)
    response.end('ok')
  })
  const client = await stage.connect()
  client.send(`${CHUNKED}1\r\na\r\n`)
  await client.until('\r\n\r\nok')
  client.send(`1\r\nb\r\n0\r\n\r\n${get()}`)
  await client.until('\r\n\r\nok')
  assert.is(await body, 'ab')
})

test('a reader that stops after an early answer holds the connection for a while', async (context) => {
  const stage = await context.open((request, response) => {
    request.once('data', () => {
      request.pause()
      response.end('ok')
    })
  })
  stage.door.keepAlive = 60
  const client = await stage.connect()
  client.socket.on('error', () => {})
  client.send(`${CHUNKED}200000\r\n${'x'.repeat(0x200000)}`)
  assert.match(await client.rest(), /\r\n\r\nok$/)
})

/** More than any kernel takes at once. */
const LARGE = 16 * 1_048_576
const answerOf = (text: string) => text.slice(text.indexOf('\r\n\r\n') + 4)

test('an answer that does not wait for the body is whole, though somebody listens', async (context) => {
  const stage = await context.open((request, response) => {
    request.on('close', () => {})
    response.end('x'.repeat(LARGE))
  })
  const client = await stage.connect()
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n1')
  await client.until('\r\n\r\n')
  while (client.text.length < LARGE) await settled()
  client.send(`2${get('/', 'Connection: close\r\n')}`)
  assert.is(answerOf((await client.rest()).slice(LARGE)).length, LARGE, 'and the next one, too')
})

test('the last answer is whole, though somebody reads the body', async ({ open }) => {
  const stage = await open((request, response) => {
    request.once('data', () => {
      response.shouldKeepAlive = false
      response.end('x'.repeat(LARGE))
    })
  })
  const text = await stage.exchange('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n1')
  assert.is(answerOf(text).length, LARGE)
})

test('what a reader leaves of a body is passed over', async ({ open }) => {
  const stage = await open((request, response) => {
    ;(request as EngineRequest).leaveBody?.()
    request.once('readable', () => response.end(request.read(1)))
    request.read(0)
  })
  const text = await stage.exchange(
    `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(100_000)}` +
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nConnection: close\r\n\r\ny',
  )
  assert.equal(text.match(/\r\n\r\n./g), ['\r\n\r\nx', '\r\n\r\ny'])
})

test('what a reader leaves of a body is not waited for where it is much', async ({ open }) => {
  const stage = await open((request, response) => {
    ;(request as EngineRequest).leaveBody?.()
    request.once('readable', () => response.end(request.read(1)))
    request.read(0)
  })
  const text = await stage.exchange('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nx')
  assert.match(text, /Connection: close\r\n\r\nx$/)
})

test('a reader that is quick enough may take long; its rate is that of each period', () => {
  const socket = { bytesWritten: 10_000, writableLength: 10_000, _handle: { writeQueueSize: 9000 } }
  const limits = resolveLimits({ rateTime: 1000, readRate: 100 })
  const rate = new WriteRate(socket as unknown as Socket, 0) // 0 of them have left
  const isTooSlow = (now: number) => rate.isTooSlow(socket as unknown as Socket, now, limits)
  assert.is(isTooSlow(999), false)
  socket.writableLength = 9900
  assert.is(isTooSlow(1000), false)
  socket.writableLength = 9801
  assert.is(isTooSlow(1999), false)
  assert.is(isTooSlow(2000), true)
})

test('two answers of one connection each say when to go on', async ({ open }) => {
  let drains = 0
  const stage = await open((_, response) => {
    response.once('drain', () => {
      drains++
      response.end('.')
    })
    assert.is(response.write(Buffer.alloc(8 * 1_048_576)), false)
  })
  const client = await stage.connect()
  for (const expected of [1, 2]) {
    client.send(get())
    await client.until('.\r\n0\r\n\r\n')
    assert.is(drains, expected)
  }
})

for (const [how, reads] of [
  ['in one read', 1],
  ['in a read for each', 20_000],
] as const) {
  test(`a body in chunks of one byte takes little more than its bytes: ${how}`, async () => {
    let body: IncomingMessage | undefined
    const { add } = crowd({}, (request) => {
      body = request
    })
    const socket = add()
    socket.receive(CHUNKED)
    for (let read = 0; read < reads; read++) socket.receive('1\r\nx\r\n'.repeat(20_000 / reads))
    const sizes: number[] = []
    body?.on('data', ({ length }: Buffer) => sizes.push(length))
    while (sizes.reduce((sum, size) => sum + size, 0) < 20_000) await settled()
    assert.ok(sizes.length <= 64, `${sizes.length} pieces`)
    socket.destroy()
  })
}

test('what has been taken over still counts as a connection', async ({ open }) => {
  const stage = await open(ok, { connections: 1 })
  stage.door.onUpgrade = (_, socket) => {
    socket.write('taken over')
    socket.pipe(socket)
  }
  const first = await stage.connect()
  first.send(get('/', 'Connection: Upgrade\r\nUpgrade: x\r\n'))
  await first.until('taken over')
  assert.match(await (await stage.connect()).rest(), /^HTTP\/1\.1 503 /)
  stage.server.closeAllConnections()
  first.send('still here')
  await first.until('still here')
  first.socket.end()
  await stage.connections(0)
  assert.match(await stage.exchange(get('/', 'Connection: close\r\n')), /ok$/)
})

test('an answer before an upgrade that never leaves is told of its end', async () => {
  let ends = 0
  const { door, add } = crowd({}, (_, response) => {
    response.on('close', () => ends++)
    response.end('never taken')
  })
  door.onUpgrade = (_, socket) => socket.on('error', () => {})
  const socket = add()
  Object.assign(socket, { _write: () => {} }) // never done
  socket.receive(get() + get('/', 'Connection: Upgrade\r\nUpgrade: x\r\n'))
  await settled()
  assert.is(ends, 0)
  socket.destroy()
  await settled()
  assert.is(ends, 1)
})

test('where the kernel has no descriptor left, one that waits gives its own', async ({ open }) => {
  const stage = await open(ok)
  const client = await stage.connect()
  client.send(get())
  await client.until('\r\n\r\nok')
  const { _handle: handle } = stage.server as unknown as {
    _handle: { onconnection(status: number): void }
  }
  handle.onconnection(-24)
  handle.onconnection(-24) // none is left to give
  assert.is(await client.rest(), '')
  assert.match(stage.door.refusals[0]?.reason as string, /^no descriptor left/)
})

/** Connections in memory, as many as one likes. */
function crowd(options: EngineOptions, handler: Handler = never) {
  const door = new TestDoor(handler)
  const engine = new Engine(door, options)
  const add = () => {
    const socket = new MemorySocket()
    engine.accept(socket as unknown as Socket)
    return socket
  }
  return { door, engine, add }
}

test('refusals are bounded, too: past them connections end without a word', async () => {
  const { add } = crowd({ connections: 2000, connectionsPerAddress: 0 })
  const sockets = Array.from({ length: 2000 }, () => {
    const socket = add()
    socket.receive(get())
    return socket
  })
  const refused = Array.from({ length: 110 }, add)
  await settled()
  assert.is(refused.filter(({ text }) => text.startsWith('HTTP/1.1 503 ')).length, 100)
  assert.is(refused.filter(({ destroyed, text }) => destroyed && text === '').length, 10)
  for (const socket of [...sockets, ...refused]) socket.destroy()
})

test('connections without an address are not counted by it', async () => {
  const { add } = crowd({ connectionsPerAddress: 2 }, ok)
  const sockets = Array.from({ length: 5 }, add)
  for (const socket of sockets) socket.receive(get())
  await settled()
  assert.ok(sockets.every(({ text }) => text.endsWith('ok')))
  for (const socket of sockets) socket.destroy()
  await settled()
})

test('a client that takes nothing loses a connection that cannot be reset, too', async () => {
  const { door, add } = crowd({ rateTime: 40 }, (_, response) => response.end('x'.repeat(1000)))
  const socket = add()
  Object.assign(socket, { bytesWritten: 0, _write: () => {} }) // never done
  const closed = once(socket, 'close')
  socket.receive(get())
  const hold = setInterval(() => {}, 1000) // the engine's clock alone holds no process
  await closed
  clearInterval(hold)
  assert.equal(door.refusals, [{ status: 0, reason: 'client reads too slowly' }])
})

test('a head that comes byte by byte is parsed again at the ends of its lines alone', async () => {
  const { engine, add } = crowd({ connectionsPerAddress: 0 }, ok)
  let parsed = 0
  const count = () => {
    parsed++
    return 100
  }
  Object.defineProperty(engine.limits, 'fields', { get: count })
  const socket = add()
  const fields = [1, 2, 3].map((number) => `X${number}: ${'x'.repeat(8000)}\r\n`).join('')
  for (const byte of get('/', fields)) socket.receive(byte)
  await settled()
  assert.match(socket.text, /^HTTP\/1\.1 200 /)
  assert.ok(parsed < 20, `${parsed} fields were parsed`)
  socket.destroy()
})

test('who sends on without waiting for answers is slowed down, and read on after the answer', async () => {
  const answers: (() => void)[] = []
  const { add } = crowd({ connectionsPerAddress: 0 }, (_, response) => {
    answers.push(() => response.end('ok'))
  })
  const socket = add()
  const next = get(`/${'x'.repeat(1000)}`)
  socket.receive(get())
  for (let size = 0; size <= 65_536; size += next.length) {
    assert.is(socket.isPaused(), false)
    socket.receive(next)
  }
  assert.is(socket.isPaused(), true)
  while (socket.isPaused()) {
    await settled()
    answers.shift()?.()
  }
  socket.destroy()
})

test('a flood of requests in one packet costs no more than they are', async () => {
  const { add } = crowd({ connectionsPerAddress: 0, requests: 0 }, (request, response) => {
    setImmediate(() => response.end(request.url))
  })
  const socket = add()
  const requests = Array.from({ length: 500 }, (_, index) =>
    index % 2 ? post('x', '', `/${index}`) : get(`/${index}`),
  )
  socket.receive(requests.join(''))
  while (!socket.text.endsWith('/499')) await settled()
  assert.is(answersIn(socket.text)?.length, 500)
  socket.destroy()
})

test.run()
