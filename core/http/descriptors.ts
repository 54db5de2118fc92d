import { readFileSync } from 'node:fs'

/** The share of all descriptors that connections leave to files, workers and logs: one in so many, within bounds. */
const SHARE = 8
const LEAST = 16
const MOST = 512
/** So many connections there are in any case: with a limit that is hardly enough to start, too. */
const FEW = 4

/**
 * How many descriptors the process has in use, found without asking the kernel: it gives the lowest number that is
 * free, so a connection's own number says how many there are at least. Past the very last one libuv accepts connections
 * and closes them without a word; so what there are is shared out before.
 */
export class Descriptors {
  readonly #ceiling: number
  #connections = 0
  /** In use for other things, as far as was seen. */
  #others = 0

  constructor(limit = readLimit()) {
    this.#ceiling = limit - Math.min(MOST, Math.max(LEAST, Math.floor(limit / SHARE)))
  }

  /** A connection has this number; -1 where it is not known. @returns whether it is one too many. */
  taken(descriptor: number): boolean {
    this.#connections++
    const others = descriptor + 1 - this.#connections
    if (others > this.#others) this.#others = others
    return this.#connections > FEW && this.#others + this.#connections > this.#ceiling
  }

  /** A connection has closed, or it is none any more. */
  freed(): void {
    this.#connections--
  }

  /** Others may have fewer by now; the next connection tells. */
  forget(): void {
    this.#others = 0
  }
}

/** `ulimit -n`; Node has raised it as far as it may. Infinity where it is not known. */
function readLimit(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'latin1')
    return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY)
  } catch {
    return Number.POSITIVE_INFINITY // no Linux
  }
}
