import type { Input } from './application.ts'

const EMPTY = Buffer.alloc(0)

/** A body that is here. */
export class MemoryInput implements Input {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array = EMPTY) {
    this.#bytes = bytes
  }

  async read(size = Number.POSITIVE_INFINITY): Promise<Uint8Array> {
    const end = Math.min(this.#bytes.length, this.#at + checkSize(size))
    const bytes = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return bytes
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    const rest = await this.read()
    if (rest.length > 0) yield rest
  }
}

/** A body that comes: `next` gives its next bytes, undefined at the end. */
export class ComingInput implements Input {
  readonly #next: () => Promise<Uint8Array | undefined>
  #rest: Uint8Array = EMPTY
  #ended = false
  /** Of the last call. */
  #reading: Promise<unknown> = Promise.resolve()

  constructor(next: () => Promise<Uint8Array | undefined>) {
    this.#next = next
  }

  /** One call after the other, also where nobody waits for them. */
  read(size = Number.POSITIVE_INFINITY): Promise<Uint8Array> {
    const bytes = this.#reading.then(() => this.#collect(checkSize(size)))
    this.#reading = bytes.catch(() => {}) // who has called is told
    return bytes
  }

  async #collect(wanted: number): Promise<Uint8Array> {
    const pieces: Uint8Array[] = []
    let length = 0
    while (length < wanted) {
      const piece = await this.#piece()
      if (!piece) break
      const part = piece.subarray(0, wanted - length)
      this.#rest = piece.subarray(part.length)
      pieces.push(part)
      length += part.length
    }
    return pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces, length)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    for (let piece = await this.#piece(); piece; piece = await this.#piece()) yield piece
  }

  async #piece(): Promise<Uint8Array | undefined> {
    const rest = this.#rest
    this.#rest = EMPTY
    if (rest.length > 0) return rest
    if (this.#ended) return undefined
    const piece = await this.#next()
    this.#ended = piece === undefined
    return piece
  }
}

/** A body that a Node stream gives. It is opened when the app reads for the first time. */
export function streamInput(open: () => NodeJS.ReadableStream): Input {
  let iterator: AsyncIterator<unknown> | undefined
  return new ComingInput(async () => {
    iterator ??= open()[Symbol.asyncIterator]()
    const { done, value } = await iterator.next()
    return done ? undefined : (value as Uint8Array)
  })
}

function checkSize(size: number): number {
  if (typeof size === 'number' && size >= 0) return size
  throw new TypeError(`read() takes a number of bytes, not ${String(size)}`)
}
