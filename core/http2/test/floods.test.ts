import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { EngineResponse } from '../../http/door.ts'
import { CODE, FLAG, FRAME } from '../protocol.ts'
import { block, frame } from './harness.ts'
import { BEGINNING, data, get, head, post, reset, setting, settings, update } from './sequences.ts'
import { type Answer, type Client, echo, Site } from './wire.ts'

const sites: Site[] = []

async function open(answer: Answer = echo, limits = {}, own = {}) {
  const site = new Site(answer, limits, own)
  sites.push(site)
  const client = site.open()
  client.receive(BEGINNING)
  await client.settle()
  return { site, client }
}

/** @returns after how many the connection was ended; `most` where it was not. */
async function flood(client: Client, most: number, bytes: (at: number) => Buffer): Promise<number> {
  for (let at = 0; at < most; at++) {
    client.receive(bytes(at))
    if (client.socket.writableEnded) {
      await client.settle()
      return at
    }
    if (at % 50 === 49) await client.settle(2)
  }
  await client.settle()
  return most
}

const stillServes = async ({ site }: { site: Site }) => {
  const other = site.open()
  other.receive(Buffer.concat([BEGINNING, get(1, '/other')]))
  await other.settle()
  assert.is(other.of(1).status, 200)
}

const floods = suite('floods of frames')

floods.after.each(() => {
  for (const site of sites.splice(0)) site.close()
})

const controls: [string, Buffer][] = [
  ['CVE-2019-9512 PING', frame(FRAME.ping, 0, 0, Buffer.alloc(8))],
  ['CVE-2019-9515 SETTINGS', settings([3, 100])],
  ['SETTINGS without a setting', frame(FRAME.settings, 0, 0)],
  ['SETTINGS acknowledged', frame(FRAME.settings, FLAG.ack, 0)],
  ['CVE-2019-9513 PRIORITY', frame(FRAME.priority, 0, 1, Buffer.alloc(5))],
  ['of an unknown type', frame(77, 0, 0)],
  ['GOAWAY', frame(FRAME.goaway, 0, 0, Buffer.alloc(8))],
]
for (const [name, bytes] of controls) {
  floods(`${name} end the connection after 500, and no sooner`, async () => {
    const { site, client } = await open((_request, _response) => {})
    client.receive(get(1)) // which is not answered
    const count = await flood(client, 1000, () => bytes)
    assert.ok(count >= 495 && count <= 510, `${count}`)
    assert.is(client.goaway, CODE.calm)
    assert.equal(site.refusals, ['0 too many PING, SETTINGS or empty frames'])
  })
}

floods('CVE-2019-9518 of empty DATA end the connection', async () => {
  const { client } = await open()
  client.receive(post(1))
  assert.ok((await flood(client, 1000, () => data(1, ''))) <= 510)
  assert.is(client.goaway, CODE.calm)
})

floods('CVE-2019-9511 of windows that hardly grow end the connection', async () => {
  const { site, client } = await open()
  const few = Buffer.concat(Array.from({ length: 100 }, () => update(0, 1)))
  assert.is(await flood(client, 101, () => few), 100)
  assert.is(client.goaway, CODE.calm)
  assert.equal(site.refusals, ['0 too many small windows'])
})

floods('of trailers are refused', async () => {
  const { client } = await open(undefined, { trailers: 100 })
  const trailers = (size: number) => block([['x-sum', 'y'.repeat(size - 'x-sum: \r\n'.length + 2)]])
  client.receive(Buffer.concat([post(1), frame(FRAME.headers, 5, 1, trailers(98))]))
  client.receive(Buffer.concat([post(3), frame(FRAME.headers, 5, 3, trailers(110))]))
  await client.settle()
  assert.is(client.of(1).status, 200)
  assert.is(client.of(3).status, 431)
})

floods('as many as requests allow for let it be', async () => {
  const both = await open()
  const ping = frame(FRAME.ping, 0, 0, Buffer.alloc(8))
  const pair = (at: number) => Buffer.concat([get(2 * at + 1), ping, ping])
  assert.is(await flood(both.client, 1000, pair), 1000)
  assert.is(both.client.of(1999).body, 'GET / ')
})

floods('CVE-2020-11080 too many settings in one frame are refused', async () => {
  const { client } = await open()
  client.receive(frame(FRAME.settings, 0, 0, Buffer.concat(Array(32).fill(setting(3, 1)))))
  await client.settle()
  assert.is(client.goaway, undefined)
  client.receive(frame(FRAME.settings, 0, 0, Buffer.concat(Array(33).fill(setting(3, 1)))))
  await client.settle()
  assert.is(client.goaway, CODE.calm)
})

floods('CVE-2024-27316 of CONTINUATION end the connection before they are kept', async () => {
  const both = await open()
  both.client.receive(frame(FRAME.headers, FLAG.endStream, 1, block(head('/'))))
  const piece = block(Array.from({ length: 60 }, (_, at) => [`x-${at}`, 'y'.repeat(100)]))
  const count = await flood(both.client, 100, () => frame(FRAME.continuation, 0, 1, piece))
  assert.ok(count < 12, `${count}`)
  assert.is(both.client.goaway, CODE.calm)
  await stillServes(both)
})

