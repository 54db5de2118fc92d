import type { Logger } from 'pino'
import { Dispatcher } from './dispatcher.ts'
import type { Job } from './job.ts'
import { RuntimeDirectory } from './runtime-directory.ts'
import type { Runtime } from './spawner.ts'
import { Supervisor, type SupervisorOptions } from './supervisor.ts'

export interface PoolOptions extends SupervisorOptions {
  /** The most requests that wait for a worker. */
  readonly queueLimit: number
  /** Whether slow requests leave threads to others. */
  readonly quickLane: boolean
  /** Whether a request is executed once more where its worker died, where that is safe. */
  readonly retrySafe: boolean
}

export const MAX_ENTRIES = 4096

/** A set of workers on one queue, and the way of requests to them. Knows no language. */
export interface Pool {
  /** The private folder; spooled bodies go there. */
  readonly directory: string
  /** Whether a worker takes requests now. */
  readonly isServing: boolean
  /** Starts the processes without waiting for them. */
  launch(): void
  /** Resolves when the first worker of a first start, all workers of a reload, are ready to serve. */
  ready(signal: AbortSignal): Promise<void>
  /** A `lent` body is the pool's until this returns. */
  dispatch(job: Job): void
  cancel(job: Job): void
  /** Ends all workers: each finishes what it executes within `grace` milliseconds, then it is killed. */
  stop(grace: number): Promise<void>
}

/** The pool where one process does all. */
export class WorkerPool implements Pool {
  readonly #directory = new RuntimeDirectory()
  readonly #dispatcher: Dispatcher
  readonly #supervisor: Supervisor
  #stopped: Promise<void> | undefined

  constructor(options: PoolOptions, runtime: Runtime, log: Logger) {
    const { queueLimit: limit, retrySafe, quickLane } = options
    const settings = { limit, retrySafe, quickLane, entries: MAX_ENTRIES, log }
    const dispatcher = this.#directory.fill(() => new Dispatcher(this.#directory, settings))
    this.#dispatcher = dispatcher
    this.#supervisor = new Supervisor(options, runtime, log, {
      directory: this.directory,
      scoreboard: dispatcher.scoreboard,
      fronts: new Map([[0, dispatcher]]),
      orders: dispatcher,
    })
  }

  get directory(): string {
    return this.#directory.path
  }

  get isServing(): boolean {
    const { workers } = this.#supervisor.status
    return workers.some(({ state }) => state === 'serving' || state === 'leaving')
  }

  get status() {
    const { waiting, underWay } = this.#dispatcher
    return { ...this.#supervisor.status, waiting, underWay }
  }

  launch(): void {
    this.#supervisor.launch()
  }

  async ready(signal: AbortSignal): Promise<void> {
    await unlessAborted(this.#supervisor.ready, signal)
  }

  dispatch(job: Job): void {
    this.#dispatcher.dispatch(job)
  }

  cancel(job: Job): void {
    this.#dispatcher.cancel(job)
  }

  /** Has so many workers more, or fewer; at least one stays. */
  resize(delta: number): void {
    this.#supervisor.resize(delta)
  }

  stop(grace: number): Promise<void> {
    this.#stopped ??= this.#stop(grace)
    return this.#stopped
  }

  async #stop(grace: number): Promise<void> {
    await this.#supervisor.stop(grace)
    this.#dispatcher.close()
    this.#directory.remove()
  }
}

/** @throws the signal's reason where it comes first. */
export async function unlessAborted(done: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    if (signal.aborted) reject(signal.reason)
  })
  await Promise.race([done, aborted])
}
