import type { IncomingMessage } from 'node:http'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { EngineResponse } from '../../http/door.ts'
import { prepareHead } from '../../http/prepared-head.ts'
import { CODE, FLAG, FRAME } from '../protocol.ts'
import { block, frame } from './harness.ts'
import { BEGINNING, data, get, head, post, settings, update } from './sequences.ts'
import { type Answer, type Client, echo, Site } from './wire.ts'

const sites: Site[] = []

async function open(answer: Answer = echo, limits = {}, beginning = BEGINNING) {
  const site = new Site(answer, limits)
  sites.push(site)
  const client = site.open()
  client.receive(beginning)
  await client.settle()
  return { site, client }
}

const closeAll = () => {
  for (const site of sites.splice(0)) site.close()
}

const until = async (client: Client, isSo: () => boolean) => {
  while (!isSo()) {
    await client.settle(1)
    await new Promise((done) => setTimeout(done, 10))
  }
}

const large =
  (size: number): Answer =>
  (_request, response) => {
    response.end(Buffer.alloc(size, 'x'))
  }

const windows = suite('windows')
windows.after.each(closeAll)

windows('let no more through than the client allows: of a stream', async () => {
  const { client } = await open(large(200), {}, Buffer.concat([BEGINNING, settings([4, 100])]))
  client.receive(get(1))
  await client.settle()
  assert.is(client.of(1).body.length, 100)
  client.receive(update(1, 99))
  await client.settle()
  assert.is(client.of(1).body.length, 199)
  assert.is(client.of(1).isWhole, false)
  client.receive(update(1, 5))
  await client.settle()
  assert.is(client.of(1).body.length, 200)
  assert.is(client.of(1).isWhole, true)
})

windows('let no more through than the client allows: of all streams together', async () => {
  const wide = Buffer.concat([BEGINNING, settings([4, 1_000_000])])
  const { client } = await open(large(50_000), {}, wide)
  client.receive(Buffer.concat([get(1), get(3)]))
  await client.settle()
  const sum = () => client.of(1).body.length + client.of(3).body.length
  assert.is(sum(), 65_535)
  // a head needs no window
  client.receive(
    frame(FRAME.headers, FLAG.endStream | FLAG.endHeaders, 5, block(head('/', 'HEAD'))),
  )
  await client.settle()
  assert.is(client.of(5).isWhole, true)
  client.receive(update(0, 1))
  await client.settle()
  assert.is(sum(), 65_536)
  client.receive(update(0, 100_000))
  await client.settle()
  assert.is(sum(), 100_000)
})

windows('that settings make smaller may be less than nothing', async () => {
  const { client } = await open(large(70_000))
  client.receive(Buffer.concat([update(0, 100_000), get(1)]))
  await client.settle()
  assert.is(client.of(1).body.length, 65_535)
  client.receive(Buffer.concat([settings([4, 0]), update(1, 65_535)]))
  await client.settle()
  assert.is(client.of(1).body.length, 65_535)
  client.receive(update(1, 1))
  await client.settle()
  assert.is(client.of(1).body.length, 65_536)
})

windows('are shared: no answer waits for another', async () => {
  const wide = Buffer.concat([BEGINNING, settings([4, 1_000_000]), update(0, 1_000_000)])
  const { client } = await open(large(90_000), {}, wide)
  client.receive(Buffer.concat([get(1), get(3), get(5)]))
  await client.settle()
  const order = client.frames.filter(({ type }) => type === FRAME.data).map(({ stream }) => stream)
  const last = (stream: number) => order.lastIndexOf(stream)
  const first = (stream: number) => order.indexOf(stream)
  assert.ok(first(5) < last(1) && first(3) < last(1), order.join(' '))
})

windows('of the server grow as a body is read', async () => {
  const { client } = await open()
  client.receive(post(1))
  for (let count = 0; count < 100; count++) {
    client.receive(data(1, 'x'.repeat(10_000)))
    await client.settle(2)
  }
  client.receive(data(1, '', FLAG.endStream))
  await client.settle()
  const allowed = (stream: number) =>
    client.frames
      .filter((each) => each.type === FRAME.windowUpdate && each.stream === stream)
      .reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 0)
  assert.is(client.goaway, undefined)
  assert.ok(65_535 + allowed(1) >= 1_000_000)
  assert.ok(65_535 + allowed(0) >= 1_000_000)
})

