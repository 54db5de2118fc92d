import type { Worker } from 'node:cluster'
import { FrontFailed } from '../errors.ts'
import type { Handle } from './handles.ts'
import { fromPlain, type Order, type PluginMessage, type Report } from './messages.ts'

/** What a front can be waited for. */
type Step = 'up' | 'built' | 'serving' | 'retired'
type ReportOf<S extends Step> = Extract<Report, { report: S }>

interface Wait {
  readonly step: Step
  readonly generation: number
  resolve(report: Report): void
  reject(error: Error): void
}

/** A front, seen from the supervisor. */
export class FrontProcess {
  readonly number: number
  /** It takes part in what all do; else it is on its way up. */
  isMember = false
  hasServed = false
  readonly #worker: Worker
  readonly #waits = new Set<Wait>()
  readonly #handles = new Set<number>()
  readonly #retired = new Set<number>()
  #gone = false

  /** `received` is given what its plugins send; `ended` is told how it has ended. */
  constructor(
    number: number,
    worker: Worker,
    received: (message: PluginMessage) => void,
    reload: () => void,
    ended: (how: string) => void,
  ) {
    this.number = number
    this.#worker = worker
    worker.on('message', (report: Report) => {
      if ('plugin' in report) received(report)
      else if (report.report === 'reload') reload()
      else this.#take(report)
    })
    worker.on('error', () => {}) // a message that came too late: told by 'exit'
    worker.on('exit', (code, signal) => {
      this.#gone = true
      const how = signal ?? `code ${code}`
      for (const { reject } of this.#waits) reject(new FrontFailed(`has ended by ${how}`))
      ended(how)
    })
  }

  get pid(): number | undefined {
    return this.#worker.process.pid
  }

  send(order: Order, handle?: Handle): void {
    if (this.#gone || !this.#worker.isConnected()) return
    this.#worker.send(order, handle as never)
  }

  /** Sends a listening handle, once. */
  lend(number: number, handle: Handle): void {
    if (this.#handles.has(number)) return
    this.#handles.add(number)
    this.send({ order: 'handle', handle: number }, handle)
  }

  /** Resolves when the front says so. @throws what it failed of, or that it is gone. */
  reaches<S extends Step>(step: S, generation = 0): Promise<ReportOf<S>> {
    return new Promise<Report>((resolve, reject) => {
      if (this.#gone) return reject(new FrontFailed('has ended'))
      if (step === 'retired' && this.#retired.delete(generation))
        return resolve({ report: 'retired', generation })
      const wait = { step, generation, resolve, reject }
      this.#waits.add(wait)
    }) as Promise<ReportOf<S>>
  }

  kill(): void {
    this.#worker.process.kill('SIGKILL')
  }

  #take(report: Exclude<Report, PluginMessage>): void {
    const generation = 'generation' in report ? report.generation : 0
    let isHeard = false
    for (const wait of this.#waits) {
      if (wait.generation !== generation) continue
      if (report.report === 'failed' && wait.step !== 'retired')
        wait.reject(fromPlain(report.error))
      else if (report.report === wait.step) wait.resolve(report)
      else continue
      this.#waits.delete(wait)
      isHeard = true
    }
    if (report.report === 'retired' && !isHeard) this.#retired.add(generation)
  }
}
