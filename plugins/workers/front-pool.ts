import type { Logger } from 'pino'
import { fromPlain, type SupervisorLink } from '../../core/index.ts'
import { deferred } from './deferred.ts'
import { Dispatcher } from './dispatcher.ts'
import type { Told } from './front.ts'
import type { ToFront, ToSupervisor, Unaddressed } from './front-messages.ts'
import type { Job } from './job.ts'
import { MAX_ENTRIES, type Pool, type PoolOptions, unlessAborted } from './pool.ts'
import { folderAt } from './runtime-directory.ts'
import type { Runtime } from './spawner.ts'

/** One front's part of a pool whose workers another process watches over. */
export class FrontPool implements Pool {
  readonly #options: PoolOptions
  readonly #runtime: Runtime
  readonly #log: Logger
  readonly #link: Pick<SupervisorLink, 'front' | 'count'>
  readonly #say: (message: Unaddressed<ToSupervisor>) => void
  #directory = ''
  #dispatcher: Dispatcher | undefined
  #stopped: Promise<void> | undefined
  readonly #ready = deferred()
  readonly #ended = deferred()

  constructor(
    options: PoolOptions,
    runtime: Runtime,
    log: Logger,
    link: Pick<SupervisorLink, 'front' | 'count'>,
    say: (message: Unaddressed<ToSupervisor>) => void,
  ) {
    this.#options = options
    this.#runtime = runtime
    this.#log = log
    this.#link = link
    this.#say = say
  }

  /** Known once the supervisor has answered; always when the pool is ready. */
  get directory(): string {
    return this.#directory
  }

  get isServing(): boolean {
    return (this.#dispatcher?.readers ?? 0) > 0
  }

  launch(): void {
    const { watch, ...runtime } = this.#runtime
    this.#say({ type: 'join', pid: process.pid, runtime, watches: watch !== undefined })
  }

  async ready(signal: AbortSignal): Promise<void> {
    await unlessAborted(this.#ready.promise, signal)
  }

  dispatch(job: Job): void {
    if (this.#dispatcher) this.#dispatcher.dispatch(job)
    else job.fail('stopping')
  }

  cancel(job: Job): void {
    this.#dispatcher?.cancel(job)
  }

  /** The workers end when all fronts have stopped. */
  stop(grace: number): Promise<void> {
    this.#stopped ??= this.#stop(grace)
    return this.#stopped
  }

  receive(message: ToFront): void {
    if (message.type === 'place') this.#attempt(() => this.#settle(message.directory))
    else if (message.type === 'open') this.#attempt(() => this.#dispatcher?.open())
    else if (message.type === 'readers') this.#count(message.count)
    else if (message.type === 'fail')
      setImmediate(() => this.#fail(message)) // its last answers first
    else if (message.type === 'lost') this.#dispatcher?.searchLost()
    else if (message.type === 'files') this.#runtime.watch?.(message.files)
    else if (message.type === 'ready') this.#ready.resolve()
    else if (message.type === 'failed') this.#ready.reject(fromPlain(message.error))
    else this.#ended.resolve()
  }

  /** The pool may be over by now, and its folder gone: then this front has nothing to serve with. */
  #attempt(step: () => void): void {
    try {
      step()
    } catch (error) {
      this.#ready.reject(error)
    }
  }

  async #stop(grace: number): Promise<void> {
    this.#say({ type: 'leave', grace })
    await this.#ended.promise
    this.#dispatcher?.close()
  }

  #settle(directory: string): void {
    const { queueLimit: limit, retrySafe, quickLane } = this.#options
    const { front, count: fronts } = this.#link
    this.#directory = directory
    const flags = { retrySafe, quickLane }
    const settings = { limit, ...flags, entries: MAX_ENTRIES, front, fronts, log: this.#log }
    this.#dispatcher = new Dispatcher(folderAt(directory), settings)
  }

  #count(readers: number): void {
    if (this.#dispatcher) this.#dispatcher.readers = readers
  }

  #fail({ id, failure, ticket }: Extract<ToFront, { type: 'fail' }>): void {
    const told: Told = (waited, request) => this.#say({ type: 'told', ticket, waited, request })
    if (this.#dispatcher) this.#dispatcher.fail(id, failure, told)
    else told(false)
  }
}
