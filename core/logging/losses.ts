import { LogLinesLost } from '../errors.ts'
import { reasonOf } from './text.ts'

/** Told when a log begins to lose lines, and when it is back, with the number of those that were lost. */
export interface LossReports {
  lost(error: Error): void
  recovered(lines: number): void
}

/** Between two times that a log begins to lose lines: what is lost between is counted and said later. */
const REPORT_MS = 60_000
/** Between the last loss and the word that it is over, so that a log at its limit does not fill another. */
const QUIET_MS = 1000

/** Counts the lines that a log loses. */
export class Losses {
  readonly #log: string
  readonly #reports: LossReports
  #lines = 0
  #last = 0
  /** That lines get lost has been said, and not yet that it is over. */
  #isSaid = false
  #quietUntil = 0
  #timer: NodeJS.Timeout | undefined

  constructor(log: string, reports: LossReports) {
    this.#log = log
    this.#reports = reports
  }

  add(lines: number, cause: unknown): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#last = performance.now()
    this.#lines += lines
    if (this.#isSaid || this.#last < this.#quietUntil) return
    this.#isSaid = true
    this.#quietUntil = this.#last + REPORT_MS
    this.#reports.lost(new LogLinesLost(this.#log, reasonOf(cause), { cause }))
  }

  /** Everything has been written again. */
  caughtUp(): void {
    if (!this.#isSaid || this.#timer) return
    const wait = QUIET_MS - (performance.now() - this.#last)
    if (wait <= 0) this.settle()
    else this.#timer = setTimeout(() => this.settle(), wait).unref()
  }

  /** Says how many were lost, where any were. */
  settle(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const lines = this.#lines
    this.#lines = 0
    this.#isSaid = false
    if (lines > 0) this.#reports.recovered(lines)
  }
}
