import { closeSync, openSync, read, unlinkSync, write } from 'node:fs'
import { join } from 'node:path'

const READ_SIZE = 65_536
/** Bytes that may wait to be written to the file. */
const PENDING_LIMIT = 1_048_576

/** Where a spill's bytes go in the end. */
export interface Sink {
  /** @returns false when it wants no more before `resume` is called. */
  write(bytes: Buffer): boolean
  end(): void
  fail(error: Error): void
}

let spills = 0

/**
 * The part of an answer for which a slow client has no room yet and that is too much for memory: an unlinked file,
 * written at one end and read at the other (nginx: proxy_temp_file).
 */
export class Spill {
  readonly #fd: number
  readonly #sink: Sink
  readonly #limit: number
  #queue: Buffer[] = []
  #pending = 0
  #written = 0
  #read = 0
  #writing = false
  #reading = false
  #paused = true
  #ended = false
  #closed = false
  #wanted: (() => void) | undefined

  /** `limit`: the most bytes in the file before `write` says stop. @throws where the file cannot be made. */
  constructor(directory: string, limit: number, sink: Sink) {
    const path = join(directory, `spill-${process.pid}-${++spills}`)
    this.#fd = openSync(path, 'wx+', 0o600)
    unlinkSync(path)
    this.#sink = sink
    this.#limit = limit
  }

  /** Whether it needs nothing any more of the buffers that it was given. */
  get hasCopied(): boolean {
    return this.#queue.length === 0 || this.#closed
  }

  /** @returns false where no more should come before `wanted` is called. */
  write(bytes: Buffer, wanted: () => void): boolean {
    this.#queue.push(bytes)
    this.#pending += bytes.length
    this.#pumpIn()
    if (this.#pending <= PENDING_LIMIT && this.#written - this.#read <= this.#limit) return true
    this.#wanted = wanted
    return false
  }

  /** All of it has been written. */
  end(): void {
    this.#ended = true
    this.#pumpOut()
  }

  /** The sink has room again. */
  resume(): void {
    this.#paused = false
    this.#pumpOut()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#closeFile()
    this.#wanted?.() // who waits must not wait for ever; what comes now goes nowhere
    this.#wanted = undefined
  }

  #pumpIn(): void {
    if (this.#writing || this.#closed || this.#queue.length === 0) return
    const bytes = Buffer.concat(this.#queue.splice(0))
    this.#writing = true
    this.#writeAt(bytes, 0)
  }

  #writeAt(bytes: Buffer, from: number): void {
    write(this.#fd, bytes, from, bytes.length - from, this.#written, (error, count) => {
      if (error) {
        this.#writing = false
        return this.#broken(error)
      }
      this.#written += count
      this.#pending -= count
      const isLeft = from + count < bytes.length && !this.#closed
      if (isLeft) return this.#writeAt(bytes, from + count)
      this.#writing = false
      if (this.#closed) return this.#closeFile()
      this.#pumpIn()
      this.#askForMore()
      this.#pumpOut()
    })
  }

  #pumpOut(): void {
    if (this.#reading || this.#paused || this.#closed) return
    const length = Math.min(READ_SIZE, this.#written - this.#read)
    if (length === 0) {
      if (this.#ended && !this.#writing && this.#queue.length === 0) this.#finish()
      return
    }
    this.#reading = true
    read(this.#fd, Buffer.allocUnsafeSlow(length), 0, length, this.#read, (error, count, bytes) => {
      this.#reading = false
      if (this.#closed) return this.#closeFile()
      if (error || count === 0) return this.#broken(error ?? new Error('the spill file is cut'))
      this.#read += count
      this.#paused = !this.#sink.write(bytes.subarray(0, count))
      this.#askForMore()
      this.#pumpOut()
    })
  }

  #askForMore(): void {
    if (this.#pending > PENDING_LIMIT / 2 || this.#written - this.#read > this.#limit / 2) return
    const wanted = this.#wanted
    this.#wanted = undefined
    wanted?.()
  }

  #finish(): void {
    this.close()
    this.#sink.end()
  }

  #broken(error: Error): void {
    if (this.#closed) return this.#closeFile()
    this.close()
    this.#sink.fail(error)
  }

  /** Once, when nothing is under way any more: by then the number may be another file's. */
  #closeFile(): void {
    if (!this.#writing && !this.#reading) closeSync(this.#fd)
  }
}
