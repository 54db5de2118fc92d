import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FLAG, FRAME, PREFACE } from '../protocol.ts'
import { block, frame } from './harness.ts'
import { head, sequences } from './sequences.ts'
import { type Answer, echo, Site } from './wire.ts'

const isCI = !['', '0', 'false'].includes(process.env.CI ?? '')
const CASES = isCI ? 40_000 : 4000
/** A case's number is its seed. */
const FIRST = Number(process.env.WSGI_CORE_FUZZ_FROM ?? 1)
const LAST_STREAM = 0x7fff_ffff

/** Numbers that look random and are the same each time. */
class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = Math.imul(seed, 0x9e37_79b1) | 1
  }

  below(limit: number): number {
    this.#state ^= this.#state << 13
    this.#state ^= this.#state >>> 17
    this.#state ^= this.#state << 5
    return (this.#state >>> 0) % limit
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T
  }
}

function framesOf(bytes: Buffer): Buffer[] {
  const frames: Buffer[] = []
  for (let at = PREFACE.length; at + 9 <= bytes.length; ) {
    const size = 9 + bytes.readUIntBE(at, 3)
    frames.push(Buffer.from(bytes.subarray(at, at + size)))
    at += size
  }
  return frames
}

const corpus = sequences
  .filter(({ bytes }) => bytes.length < 2000 && bytes.subarray(0, 24).equals(PREFACE))
  .map(({ bytes }) => framesOf(bytes))

type Mutation = (frames: Buffer[], at: number, dice: Dice) => void

const mutations: Mutation[] = [
  (frames, at, dice) => {
    const bytes = frames[at] as Buffer
    bytes[dice.below(bytes.length)] = dice.below(256)
  },
  (frames, at, dice) => {
    const bytes = frames[at] as Buffer
    const place = dice.below(bytes.length)
    bytes[place] = (bytes[place] as number) ^ (1 << dice.below(8))
  },
  (frames, at) => void frames.splice(at, 1),
  (frames, at) => void frames.splice(at, 0, Buffer.from(frames[at] as Buffer)),
  (frames, at, dice) => void frames.splice(at, 0, Buffer.from(dice.of(dice.of(corpus)))),
  (frames, at, dice) => void frames.push(...frames.splice(at, 1 + dice.below(3))),
  (frames, at, dice) => void (frames[at] as Buffer).writeUInt8(dice.below(11), 3),
  (frames, at, dice) => void (frames[at] as Buffer).writeUInt8(dice.below(64), 4),
  (frames, at, dice) => void (frames[at] as Buffer).writeUInt32BE(dice.below(9), 5),
  (frames, at, dice) => {
    const bytes = frames[at] as Buffer
    const size = dice.below(bytes.length - 8)
    const shorter = Buffer.from(bytes.subarray(0, 9 + size))
    shorter.writeUIntBE(size, 0, 3)
    frames[at] = shorter
  },
  (frames, at, dice) => {
    const more = Buffer.concat([
      frames[at] as Buffer,
      Buffer.alloc(dice.below(20), dice.below(256)),
    ])
    more.writeUIntBE(more.length - 9, 0, 3)
    frames[at] = more
  },
]

function mutate(dice: Dice): Buffer {
  const frames = dice.of(corpus).map((each) => Buffer.from(each))
  for (let count = dice.below(4); count > 0 && frames.length > 0; count--) {
    dice.of(mutations)(frames, dice.below(frames.length), dice)
  }
  const bytes = Buffer.concat([PREFACE, ...frames])
  // whatever the last frame says of its size, it is whole
  let at = PREFACE.length
  while (at + 9 <= bytes.length) at += 9 + bytes.readUIntBE(at, 3)
  return Buffer.concat([bytes, Buffer.alloc(Math.max(0, Math.min(at - bytes.length, 20_000)))])
}

const LAST = frame(
  FRAME.headers,
  FLAG.endStream | FLAG.endHeaders,
  LAST_STREAM,
  block(head('/last')),
)

const answer: Answer = (request, response) => {
  if (request.url !== '/last') return echo(request, response)
  response.writeHead(204).end()
}

/** @returns whether the connection was ended. */
async function run(seed: number): Promise<boolean> {
  const dice = new Dice(seed)
  const site = new Site(answer)
  const client = site.open()
  const bytes = mutate(dice)
  const text = `WSGI_CORE_FUZZ_FROM=${seed}: ${bytes.toString('hex')}`
  for (let at = 0; at < bytes.length; ) {
    const size = dice.below(3) === 0 ? 1 + dice.below(40) : bytes.length
    client.receive(bytes.subarray(at, at + size))
    at += size
  }
  await client.settle(4)
  if (!client.socket.writableEnded) {
    client.receive(LAST)
    await client.settle(4)
    const { status, isWhole } = client.of(LAST_STREAM)
    const isAnswered = status === 204 && isWhole
    assert.ok(isAnswered || client.socket.writableEnded, `unanswered: ${text}`)
  }
  const sent = client.frames.reduce((sum, { payload }) => sum + payload.length + 9, 0)
  assert.ok(sent < 4000 + 20 * bytes.length, `${sent} bytes for ${bytes.length}: ${text}`)
  const wasEnded = client.socket.writableEnded
  client.socket.destroy()
  await client.settle(1)
  assert.is(site.server.size, 0, text)
  return wasEnded
}

const fuzz = suite('frames that are mutated')

fuzz('never harm: the connection ends, or the next request is answered', async () => {
  let ended = 0
  for (let seed = FIRST; seed < FIRST + CASES; seed++) if (await run(seed)) ended++
  assert.ok(ended > CASES / 10 && ended < CASES * 0.9, `${ended} of ${CASES} connections ended`)
})

fuzz('hold no memory', async () => {
  const gc = (globalThis as { gc?: () => void }).gc ?? (() => {})
  const measure = () => {
    gc()
    return process.memoryUsage().heapUsed
  }
  for (let seed = 1; seed < 500; seed++) await run(seed)
  const before = measure()
  for (let seed = 1; seed < 1000; seed++) await run(seed)
  const growth = measure() - before
  assert.ok(growth < 64 * 1024 * 1024, `${growth} bytes more`)
})

fuzz.run()
