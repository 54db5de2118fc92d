import { write, writeSync } from 'node:fs'
import { awaitSize, closeTarget, openTarget, type Target, writeWhole } from './log-file.ts'
import { Losses, type LossReports } from './losses.ts'
import { hasCode } from './text.ts'

export interface LineSinkOptions extends LossReports {
  /** A path, which is appended to, or `-`. */
  readonly file: string
  /** The descriptor that `-` stands for. */
  readonly standard: 1 | 2
  /** Milliseconds that lines may wait to be written together; 0: they are written at once. */
  readonly delay: number
  /** Takes the lines that could not be written. */
  rescue?(text: string): void
}

/** Pending characters from which on a write is worth while. */
const ENOUGH = 65_536
const MOST_PENDING = 8 * 1024 * 1024
/** Between two attempts to write to what takes nothing at the moment. */
const RETRY_MS = 20
const CLOSE_LIMIT_MS = 2000

interface Batch {
  text: string
  bytes: number
  lines: number
}

/**
 * Appends lines to a file, a pipe or a terminal, many at a time. No call waits for a disk or a reader: what cannot be
 * written yet is kept, up to 8 MiB; what is more is dropped, counted and reported.
 */
// Not pino's destination (sonic-boom 4.2.1): on a full disk or a closed pipe its flush at exit
// never ends; a reopen that failed makes the next one close the old descriptor twice.
export class LineSink {
  readonly #options: LineSinkOptions
  readonly #losses: Losses
  #file: string
  #target: Target
  #queue: Batch[] = []
  /** Characters in the queue. */
  #pending = 0
  /** What is left of the batch that is being written, where it goes, and how many lines it had. */
  #bytes: Buffer | undefined
  #bytesTarget: Target
  #bytesLines = 0
  /** Another thread writes. */
  #isWriting = false
  #retry: NodeJS.Timeout | undefined
  #timer: NodeJS.Timeout | undefined
  #flushing = false
  #closed = false
  /** Closed, and nothing waits any more. */
  #isGone = false
  #whenIdle: () => void = () => {}

  /** @throws WSGI_CORE_CANNOT_OPEN_LOG */
  constructor(options: LineSinkOptions) {
    this.#options = options
    this.#losses = new Losses(options.file, options)
    this.#file = options.file
    this.#target = openTarget(options.file, options.standard)
    this.#bytesTarget = this.#target
  }

