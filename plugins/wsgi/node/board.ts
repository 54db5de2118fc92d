import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const ENTRY = 64
export const STATE = { booting: 1, serving: 2, leaving: 3 } as const

/** Writes a number of nanoseconds or requests below 2⁵³ as u64. */
export function writeU64(buffer: Buffer, value: number, offset: number): void {
  const high = Math.floor(value / 0x1_0000_0000)
  buffer.writeUInt32LE(value - high * 0x1_0000_0000, offset)
  buffer.writeUInt32LE(high, offset + 4)
}

/** The scoreboard entries of one worker. Node maps no files: it writes them, which others that map them see at once. */
export class Board {
  readonly #fd: number
  readonly #first: number
  readonly #field = Buffer.alloc(8)
  readonly #fields = Buffer.alloc(24)
  readonly #gone = Buffer.alloc(8)

  constructor(directory: string, first: number) {
    this.#fd = openSync(join(directory, 'scoreboard'), 'r+')
    this.#first = first
  }

  /** Takes the entries over; the request under which an earlier owner died is forgotten here. */
  boot(count: number): void {
    for (let lane = 0; lane < count; lane++) {
      const entry = Buffer.alloc(40)
      entry.writeUInt32LE(process.pid, 0)
      entry[8] = STATE.booting
      writeSync(this.#fd, entry, 0, 40, (this.#first + lane) * ENTRY)
    }
  }

  setState(count: number, state: number): void {
    for (let lane = 0; lane < count; lane++) {
      writeU64(this.#field, state, 0)
      writeSync(this.#fd, this.#field, 0, 8, (this.#first + lane) * ENTRY + 8)
    }
  }

  /** When it began first: the front must never see this request with the last one's time. */
  begin(lane: number, front: number, request: number, began: number): void {
    const at = (this.#first + lane) * ENTRY
    writeU64(this.#field, began, 0)
    writeSync(this.#fd, this.#field, 0, 8, at + 24)
    this.#field.writeUInt32LE(request, 0)
    this.#field.writeUInt32LE((0x8000_0000 | front) >>> 0, 4)
    writeSync(this.#fd, this.#field, 0, 8, at + 16)
  }

  end(lane: number, began: number, served: number): void {
    const fields = this.#fields.fill(0, 0, 8)
    writeU64(fields, began, 8)
    writeU64(fields, served, 16)
    writeSync(this.#fd, fields, 0, 24, (this.#first + lane) * ENTRY + 16)
  }

  /** Whether the client of this request has left. */
  isGone(lane: number, front: number, request: number): boolean {
    const gone = this.#gone
    readSync(this.#fd, gone, 0, 8, (this.#first + lane) * ENTRY + 40)
    return gone.readUInt32LE(0) === request && gone.readUInt32LE(4) === (0x8000_0000 | front) >>> 0
  }

  close(): void {
    closeSync(this.#fd)
  }
}