windows(
  'of the server stay shut while nobody reads, and what is beyond them is refused',
  async () => {
    let asked: IncomingMessage | undefined
    const { client } = await open((request) => {
      asked = request.on('error', () => {})
      request.once('readable', () => {}) // and no more
    })
    client.receive(post(1))
    for (let count = 0; count < 8; count++) client.receive(data(1, 'x'.repeat(16_000)))
    await client.settle()
    const code = client.of(1).reset
    assert.ok(code === CODE.flowControl || code === undefined)
    for (let count = 0; count < 8; count++) client.receive(data(1, 'x'.repeat(16_000)))
    await client.settle()
    assert.is(client.of(1).reset, CODE.flowControl)
    assert.is(asked?.destroyed, true)
  },
)

windows('of the connection grows whatever is read, as the streams bound what is held', async () => {
  const { client } = await open((request) => void request.pause())
  client.receive(Buffer.concat(Array.from({ length: 33 }, (_, at) => post(2 * at + 1))))
  let sum = 0
  for (let at = 0; client.goaway === undefined && at < 33; at++) {
    for (let count = 0; count < 4; count++) {
      client.receive(data(2 * at + 1, 'x'.repeat(16_000)))
      sum += 16_000
    }
    await client.settle(2)
  }
  // what is held is bounded by the streams, and so the connection's window grows
  assert.is(client.goaway, undefined)
  assert.is(sum, 33 * 64_000)
})

windows('have the application wait', async () => {
  let seen: EngineResponse | undefined
  let drains = 0
  const { client } = await open(
    (_request, response) => {
      seen = response
      response.on('drain', () => drains++)
      assert.is(response.write('a'), true)
      assert.is(response.write(Buffer.alloc(16_384)), false)
    },
    {},
    Buffer.concat([BEGINNING, settings([4, 100])]),
  )
  client.receive(get(1))
  await client.settle()
  assert.is(drains, 0)
  assert.is(seen?.writableLength, 16_385 - 100)
  client.receive(update(1, 20_000))
  await client.settle()
  assert.is(drains, 1)
  assert.is(seen?.writableLength, 0)
})

windows('large frames are sent only where the client takes them', async () => {
  const wide = Buffer.concat([
    BEGINNING,
    settings([4, 1_000_000], [5, 50_000]),
    update(0, 1_000_000),
  ])
  const site = new Site(large(60_000))
  sites.push(site)
  const { socket } = site.open()
  socket.emit('data', wide)
  socket.emit('data', get(1))
  for (let turn = 0; turn < 6; turn++) await new Promise((done) => setImmediate(done))
  const bytes = Buffer.concat(socket.written)
  let longest = 0
  for (let at = 0; at < bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
    longest = Math.max(longest, bytes.readUIntBE(at, 3))
  }
  assert.ok(longest > 16_384 && longest <= 50_000, `${longest}`)
})

const slow = suite('a client that is slow')
slow.after.each(closeAll)

slow('with its window is given up, and others on the connection go on', async () => {
  const { site, client } = await open(large(70_000), { rateTime: 100 })
  client.receive(Buffer.concat([update(0, 200_000), get(1)]))
  await until(client, () => client.of(1).reset !== undefined)
  client.receive(Buffer.concat([frame(FRAME.headers, 5, 3, block(head('/', 'HEAD')))]))
  await client.settle()
  assert.is(client.of(3).status, 200)
  assert.equal(site.refusals, ['0 client reads too slowly'])
})

slow('with the window of all is ended', async () => {
  const wide = Buffer.concat([BEGINNING, settings([4, 1_000_000])])
  const { site, client } = await open(large(70_000), { rateTime: 100 }, wide)
  client.receive(get(1))
  await until(client, () => client.socket.destroyed)
  assert.equal(site.refusals, ['0 client reads too slowly'])
})

slow('to take anything at all is ended, and little is held for it', async () => {
  const { site, client } = await open(large(1_000_000), { rateTime: 100 })
  client.socket._write = (chunk) => void client.socket.written.push(chunk)
  const wide = [settings([4, 10_000_000]), update(0, 100_000_000)]
  client.receive(Buffer.concat([...wide, ...[1, 3, 5, 7].map((id) => get(id))]))
  await client.settle()
  const { writableLength } = client.socket
  assert.ok(writableLength < 300_000, `${writableLength}`)
  await until(client, () => client.socket.destroyed)
  assert.equal(site.refusals, ['0 client reads too slowly'])
})

slow('with a frame is ended', async () => {
  for (const part of [
    get(1).subarray(0, 5),
    get(1).subarray(0, 20),
    frame(99, 0, 0, Buffer.alloc(9)).subarray(0, 12),
  ]) {
    const { site, client } = await open(() => {}, { headTime: 100 })
    client.receive(get(1)) // under way
    client.receive(Buffer.concat([get(3), part]))
    await until(client, () => client.goaway !== undefined)
    assert.is(client.goaway, CODE.calm)
    assert.equal(site.refusals, ['0 head took too long'])
  }
})