  write(line: string): void {
    if (this.#closed) return this.#lose(1, line, new Error('it is closed'))
    if (this.#pending + line.length > MOST_PENDING) {
      return this.#losses.add(1, new Error('they come faster than they can be written'))
    }
    this.#append(line)
    if (this.#options.delay === 0) this.#flush()
    else if (this.#pending >= this.#enough) this.#next()
    else this.#timer ??= setTimeout(() => this.#flush(), this.#options.delay).unref()
  }

  #append(line: string): void {
    const last = this.#queue.at(-1)
    const { batch } = this.#target
    const bytes = batch === Number.POSITIVE_INFINITY ? 0 : Buffer.byteLength(line)
    if (last && last.bytes + bytes <= batch) {
      last.text += line
      last.bytes += bytes
      last.lines++
    } else this.#queue.push({ text: line, bytes, lines: 1 })
    this.#pending += line.length
  }

  get #enough(): number {
    return Math.min(ENOUGH, this.#target.batch)
  }

  /** Opens the file anew, or another one. Where that throws, lines go on into the old one. */
  reopen(file = this.#file): void {
    if (this.#closed || (file === '-' && this.#file === '-')) return
    const old = this.#target
    this.#target = openTarget(file, this.#options.standard)
    this.#file = file
    if (this.#isWriting && this.#bytesTarget === old) return // closed when that is done
    this.#abandonRest()
    closeTarget(old)
    this.#next()
  }

  /** The old target takes nothing: a batch that it has nothing of goes to the new one. */
  #abandonRest(): void {
    clearTimeout(this.#retry)
    this.#retry = undefined
    this.#bytesTarget = this.#target
  }

  /** For an exit that cannot wait: writes all, within a second or so. */
  flushSync(): void {
    if (this.#isWriting && this.#bytesTarget.size !== undefined) awaitSize(this.#bytesTarget)
    clearTimeout(this.#retry)
    this.#retry = undefined
    const rest = this.#isWriting ? undefined : this.#takeRest()
    const batches = this.#clearQueue()
    const text = Buffer.from(batches.map(({ text }) => text).join(''))
    const bytes = rest ? Buffer.concat([rest.bytes, text]) : text
    const lines = batches.reduce((sum, batch) => sum + batch.lines, rest?.lines ?? 0)
    if (bytes.length === 0) return
    try {
      if (this.#target.size !== undefined) this.#target.size += bytes.length
      writeWhole(this.#target.fd, bytes)
    } catch (error) {
      this.#lose(lines, bytes.toString(), error)
    }
  }

  /** What is left of a batch that nobody takes at the moment. */
  #takeRest(): { bytes: Buffer; lines: number } | undefined {
    const rest = this.#bytes && { bytes: this.#bytes, lines: this.#bytesLines }
    this.#bytes = undefined
    this.#bytesLines = 0
    return rest
  }

  #clearQueue(): Batch[] {
    this.#pending = 0
    return this.#queue.splice(0)
  }

  /** Writes what is left and closes the file; gives up on a reader that stalls. */
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
    this.#giveUp()
    this.#isGone = true
    if (!this.#isWriting) closeTarget(this.#target)
    this.#losses.settle()
  }

  #giveUp(): void {
    clearTimeout(this.#retry)
    const lines = this.#clearQueue().reduce((sum, batch) => sum + batch.lines, this.#bytesLines)
    if (lines > 0) this.#losses.add(lines, new Error('nobody takes them'))
  }

  #flush(): void {
    this.#flushing = true
    this.#next()
  }

  #next(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    while (!this.#isWriting && !this.#retry) {
      if (!this.#bytes && !this.#take()) return
      this.#send(this.#bytes as Buffer)
    }
  }

  /** @returns whether there is a batch that should be written now. */
  #take(): boolean {
    const batch = this.#flushing || this.#pending >= this.#enough ? this.#queue.shift() : undefined
    if (!batch) {
      this.#rest()
      return false
    }
    this.#pending -= batch.text.length
    this.#bytes = Buffer.from(batch.text)
    this.#bytesLines = batch.lines
    this.#bytesTarget = this.#target
    if (this.#target.size !== undefined) this.#target.size += this.#bytes.length
    return true
  }

  /** Nothing is due. */
  #rest(): void {
    this.#flushing = false
    if (this.#queue.length === 0) this.#whenIdle()
    else this.#timer = setTimeout(() => this.#flush(), this.#options.delay).unref()
  }

  #send(bytes: Buffer): void {
    const target = this.#bytesTarget
    if (target.isDirect) {
      try {
        this.#wrote(null, writeSync(target.fd, bytes))
      } catch (error) {
        this.#wrote(error as Error, 0)
      }
      return
    }
    this.#isWriting = true
    write(target.fd, bytes, (error, written) => {
      this.#isWriting = false
      this.#wrote(error, written)
      if ((this.#isGone || target !== this.#target) && !this.#bytes) closeTarget(target)
      this.#next()
    })
  }

  #wrote(error: Error | null, written: number): void {
    const bytes = this.#bytes as Buffer
    if (error && hasCode(error, 'EAGAIN')) return this.#pause()
    this.#bytes = !error && written < bytes.length ? bytes.subarray(written) : undefined
    if (this.#bytes) return
    const lines = this.#bytesLines
    this.#bytesLines = 0
    if (error) this.#lose(lines, bytes.toString(), error)
    else if (this.#queue.length === 0) this.#losses.caughtUp()
  }

  #pause(): void {
    this.#retry = setTimeout(() => {
      this.#retry = undefined
      this.#next()
    }, RETRY_MS).unref()
  }

  #lose(lines: number, text: string, cause: unknown): void {
    this.#losses.add(lines, cause)
    this.#options.rescue?.(text)
  }
}
