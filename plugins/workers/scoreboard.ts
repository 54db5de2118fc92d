import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { writeAll } from './write-all.ts'

const ENTRY = 64
/** Marks a request in a scoreboard field: bit 63. */
const BUSY = 1n << 63n

/** A worker thread that executes a request. */
export interface Executing {
  /** Number of the scoreboard entry. */
  readonly entry: number
  /** The front that the request came from. */
  readonly front: number
  /** The request. */
  readonly id: number
  /** Nanoseconds of CLOCK_MONOTONIC. */
  readonly since: bigint
}

/** The file in which each worker thread notes what it executes: docs/worker-protocol.md, "Scoreboard". */
export class Scoreboard {
  readonly #fd: number
  readonly #view: Buffer

  /** `isNew`: it is made here; else another front has made it. */
  constructor(path: string, entries: number, isNew = true) {
    this.#fd = openSync(path, isNew ? 'wx+' : 'r+', 0o600)
    this.#view = Buffer.alloc(entries * ENTRY)
    if (isNew) writeAll(this.#fd, this.#view, 0) // all of it: a worker that writes where a full disk has no page gets SIGBUS
  }

  /** Reads the first `entries` entries. @returns those that execute a request. */
  executing(entries: number): Executing[] {
    const length = Math.min(entries * ENTRY, this.#view.length)
    readSync(this.#fd, this.#view, 0, length, 0)
    const found: Executing[] = []
    for (let at = 0; at < length; at += ENTRY) {
      const request = this.#view.readBigUInt64LE(at + 16)
      if (request < BUSY) continue
      const front = Number((request ^ BUSY) >> 32n)
      const id = Number(request & 0xffff_ffffn)
      found.push({ entry: at / ENTRY, front, id, since: this.#view.readBigUInt64LE(at + 24) })
    }
    return found
  }

  /** Tells a thread that the client of its request has left. */
  markGone({ entry, front, id }: Executing): void {
    const field = Buffer.alloc(8)
    field.writeBigUInt64LE(BUSY | (BigInt(front) << 32n) | BigInt(id))
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
