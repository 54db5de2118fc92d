import { Losses, type LossReports } from '../losses.ts'
import type { LogLevel } from '../record.ts'
import { parseSyslogAddress } from './address.ts'
import { messageMaker, type Sender } from './message.ts'
import { createTransport, type Transport } from './transports.ts'

export interface SyslogOptions extends Sender, LossReports {
  /** In the form of `--log-syslog-to`. */
  readonly address: string
  /** Told, once a minute at most, that it cannot be reached; messages are kept until it is. */
  away(error: Error): void
}

const MOST_PENDING = 1024 * 1024
const BATCH = 100
/** After a failure, before the next attempt. */
const RETRY_MS = 1000
const CLOSE_LIMIT_MS = 2000
/** Between two times that it is said to be away. */
const AWAY_MS = 60_000

/**
 * Sends lines to a syslog. No call waits for it. While it is away or slow, 1 MiB of lines is kept; what is more is
 * dropped, counted and reported.
 */
export class Syslog {
  readonly #transport: Transport
  readonly #message: ReturnType<typeof messageMaker>
  readonly #losses: Losses
  readonly #away: (error: Error) => void
  /** Before that nothing more is said of its being away. */
  #quietUntil = 0
  #isStale = false
  #queue: string[] = []
  #pending = 0
  #timer: NodeJS.Timeout | undefined
  #isSending = false
  /** Of the last attempt that failed. */
  #error: Error | undefined
  #closed = false
  #whenIdle: () => void = () => {}

  /** @throws where the address is none. */
  constructor(options: SyslogOptions) {
    this.#transport = createTransport(parseSyslogAddress(options.address))
    this.#message = messageMaker(options)
    this.#losses = new Losses(options.address, options)
    this.#away = options.away
  }

  write(id: 'access' | 'error', level: LogLevel, time: number, text: string): void {
    if (this.#closed) return
    const message = this.#message(level, time, id, text)
    if (this.#pending + message.length > MOST_PENDING) {
      return this.#losses.add(1, this.#error ?? new Error('they come faster than they are taken'))
    }
    this.#queue.push(message)
    this.#pending += message.length
    if (!this.#isSending) this.#timer ??= setTimeout(() => void this.#send(), 0).unref()
  }

  /** Connects anew: its address may lead elsewhere by now. */
  reopen(): void {
    this.#isStale = this.#isSending // then after this batch
    if (!this.#isSending) this.#transport.close()
  }

  /** Sends what is left; gives up on a syslog that is away. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#timer)
    await new Promise<void>((resolve) => {
      const limit = setTimeout(resolve, CLOSE_LIMIT_MS)
      this.#whenIdle = () => {
        clearTimeout(limit)
        resolve()
      }
      if (!this.#isSending) void this.#send()
    })
    const left = this.#queue.length
    if (left > 0) this.#losses.add(left, this.#error ?? new Error('they are not taken in time'))
    this.#transport.close()
    this.#losses.settle()
  }

  /** Sends batch after batch, while there are any. */
  async #send(): Promise<void> {
    this.#isSending = true
    this.#timer = undefined
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, BATCH)
      for (const message of batch) this.#pending -= message.length
      if (!(await this.#sendBatch(batch))) break
    }
    this.#isSending = false
    if (this.#queue.length === 0 || this.#closed) this.#whenIdle()
    else this.#timer = setTimeout(() => void this.#send(), RETRY_MS).unref()
  }

  /** @returns whether to go on at once. */
  async #sendBatch(batch: readonly string[]): Promise<boolean> {
    const { left, lost, error } = await this.#transport.send(batch)
    if (this.#isStale) this.#transport.close()
    this.#isStale = false
    const rest = batch.slice(batch.length - left)
    this.#queue.unshift(...rest)
    for (const message of rest) this.#pending += message.length
    if (lost > 0) this.#losses.add(lost, error)
    if (left > 0) this.#tellAway(error as Error)
    if (left + lost > 0) this.#error = error
    else {
      this.#error = undefined
      if (this.#queue.length === 0) this.#losses.caughtUp()
    }
    return left + lost === 0
  }

  #tellAway(error: Error): void {
    const now = performance.now()
    if (now < this.#quietUntil) return
    this.#quietUntil = now + AWAY_MS
    this.#away(error)
  }
}
