import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FLAG, FRAME } from '../protocol.ts'
import { BEGINNING, get, type Sequence, sequences } from './sequences.ts'
import { type Client, Site } from './wire.ts'

const LIMITS = { requestLine: 100, fieldSize: 100, fields: 10, body: 100 }

async function send(pieces: readonly Buffer[]): Promise<Client> {
  const site = new Site(undefined, LIMITS)
  const client = site.open()
  for (const piece of pieces) client.receive(piece)
  await client.settle()
  site.close()
  return client
}

function check(client: Client, { name, ...expected }: Sequence, how: string): void {
  const { answers = {}, statuses = {}, resets = {}, goaway } = expected
  const text = `${name}, ${how}`
  assert.is(client.goaway, goaway, text)
  if (goaway !== undefined) assert.is(client.socket.writableEnded, true, text)
  for (const [stream, body] of Object.entries(answers)) {
    const seen = client.of(Number(stream))
    assert.equal([seen.status, seen.body, seen.isWhole], [200, body, true], text)
  }
  for (const [stream, status] of Object.entries(statuses)) {
    assert.is(client.of(Number(stream)).status, status, text)
  }
  for (const [stream, code] of Object.entries(resets)) {
    assert.is(client.of(Number(stream)).reset, code, text)
  }
}

const frames = suite('frames')

for (const sequence of sequences) {
  const { name, bytes } = sequence
  frames(name, async () => {
    check(await send([bytes]), sequence, 'whole')
    check(await send(Array.from(bytes, (byte) => Buffer.from([byte]))), sequence, 'byte by byte')
  })
}

frames('mean the same wherever they are cut', async () => {
  for (const sequence of sequences) {
    const { bytes } = sequence
    // what is long is long with zeros
    const step = bytes.length > 2000 ? 97 : 1
    for (let at = 1; at < bytes.length; at += step) {
      const client = await send([bytes.subarray(0, at), bytes.subarray(at)])
      check(client, sequence, `cut at ${at}`)
    }
  }
})

frames('of settings and pings are answered', async () => {
  const site = new Site()
  const client = site.open()
  const payload = Buffer.from('12345678')
  client.receive(Buffer.concat([BEGINNING, ping(payload), ping(payload, FLAG.ack)]))
  await client.settle()
  const types = client.frames.map(({ type, flags }) => `${type} ${flags}`)
  assert.equal(types, ['4 0', '8 0', '4 1', '6 1'])
  assert.equal(client.frames.at(-1)?.payload, payload)
  site.close()
})

const ping = (payload: Buffer, flags = 0) =>
  Buffer.concat([Buffer.from([0, 0, 8, FRAME.ping, flags, 0, 0, 0, 0]), payload])

frames('of all streams that are answered in one turn go in one write', async () => {
  const site = new Site((_request, response) => void response.end('good'))
  const client = site.open()
  client.receive(BEGINNING)
  await client.settle()
  let writes = 0
  const { write } = client.socket
  client.socket.write = ((...all: Parameters<typeof write>) => {
    writes++
    return write.apply(client.socket, all)
  }) as typeof write
  client.receive(Buffer.concat([1, 3, 5, 7, 9].map((stream) => get(stream))))
  await client.settle()
  for (const stream of [1, 3, 5, 7, 9]) assert.is(client.of(stream).body, 'good')
  assert.is(writes, 1)
  site.close()
})

frames.run()
