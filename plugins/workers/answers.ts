import { constants, openSync } from 'node:fs'
import { Socket } from 'node:net'
import { FAILED, FRAME, FRAME_HEADER } from './frames.ts'
import type { Job } from './job.ts'

const READ_SIZE = 65_536
/** A pipe takes so many bytes at once or not at all (PIPE_BUF on Linux): no frame is longer. */
const LONGEST = 4096 - FRAME_HEADER

/** Gives the job that a frame belongs to and takes it off the books; undefined for one that is over already. */
export interface Ledger {
  find(id: number): Job | undefined
  /** `flags`: of the frame that ends the answer. */
  settle(id: number, flags: number): Job | undefined
  marked(id: number): void
  /** Something has come that no worker writes. */
  garbled(): void
}

/**
 * The FIFO over which small whole answers come, from all workers at once: one read takes what many of them wrote.
 * It is open for writing too, so that it never ends.
 */
export class Answers {
  readonly #ledger: Ledger
  readonly #socket: Socket
  #rest: Buffer | undefined

  constructor(path: string, ledger: Ledger) {
    this.#ledger = ledger
    const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
    const buffer = Buffer.allocUnsafeSlow(READ_SIZE)
    const callback = (length: number, chunk: Uint8Array) => {
      this.#read(chunk as Buffer, length)
      return true
    }
    this.#socket = new Socket({
      fd,
      readable: true,
      writable: false,
      onread: { buffer, callback },
    } as ConstructorParameters<typeof Socket>[0])
    this.#socket.resume()
  }

  close(): void {
    this.#socket.destroy()
  }

  #read(chunk: Buffer, length: number): void {
    let bytes = chunk
    let end = length
    if (this.#rest) {
      bytes = Buffer.concat([this.#rest, chunk.subarray(0, length)])
      end = bytes.length
      this.#rest = undefined
    }
    const used = this.#frames(bytes, end)
    if (used < end) this.#rest = Buffer.from(bytes.subarray(used, end)) // a frame cut by the read
  }

  #frames(bytes: Buffer, end: number): number {
    let at = 0
    while (at + FRAME_HEADER <= end) {
      if (!canBegin(bytes, at)) {
        at = this.#skip(bytes, at, end)
        continue
      }
      const next = at + FRAME_HEADER + bytes.readUInt32LE(at)
      if (next > end) break
      this.#frame(bytes, at, next)
      at = next
    }
    return at
  }

  /** Past what the application wrote here by mistake. @returns where the next frame begins, or could. */
  #skip(bytes: Buffer, from: number, end: number): number {
    this.#ledger.garbled()
    let at = from + 1
    while (at + FRAME_HEADER <= end && !this.#isFrame(bytes, at)) at++
    return at
  }

  #isFrame(bytes: Buffer, at: number): boolean {
    if (!canBegin(bytes, at)) return false
    return (
      bytes[at + 8] === FRAME.mark || this.#ledger.find(bytes.readUInt32LE(at + 4)) !== undefined
    )
  }

  #frame(bytes: Buffer, at: number, next: number): void {
    const id = bytes.readUInt32LE(at + 4)
    const type = bytes[at + 8]
    if (type === FRAME.mark) return this.#ledger.marked(id)
    const flags = bytes[at + 9] as number
    const job = this.#ledger.settle(id, flags)
    if (!job) return
    const body = at + FRAME_HEADER + bytes.readUInt32LE(at + 12)
    const head = bytes.toString('latin1', at + FRAME_HEADER, body)
    job.whole(head, bytes, body, next, (flags & FAILED) !== 0)
  }
}

/** Whether a frame can begin so: one that comes this way. */
function canBegin(bytes: Buffer, at: number): boolean {
  const length = bytes.readUInt32LE(at)
  if (bytes[at + 8] === FRAME.mark) return length === 0
  return (
    bytes[at + 8] === FRAME.response && length <= LONGEST && bytes.readUInt32LE(at + 12) <= length
  )
}
