import { closeSync, fstatSync, write } from 'node:fs'
import { LogLinesLost } from '../errors.ts'
import { openLogFile, writeWhole } from './log-file.ts'
import { hasCode, reasonOf } from './text.ts'

const STDOUT = 1
const CLOSED = -1
const FLUSH_SIZE = 4096
const FLUSH_MS = 1000
// PIPE_BUF: up to here the lines of several fronts on one pipe stay whole. One write fits into a
// turn of the event loop, so that a busy server that falls behind has to write more at once.
const PIPE_BATCH = 4096
const PIPE_BEHIND = 65536
const REPORT_MS = 60_000
const MOST_PENDING = 8 * 1024 * 1024
const EAGAIN_PAUSE_MS = 20
const CLOSE_LIMIT_MS = 2000

/**
 * Appends lines to a file or stdout, many at a time. One write is under way at a time; what comes
 * meanwhile makes the next batch. Lines that cannot be written are dropped and reported.
 */
// Not pino's destination (sonic-boom 4.2.1): on a full disk or a closed pipe its flush at exit
// never ends.
export class LineSink {
  readonly #file: string
  readonly #onError: (error: Error) => void
  readonly #batchSize: number
  #fd: number
  #busyFd: number | undefined
  #batches: string[] = []
  #pending = 0
  #timer: NodeJS.Timeout | undefined
  #flushing = false
  #reported = Number.NEGATIVE_INFINITY
  #closed = false
  #whenIdle: () => void = () => {}

  constructor(file: string, onError: (error: Error) => void) {
    this.#file = file
    this.#onError = onError
    this.#fd = file === '-' ? STDOUT : openLogFile(file)
    this.#batchSize = fstatSync(this.#fd).isFIFO() ? PIPE_BATCH : Number.POSITIVE_INFINITY
  }

  write(line: string): void {
    if (this.#closed) this.#report(new Error('it is closed'))
    else if (this.#pending + line.length <= MOST_PENDING) this.#append(line)
    else this.#report(new Error('they come faster than they can be written'))
  }

  #append(line: string): void {
    const last = this.#batches.length - 1
    const batch = this.#batches[last]
    if (batch === undefined || batch.length + line.length > this.#batchSize)
      this.#batches.push(line)
    else this.#batches[last] = batch + line
    this.#pending += line.length
    if (this.#pending >= FLUSH_SIZE) this.#next()
    else this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS).unref()
  }

  reopen(): void {
    if (this.#closed || this.#fd === STDOUT) return
    const old = this.#fd
    this.#fd = openLogFile(this.#file)
    if (old !== this.#busyFd) closeSync(old)
  }

  flushSync(): void {
    if (this.#batches.length === 0) return
    const text = this.#batches.join('')
    this.#batches = []
    this.#pending = 0
    try {
      writeWhole(this.#fd, text)
    } catch (error) {
      this.#report(error)
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await new Promise<void>((resolve) => {
      const limit = setTimeout(resolve, CLOSE_LIMIT_MS)
      this.#whenIdle = () => {
        clearTimeout(limit)
        resolve()
      }
      this.#flush()
    })
    const old = this.#fd
    this.#fd = CLOSED
    if (old !== STDOUT && old !== this.#busyFd) closeSync(old)
  }

  #flush(): void {
    this.#flushing = true
    this.#next()
  }

  #next(): void {
    if (this.#busyFd !== undefined) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#pending > PIPE_BEHIND) this.#batches = [this.#batches.join('')]
    const batch = this.#batches.shift()
    if (batch === undefined) {
      this.#flushing = false
      this.#whenIdle()
      return
    }
    this.#pending -= batch.length
    this.#busyFd = this.#fd
    this.#writeOut(this.#fd, Buffer.from(batch))
  }

  #writeOut(fd: number, bytes: Buffer): void {
    write(fd, bytes, (error, written) => {
      if (error && hasCode(error, 'EAGAIN')) {
        setTimeout(() => this.#writeOut(fd, bytes), EAGAIN_PAUSE_MS).unref()
      } else if (!error && written < bytes.length) {
        this.#writeOut(fd, bytes.subarray(written))
      } else {
        if (error) this.#report(error)
        this.#wrote(fd)
      }
    })
  }

  #wrote(fd: number): void {
    this.#busyFd = undefined
    if (fd !== this.#fd && fd !== STDOUT) closeSync(fd)
    if (this.#flushing || this.#pending >= FLUSH_SIZE) this.#next()
    else if (this.#pending > 0) this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS).unref()
  }

  #report(cause: unknown): void {
    const now = performance.now()
    if (now - this.#reported < REPORT_MS) return
    this.#reported = now
    this.#onError(new LogLinesLost(this.#file, reasonOf(cause), { cause }))
  }
}
