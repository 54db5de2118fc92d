import { Agent, get } from 'node:http'
import { buffer } from 'node:stream/consumers'
import * as assert from 'uvu/assert'
import type { ServerProcess } from '../../../test/helpers/server-process.ts'
import { appSuite, fieldOf, onTheWire, requestText } from './app-server.ts'

const MIB = 1 << 20
/** Around what is joined, sent, stored, read and spliced as one. */
const SIZES = [
  4095,
  4096,
  16_383,
  16_384,
  16_385,
  65_535,
  65_536,
  65_537,
  262_143,
  262_144,
  262_145,
  MIB - 4096,
  MIB - 49,
  MIB - 48,
  MIB - 47,
  MIB - 1,
  MIB,
  MIB + 1,
  MIB + 16_384,
  MIB + 16_385,
  MIB + 65_536,
  2 * MIB,
  5 * MIB + 3,
]
const ENOUGH = Buffer.from(Array.from({ length: 251 }, (_, index) => index))

/** What /pieces of apps/pep3333.py sends. */
const bodyOf = (size: number) => Buffer.alloc(size, ENOUGH)

const bodyIn = (raw: string) => Buffer.from(raw.slice(raw.indexOf('\r\n\r\n') + 4), 'latin1')

const sum = (sizes: readonly number[]) => sizes.reduce((total, size) => total + size, 0)

async function assertPieces(server: ServerProcess, kind: string, sizes: readonly number[]) {
  const { status, bytes } = await server.request(`/pieces?${kind},${sizes}`)
  assert.is(status, 200)
  assert.ok(bytes.equals(bodyOf(sum(sizes))), `${kind} ${sizes}: ${bytes.length} bytes`)
}

for (const args of [
  ['-w', '1'],
  ['--threads', '33'],
]) {
  const test = appSuite(`big answers with ${args.join(' ')}`, 'pep3333:app', args)

  test('of any size are exact, as a whole, as a stream and by write()', async ({ server }) => {
    for (const kind of ['list', 'stream', 'write'])
      for (const size of SIZES) await assertPieces(server, kind, [size])
  })

  test('of pieces of all sizes are exact', async ({ server }) => {
    for (const kind of ['list', 'stream', 'write']) {
      await assertPieces(server, kind, [
        1,
        70_000,
        16_384,
        65_536,
        3,
        MIB,
        0,
        3 * MIB + 5,
        7,
        200_000,
      ])
      await assertPieces(server, kind, [MIB, MIB, 1, MIB, 65_535, 65_536, 4_000_000])
      await assertPieces(server, kind, [...SIZES].reverse())
    }
  })

  test.run()
}

const single = appSuite('big answers of one worker', 'pep3333:app', ['-w', '1'])

single('to HEAD have no body', async (context) => {
  const { fields, body } = await onTheWire(context, `/pieces?list,${MIB}`, { method: 'HEAD' })
  assert.is(fieldOf(fields, 'content-length'), String(MIB))
  assert.is(body, '')
})

single('keep to their Content-Length', async (context) => {
  for (const kind of ['list', 'lists', 'write', 'stream']) {
    const { body, whole } = await onTheWire(context, `/length?${MIB},${MIB + 70_000},${kind}`)
    assert.ok(whole)
    assert.is(body.length, MIB, kind)
  }
  for (const kind of ['write', 'stream']) {
    const { whole } = await onTheWire(context, `/length?${2 * MIB},${MIB + 70_000},${kind}`)
    assert.not.ok(whole, kind)
  }
  assert.match((await onTheWire(context, `/length?${2 * MIB},${MIB},list`)).status, /^500/)
  await assertPieces(context.server, 'list', [MIB])
})

single('break off where their worker is killed, with no wrong byte before', async ({ server }) => {
  for (const sizes of [[MIB], [200_000, 200_000, 5], [5 * MIB, 70_000]]) {
    const raw = await server.raw(requestText(`/pieces?die,${sizes}`, { version: '1.0' }))
    const body = bodyIn(raw)
    assert.ok(body.equals(bodyOf(sum(sizes)).subarray(0, body.length)), `${body.length} bytes`)
    await assertPieces(server, 'list', [MIB])
  }
})

single('do not hold it while a client does not read, nor lose a byte', async ({ server }) => {
  const size = 64 * MIB
  const reader = await server.connect()
  reader.send(requestText(`/pieces?list,${size}`))
  const start = await reader.receive(/\r\n\r\n/)
  reader.socket.pause()
  for (let round = 0; round < 10; round++) await assertPieces(server, 'list', [MIB + round])
  reader.socket.resume()
  const body = bodyIn(start + (await reader.rest()))
  assert.ok(body.equals(bodyOf(size)), `${body.length} bytes`)
})

single('are given on when a client has left in the middle of one', async ({ server }) => {
  for (let round = 0; round < 5; round++) {
    const reader = await server.connect()
    reader.send(requestText(`/pieces?${round % 2 ? 'list' : 'stream'},${8 * MIB},${8 * MIB}`))
    await reader.receive(/\r\n\r\n/)
    reader.destroy()
    await assertPieces(server, 'stream', [MIB, 70_000 + round])
  }
})

single.run()

const several = appSuite('big answers with two fronts', 'pep3333:app', [
  ...['--fronts', '2', '-w', '2', '--threads', '2'],
])

several('at the same time are not mixed up', async ({ server }) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 12 })
  const ask = async (number: number) => {
    const sizes = [number, 65_536 + number, number % 3 === 0 ? MIB + number : 9]
    const kind = number % 2 === 0 ? 'list' : 'stream'
    const bytes = await fetchBytes(agent, `${server.url}/pieces?${kind},${sizes}`)
    assert.ok(bytes.equals(bodyOf(sum(sizes))), `${kind} ${sizes}: ${bytes.length} bytes`)
  }
  await Promise.all(Array.from({ length: 120 }, (_, number) => ask(number)))
  agent.destroy()
})

several.run()

function fetchBytes(agent: Agent, url: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (incoming) => buffer(incoming).then(resolve, reject)).on('error', reject)
  })
}
