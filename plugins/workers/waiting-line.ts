import type { Job } from './job.ts'

/** Jobs that wait for a worker. Those of slow kinds wait apart, so that others can overtake them. */
export class WaitingLine {
  readonly #quick = new Line()
  readonly #slow = new Line()

  get length(): number {
    return this.#quick.length + this.#slow.length
  }

  get hasQuick(): boolean {
    return this.#quick.length > 0
  }

  get hasSlow(): boolean {
    return this.#slow.length > 0
  }

  push(job: Job): void {
    this.#lineOf(job).push(job)
  }

  /** It goes ahead of all others of its sort. */
  pushFirst(job: Job): void {
    this.#lineOf(job).unshift(job)
  }

  /** The next one; a slow one only where one may go. Slow ones go first then: their number is bounded. */
  shift(slowMayGo: boolean): Job | undefined {
    return (slowMayGo ? this.#slow.shift() : undefined) ?? this.#quick.shift()
  }

  remove(job: Job): void {
    this.#lineOf(job).remove(job)
  }

  /** Takes all of them out. */
  clear(): Job[] {
    return [...this.#slow.clear(), ...this.#quick.clear()]
  }

  #lineOf(job: Job): Line {
    return job.isSlow ? this.#slow : this.#quick
  }
}

/** Taken entries are removed only when they have become many. */
const MOST_TAKEN = 1024

/** First in, first out, without moving all entries for each. */
class Line {
  #jobs: (Job | undefined)[] = []
  #next = 0

  get length(): number {
    return this.#jobs.length - this.#next
  }

  push(job: Job): void {
    this.#jobs.push(job)
  }

  unshift(job: Job): void {
    this.#jobs.splice(this.#next, 0, job)
  }

  shift(): Job | undefined {
    if (this.length === 0) return undefined
    const job = this.#jobs[this.#next]
    this.#jobs[this.#next++] = undefined
    if (this.length === 0 || this.#next > MOST_TAKEN) {
      this.#jobs.splice(0, this.#next)
      this.#next = 0
    }
    return job
  }

  remove(job: Job): void {
    const at = this.#jobs.indexOf(job, this.#next)
    if (at >= 0) this.#jobs.splice(at, 1)
  }

  clear(): Job[] {
    const jobs = this.#jobs.splice(0).slice(this.#next) as Job[]
    this.#next = 0
    return jobs
  }
}
