import type { Logger } from 'pino'

/** Between two lines about it, in milliseconds: each request of a full disk would have one. */
const QUIET = 60_000
/** The disk is well: descriptors have run out. */
const NO_DESCRIPTOR = new Set(['EMFILE', 'ENFILE'])

/** Where bodies and answers go that are too large for memory, and what is said when they find no room there. */
export class Storage {
  readonly directory: string
  readonly #log: Pick<Logger, 'error'>
  #saidAt = Number.NEGATIVE_INFINITY
  #since = 0

  constructor(directory: string, log: Pick<Logger, 'error'>) {
    this.directory = directory
    this.#log = log
  }

  /** A file could not be made or written. @returns the status for the request that needed it. */
  failed(error: NodeJS.ErrnoException): 503 | 507 {
    this.#since++
    const now = performance.now()
    if (now - this.#saidAt >= QUIET) {
      const { directory } = this
      this.#log.error({ err: error, directory, requests: this.#since }, 'no room for a request')
      this.#saidAt = now
      this.#since = 0
    }
    return NO_DESCRIPTOR.has(error.code ?? '') ? 503 : 507
  }
}