slow('with a head in pieces is ended, however they come', async () => {
  const { site, client } = await open(() => {}, { headTime: 200 })
  client.receive(Buffer.concat([get(1), frame(FRAME.headers, FLAG.endStream, 3, block(head('/')))]))
  const pieces = setInterval(() => client.receive(frame(FRAME.continuation, 0, 3)), 20)
  try {
    await until(client, () => client.goaway !== undefined)
  } finally {
    clearInterval(pieces)
  }
  assert.equal(site.refusals, ['0 head took too long'])
})

slow('with nothing stays: frames that end in the middle of a read', async () => {
  const { client } = await open(() => {}, { headTime: 100 })
  client.receive(get(1))
  const bytes = Buffer.concat(Array.from({ length: 60 }, () => update(0, 1)))
  const started = performance.now()
  for (let at = 0; at < bytes.length; at += 15) {
    client.receive(bytes.subarray(at, at + 15))
    await new Promise((done) => setTimeout(done, 8))
  }
  assert.ok(performance.now() - started > 300)
  await client.settle()
  assert.is(client.goaway, undefined)
})

const others = suite('a stream of HTTP/2')
others.after.each(closeAll)

others('has a time without anything, where the application asks for one', async () => {
  const heard: string[] = []
  const { client } = await open((request, response) => {
    if (request.url === '/request') request.setTimeout(50, () => heard.push('request'))
    else if (request.url === '/response') response.setTimeout(50, () => heard.push('response'))
    else response.setTimeout(50)
  })
  client.receive(Buffer.concat([get(1, '/request'), get(3, '/response'), get(5, '/neither')]))
  await until(client, () => client.of(5).reset !== undefined && heard.length === 2)
  assert.equal(heard.sort(), ['request', 'response'])
  assert.is(client.of(5).reset, CODE.internal)
  assert.is(client.of(1).reset, undefined)
})

others('is to its response like a socket', async () => {
  let seen: EngineResponse | undefined
  const { client } = await open((_request, response) => {
    seen = response
    response.cork()
    response.write('body')
    response.uncork()
    response.socket?.write('', () => response.destroy())
  })
  client.receive(get(1))
  await client.settle()
  assert.is(client.of(1).body, 'body')
  assert.is(client.of(1).reset, CODE.internal)
  assert.equal([seen?.destroyed, seen?.writableLength, seen?.writableCorked], [true, 0, 0])
  assert.is(seen?.socket?.writable, false)
})

others('sends what was prepared, and what somebody has added', async () => {
  const head = prepareHead(200, ['X-A', '1'])
  const { client } = await open((request, response) => {
    if (request.url === '/more') response.setHeader('x-b', '2')
    response.sendPrepared?.(head, 'body')
  })
  client.receive(Buffer.concat([get(1), get(3, '/more'), get(5)]))
  await client.settle()
  for (const id of [1, 3, 5]) {
    const { body, headers } = client.of(id)
    assert.equal([body, headers['x-a'], headers['content-length']], ['body', '1', '4'])
    assert.is(headers['x-b'], id === 3 ? '2' : undefined)
  }
})

others('sends many small pieces as they were written, and tells of each', async () => {
  let told = 0
  const { client } = await open((_request, response) => {
    for (let at = 0; at < 5000; at++) response.write(String(at % 10), () => told++)
    response.write('', () => told++)
    response.end()
  })
  client.receive(get(1))
  await until(client, () => client.of(1).isWhole)
  assert.is(client.of(1).body, '0123456789'.repeat(500))
  assert.is(told, 5001)
})

others('has the text of its answer as the application has it', async () => {
  const { client } = await open((request, response) => {
    if (request.url === '/hex') response.end('6869', 'hex')
    else if (request.url === '/latin1') response.end('é', 'latin1')
    else if (request.url === '/long') response.end('é'.repeat(50_000))
    else response.end('é\ud800')
  })
  client.receive(
    Buffer.concat(['/hex', '/latin1', '/', '/long'].map((at, id) => get(2 * id + 1, at))),
  )
  await client.settle()
  assert.is(client.of(1).body, 'hi')
  assert.is(client.of(3).body, '\xe9')
  assert.is(client.of(5).body, Buffer.from('é\ufffd').toString('latin1'))
  client.receive(Buffer.concat([update(0, 100_000), update(7, 100_000)]))
  await client.settle()
  assert.is(client.of(7).body, Buffer.from('é'.repeat(50_000)).toString('latin1'))
  assert.is(client.of(7).headers['content-length'], '100000')
})

windows.run()
slow.run()
others.run()
