import { closeSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'

const ENTRY = 64
/** Marks a request in a scoreboard field: bit 63. */
const BUSY = 1n << 63n

/** A worker thread that executes a request of this front. */
export interface Executing {
  /** Number of the scoreboard entry. */
  readonly entry: number
  /** The request. */
  readonly id: number
  /** Nanoseconds of CLOCK_MONOTONIC. */
  readonly since: bigint
}

/** The file in which each worker thread notes what it executes: docs/worker-protocol.md, "Scoreboard". */
export class Scoreboard {
  readonly #fd: number
  readonly #front: bigint
  readonly #view: Buffer

  constructor(path: string, entries: number, front: number) {
    this.#fd = openSync(path, 'wx+', 0o600)
    ftruncateSync(this.#fd, entries * ENTRY)
    this.#front = BigInt(front)
    this.#view = Buffer.alloc(entries * ENTRY)
  }

  /** Reads the first `entries` entries. @returns those that execute a request of this front. */
  executing(entries: number): Executing[] {
    const length = Math.min(entries * ENTRY, this.#view.length)
    readSync(this.#fd, this.#view, 0, length, 0)
    const found: Executing[] = []
    for (let at = 0; at < length; at += ENTRY) {
      const request = this.#view.readBigUInt64LE(at + 16)
      if (request < BUSY || (request ^ BUSY) >> 32n !== this.#front) continue
      const id = Number(request & 0xffff_ffffn)
      found.push({ entry: at / ENTRY, id, since: this.#view.readBigUInt64LE(at + 24) })
    }
    return found
  }

  /** Tells the thread at `entry` that the client of its request has left. */
  markGone(entry: number, id: number): void {
    const field = Buffer.alloc(8)
    field.writeBigUInt64LE(BUSY | (this.#front << 32n) | BigInt(id))
    writeSync(this.#fd, field, 0, 8, entry * ENTRY + 40)
  }

  /** A number that is given to a new worker starts with clean entries. */
  clear(from: number, count: number): void {
    writeSync(this.#fd, Buffer.alloc(count * ENTRY), 0, count * ENTRY, from * ENTRY)
  }

  close(): void {
    closeSync(this.#fd)
  }
}