floods('CVE-2019-9516 of empty CONTINUATION end the connection', async () => {
  const { client } = await open()
  client.receive(frame(FRAME.headers, FLAG.endStream, 1, block(head('/'))))
  const count = await flood(client, 100, () => frame(FRAME.continuation, 0, 1))
  assert.is(count, 63)
  assert.is(client.goaway, CODE.calm)
})

floods('a block that decodes to too much is answered, and the table is right after', async () => {
  const { client } = await open()
  const named = Buffer.concat([
    Buffer.from([0x40, 1, 97, 0x7f, 0x81, 0x1e]),
    Buffer.alloc(127 + 0x0f01, 'x'),
  ])
  client.receive(frame(FRAME.headers, 5, 1, Buffer.concat([block(head('/')), named])))
  const bomb = Buffer.concat([block(head('/')), Buffer.alloc(10_000, 0xbe)])
  client.receive(frame(FRAME.headers, FLAG.endStream | FLAG.endHeaders, 3, bomb))
  const right = Buffer.concat([block(head('/')), Buffer.from([0xbe])])
  client.receive(frame(FRAME.headers, FLAG.endStream | FLAG.endHeaders, 5, right))
  await client.settle()
  assert.equal(
    [1, 3, 5].map((id) => client.of(id).status),
    [200, 431, 200],
  )
})

const resets = suite('streams that come to nothing')

resets.after.each(() => {
  for (const site of sites.splice(0)) site.close()
})

const small = (stream: number) =>
  frame(FRAME.headers, FLAG.endHeaders, stream, block(head('/', 'POST', ['content-length', '1'])))

/** How a client has the server reset its streams. */
const faults: [string, (stream: number) => Buffer][] = [
  ['CVE-2023-44487 that are given up', (id) => Buffer.concat([get(id), reset(id)])],
  ['CVE-2025-8671 whose window grows by nothing', (id) => Buffer.concat([post(id), update(id, 0)])],
  [
    'CVE-2025-8671 whose window overflows',
    (id) => Buffer.concat([post(id), update(id, 2 ** 31 - 1)]),
  ],
  ['CVE-2025-8671 with more than their length', (id) => Buffer.concat([small(id), data(id, 'ab')])],
  [
    'CVE-2025-8671 with a second head',
    (id) =>
      Buffer.concat([post(id), frame(FRAME.headers, FLAG.endHeaders, id, block([['a', 'b']]))]),
  ],
  ['that are malformed', (id) => get(id, '/', ['connection', 'close'])],
]
for (const [name, bytes] of faults) {
  resets(`${name} end the connection after a hundred, and no sooner`, async () => {
    const both = await open(() => {}) // it never answers
    const count = await flood(both.client, 300, (at) => bytes(2 * at + 1))
    assert.is(count, 100)
    assert.is(both.client.goaway, CODE.calm)
    assert.ok(both.site.refusals.includes('0 too many streams given up'))
  })
}

resets('may be half of all', async () => {
  const { client } = await open()
  const count = await flood(client, 400, (at) =>
    Buffer.concat([get(4 * at + 1), post(4 * at + 3), reset(4 * at + 3)]),
  )
  assert.is(count, 400)
})

resets('are refused where there are too many at a time, without reaching anybody', async () => {
  const answers: EngineResponse[] = []
  const { site, client } = await open(
    (_, response) => void answers.push(response),
    {},
    {
      maxConcurrentStreams: 3,
    },
  )
  client.receive(Buffer.concat([1, 3, 5, 7].map((id) => get(id))))
  await client.settle()
  assert.is(client.of(7).reset, CODE.refusedStream)
  assert.is(site.started, 3)
  answers[0]?.end()
  await client.settle()
  client.receive(get(9))
  await client.settle()
  assert.is(site.started, 4)
})

resets('have their response closed, and the request aborted', async () => {
  let seen: EngineResponse | undefined
  const { client } = await open((_request, response) => {
    seen = response
  })
  client.receive(get(1))
  assert.is(seen?.destroyed, false)
  client.receive(reset(1))
  assert.is(seen?.destroyed, true)
  assert.is(seen?.writableFinished, false)
})

resets('take no more of what the client still sends', async () => {
  let size = 0
  const { client } = await open((request) => {
    request.on('error', () => {})
    request.on('data', (bytes: Buffer) => {
      size += bytes.length
      request.destroy()
    })
  })
  client.receive(Buffer.concat([post(1), data(1, 'a')]))
  await client.settle()
  assert.is(client.of(1).reset, CODE.internal)
  client.receive(Buffer.concat([data(1, 'bcd'), data(1, 'e', FLAG.endStream), get(3)]))
  await client.settle()
  assert.is(size, 1)
  assert.is(client.goaway, undefined)
  assert.is(client.frames.filter(({ type }) => type === FRAME.reset).length, 1)
})

floods.run()
resets.run()
