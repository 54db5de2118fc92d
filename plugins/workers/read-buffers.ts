import { allocateForReads } from '../../core/index.ts'

/** As much as one read takes. */
export const READ_SIZE = 262_144
/** Buffers that are kept for later, of all pools together. */
const KEEP = 64
/** The most buffers that one connection remembers to have lent. A client that does not read must not keep more. */
const MOST_LENT = 16

/** Who may still need what is in a buffer. */
export interface Borrower {
  /** Whether all bytes given so far have left for the kernel. */
  readonly flushed: boolean
}

const free: Buffer[] = []

export const takeBuffer = (): Buffer => free.pop() ?? allocateForReads(READ_SIZE)

export function returnBuffer(buffer: Buffer): void {
  if (free.length < KEEP) free.push(buffer)
}

/**
 * The buffers that one connection is read into. A buffer whose bytes wait in a client's socket is lent until they
 * have left, then used again: without that, big answers would keep the garbage collector busy.
 */
export class ReadBuffers {
  #current: Buffer | undefined
  #lent: { readonly buffer: Buffer; readonly to: readonly Borrower[] }[] = []

  /** The buffer for the next read. */
  get next(): Buffer {
    if (this.#lent.length > 0) this.#collect()
    this.#current ??= takeBuffer()
    return this.#current
  }

  /** The bytes of the last read were given to these. @returns whether the next read goes to another buffer. */
  lend(borrowers: readonly Borrower[]): boolean {
    const to = borrowers.filter(({ flushed }) => !flushed)
    if (to.length === 0 || !this.#current) return false
    this.#lent.push({ buffer: this.#current, to })
    this.#current = undefined
    if (this.#lent.length > MOST_LENT) this.#lent.shift() // left to the garbage collector
    return true
  }

  #collect(): void {
    this.#lent = this.#lent.filter(({ buffer, to }) => {
      if (!to.every(({ flushed }) => flushed)) return true
      returnBuffer(buffer)
      return false
    })
  }
}
