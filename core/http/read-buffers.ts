import { allocateForReads } from '../read-memory.ts'

const SIZE = 524_288
const LEAST_SIZE = 16_384
/** What all that are being sent may have together, as long as each can have two of the least size. */
const BUDGET = 67_108_864
/** Buffers that wait for the next one. */
const MOST_SPARE = 16
/** One is on its way to the client while the next is read. */
const EACH = 2

const spare: Buffer[] = []
let users = 0

/** The buffers of one file that is being sent: the more are being sent, the smaller. */
export class ReadBuffers {
  readonly #free: Buffer[] = []
  readonly #size: number
  #made = 0
  #isReleased = false

  constructor() {
    users++
    this.#size = Math.max(LEAST_SIZE, Math.min(SIZE, BUDGET / EACH / users))
  }

  /** @returns undefined where all are in use. */
  take(): Buffer | undefined {
    const free = this.#free.pop()
    if (free !== undefined) return free
    if (this.#made === EACH) return undefined
    this.#made++
    if (this.#size < SIZE) return allocateForReads(Math.floor(this.#size))
    return spare.pop() ?? allocateForReads(SIZE)
  }

  /** Its bytes have left. Without this a buffer is the garbage collector's: somebody may still read it. */
  giveBack(buffer: Buffer): void {
    if (this.#isReleased) keep(buffer)
    else this.#free.push(buffer)
  }

  release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    users--
    for (const buffer of this.#free) keep(buffer)
  }
}

function keep(buffer: Buffer): void {
  if (buffer.length === SIZE && spare.length < MOST_SPARE) spare.push(buffer)
}
