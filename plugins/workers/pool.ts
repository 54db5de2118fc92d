import type { Logger } from 'pino'
import { Dispatcher } from './dispatcher.ts'
import { WorkerFailed } from './errors.ts'
import type { Job } from './job.ts'
import { RuntimeDirectory } from './runtime-directory.ts'
import { isAlive, signalName, signalNumber } from './signals.ts'
import { KIND } from './slot.ts'
import { type Runtime, Spawner, type SpawnerEvent } from './spawner.ts'
import { WorkerHandle } from './worker-handle.ts'

export interface PoolOptions {
  readonly count: number
  readonly threads: number
  /** Seconds for one request; 0: no limit. */
  readonly timeout: number
  readonly gracefulTimeout: number
  readonly maxRequests: number
  readonly maxRequestsJitter: number
  readonly preload: boolean
  /** The most requests that wait for a worker. */
  readonly queueLimit: number
  readonly generation: number
}

type EventOf<Name extends SpawnerEvent['event']> = Extract<SpawnerEvent, { event: Name }>

/** One coarse wheel for all time limits, in milliseconds. */
const TICK = 250
/** From SIGABRT, or the end of grace, to SIGKILL. */
const KILL_AFTER = 2000
/** Between two attempts to boot a worker that keeps dying: doubled each time, up to the last. */
const FIRST_BACK_OFF = 100
const LAST_BACK_OFF = 10_000
/** How often workers that are leaving, but wait in a read, are woken. */
const WAKE_EVERY = 20
/** A request that was answered at its time limit shows on the scoreboard for a moment; in milliseconds. */
const ANSWERED_GRACE = 1000
const SIGKILL = 9
const MAX_ENTRIES = 4096

/** A set of workers on one queue: starts them, watches over them, replaces them, stops them. Knows no language. */
export class WorkerPool {
  readonly #options: PoolOptions
  readonly #runtime: Runtime
  readonly #log: Logger
  readonly #directory = new RuntimeDirectory()
  readonly #workers = new Set<WorkerHandle>()
  #spawner!: Spawner
  readonly #dispatcher: Dispatcher
  #failures = 0
  #timer: NodeJS.Timeout | undefined
  #waking = false
  #isReady = false
  /** Since the queue was found full. */
  #refused = 0
  #stopping = false
  #ended = false
  /** When the spawner itself must be gone. */
  #killSpawnerAt = Number.POSITIVE_INFINITY
  #stopped: Promise<void> | undefined
  readonly #ready = deferred()
  readonly #emptied = deferred()

  constructor(options: PoolOptions, runtime: Runtime, log: Logger) {
    this.#options = options
    this.#runtime = runtime
    this.#log = log
    const limit = options.queueLimit
    const overloaded = () => {
      if (this.#refused++ === 0) log.warn({ limit }, 'the queue is full; more is refused with 503')
    }
    const settings = { limit, overloaded, entries: MAX_ENTRIES }
    this.#dispatcher = new Dispatcher(this.#directory, settings)
  }

  /** The private folder; spooled bodies go there. */
  get directory(): string {
    return this.#directory.path
  }

  get status() {
    const workers = [...this.#workers].map(({ number, pid, state }) => ({ number, pid, state }))
    const { waiting, underWay } = this.#dispatcher
    return { workers, waiting, underWay, spawner: this.#spawner.pid }
  }

  /** Starts the processes without waiting for them. */
  launch(): void {
    this.#startSpawner()
    for (let number = 0; number < this.#options.count; number++) this.#spawn()
    this.#timer = setInterval(() => this.#tick(), TICK)
  }

  /** Resolves when the first worker of a first start, all workers of a reload, are ready to serve. */
  async ready(signal: AbortSignal): Promise<void> {
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      if (signal.aborted) reject(signal.reason)
    })
    await Promise.race([this.#ready.promise, aborted])
  }

  dispatch(job: Job): void {
    this.#dispatcher.dispatch(job)
  }

  cancel(job: Job): void {
    this.#dispatcher.cancel(job)
  }

  /** Ends all workers: each finishes what it executes within `grace` milliseconds, then it is killed. */
  stop(grace: number): Promise<void> {
    this.#stopped ??= this.#stop(grace)
    return this.#stopped
  }

  async #stop(grace: number): Promise<void> {
    this.#stopping = true
    const deadline = performance.now() + grace
    this.#killSpawnerAt = deadline + KILL_AFTER
    for (const worker of [...this.#workers]) {
      if (worker.pid === 0 && this.#spawner.gone) this.#forget(worker)
      if (worker.state === 'booting') this.#kill(worker, 'SIGTERM')
      worker.state = 'leaving'
      worker.killAt = deadline
    }
    if (this.#workers.size === 0) this.#emptied.resolve()
    this.#dispatcher.control(KIND.stop, this.#dispatcher.readers)
    this.#keepWaking()
    this.#spawner?.send({ command: 'stop' })
    await this.#emptied.promise
    this.#end()
  }

  #end(): void {
    this.#ended = true
    clearInterval(this.#timer)
    this.#dispatcher.close()
    this.#spawner?.close()
    this.#directory.remove()
  }

  #startSpawner(): void {
    const { count, threads, timeout, gracefulTimeout, maxRequests, maxRequestsJitter, preload } =
      this.#options
    const configuration = {
      version: 1,
      directory: this.#directory.path,
      fronts: [0],
      threads,
      workers: count,
      timeout,
      graceful_timeout: gracefulTimeout,
      max_requests: maxRequests,
      max_requests_jitter: maxRequestsJitter,
      preload,
      generation: this.#options.generation,
      environ: this.#runtime.environ,
      app: this.#runtime.app,
    }
    this.#spawner = new Spawner(
      this.#runtime,
      configuration,
      (event) => this.#receive(event),
      (error) => this.#spawnerEnded(error),
    )
  }

  #receive(event: SpawnerEvent): void {
    if (event.event === 'started') this.#dispatcher.open()
    else if (event.event === 'spawned') this.#onSpawned(event)
    else if (event.event === 'ready') this.#onReady(event)
    else if (event.event === 'failed') this.#onFailed(event)
    else if (event.event === 'leaving') this.#onLeaving(event)
    else if (event.event === 'exited')
      setImmediate(() => !this.#ended && this.#onExited(event)) // its last answers first
    else if (event.event === 'log') this.#onLog(event)
  }

  #onSpawned({ worker, pid }: EventOf<'spawned'>): void {
    const handle = this.#byNumber(worker)
    if (!handle) return
    handle.pid = pid
    if (this.#stopping) this.#kill(handle, 'SIGTERM')
    this.#log.info(`Booting worker with pid: ${pid}`)
  }

  #onReady({ pid }: EventOf<'ready'>): void {
    const handle = this.#byPid(pid)
    if (handle?.state !== 'booting') return
    handle.state = 'serving'
    this.#failures = 0
    this.#countReaders()
    for (const old of this.#workers) {
      if (old.replacement === handle) this.#dismiss(old)
    }
    const serving = [...this.#workers].filter((worker) => worker.takesWork).length
    if (serving < (this.#options.generation === 1 ? 1 : this.#options.count)) return
    this.#isReady = true
    this.#ready.resolve()
  }

  #onFailed({ worker, exit, reason, traceback, pid }: EventOf<'failed'>): void {
    const error = Object.assign(new WorkerFailed(reason), { exitCode: exit, traceback })
    this.#ready.reject(error)
    if (this.#isReady) this.#log.error({ traceback, pid }, reason)
    if (worker === null) this.#failures++
  }

  #onLeaving({ pid, reason }: EventOf<'leaving'>): void {
    const handle = this.#byPid(pid)
    if (!handle || this.#stopping) return
    const known = handle.state === 'leaving'
    handle.state = 'leaving'
    if (reason === 'max_requests') {
      if (!known) handle.replacement = this.#spawn() // serves on until that one is ready
      return
    }
    handle.replacement = undefined // leaves now, be that one ready or not
    handle.killAt ??= performance.now() + this.#options.gracefulTimeout * 1000
    this.#keepWaking()
    if (!known) this.#spawn()
  }

  /** A worker whose replacement is here may go. */
  #dismiss(worker: WorkerHandle): void {
    worker.replacement = undefined
    worker.killAt = performance.now() + this.#options.gracefulTimeout * 1000
    this.#kill(worker, 'SIGTERM')
    this.#keepWaking()
  }

  #onExited({ pid, worker, code, signal, traceback }: EventOf<'exited'>): void {
    const handle = this.#byPid(pid) ?? this.#byNumber(worker)
    if (!handle) return
    const expected = handle.state === 'leaving'
    const booted = handle.takesWork
    this.#forget(handle)
    this.#waking = false // the round may have ended with it
    if ([...this.#workers].some(isToWake)) this.#keepWaking()
    this.#failExecuted(handle, expected && code === 0)
    this.#logExit(pid, expected, code, signal, traceback)
    if (this.#stopping) return this.#workers.size === 0 ? this.#emptied.resolve() : undefined
    if (!booted) this.#bootFailed(handle, code, signal)
    else if (!expected) this.#spawn()
    else if (this.#workers.size < this.#options.count) this.#spawn()
  }

  #forget(handle: WorkerHandle): void {
    handle.state = 'dead'
    this.#workers.delete(handle)
    this.#countReaders()
  }

  /** The requests that this worker was executing failed with it; all others go on. */
  #failExecuted(handle: WorkerHandle, clean: boolean): void {
    const { threads } = this.#options
    const from = handle.number * threads
    for (const { entry, id } of this.#dispatcher.scoreboard.executing(from + threads)) {
      if (entry < from) continue
      if (this.#dispatcher.fail(id, 'died')) {
        this.#log.error({ worker: handle.pid, request: id }, 'a request failed with its worker')
      }
    }
    this.#dispatcher.scoreboard.clear(from, threads)
    if (!clean) this.#dispatcher.searchLost()
  }

  #logExit(
    pid: number,
    expected: boolean,
    code: number | null,
    signal: number | null,
    traceback: string,
  ): void {
    const asked = this.#stopping && signal !== SIGKILL
    const clean = code === 0 || (code === null && signal === null)
    if ((expected && clean) || asked) return this.#log.info(`Worker exiting (pid: ${pid})`)
    const cause = describeEnd(code, signal)
    const hint = signal === SIGKILL ? ' Perhaps out of memory?' : ''
    const details = {
      ...(traceback && { traceback }),
      ...(signal === null ? { code } : { signal: cause }),
    }
    this.#log.error(details, `Worker (pid:${pid}) ended by ${cause}.${hint}`)
  }

  /** A worker that never became ready: at the first start this ends the server, later it is tried again, slower. */
  #bootFailed(handle: WorkerHandle, code: number | null, signal: number | null): void {
    const how = describeEnd(code, signal)
    const error = new WorkerFailed(`a worker ended while it started: ${how}`)
    this.#ready.reject(Object.assign(error, { exitCode: code === 4 ? 4 : 3 }))
    const delay = Math.min(FIRST_BACK_OFF * 2 ** this.#failures++, LAST_BACK_OFF)
    const timer = setTimeout(() => {
      if (this.#stopping) return
      const old = [...this.#workers].find(({ replacement }) => replacement === handle)
      if (old) old.replacement = this.#spawn()
      else if (this.#workers.size < this.#options.count) this.#spawn()
    }, delay)
    timer.unref()
  }

  #onLog({ level, message, event: _, ...details }: EventOf<'log'>): void {
    const levels: Record<string, 'debug' | 'info' | 'warn' | 'error'> = { warning: 'warn' }
    const method = levels[level] ?? (level as 'debug' | 'info' | 'error')
    const { pid, ...rest } = details
    this.#log[method in this.#log ? method : 'error']({ ...rest, worker: pid }, message)
  }

  /** The spawner is replaced; workers it left go on, and are missed when they no longer answer to their pid. */
  #spawnerEnded(error: Error): void {
    if (this.#stopping) return this.#stopAlone()
    this.#ready.reject(error)
    this.#log.error({ err: error }, 'the spawner died and is replaced')
    this.#orphan()
    const delay = Math.min(FIRST_BACK_OFF * 2 ** this.#failures++, LAST_BACK_OFF)
    const timer = setTimeout(() => {
      if (this.#stopping) return
      this.#orphan() // once more: its last events may have come after its end
      for (const worker of [...this.#workers]) if (worker.pid === 0) this.#forget(worker)
      this.#startSpawner()
      for (const old of [...this.#workers]) {
        if (old.replacement?.state === 'dead') old.replacement = this.#spawn()
      }
      while (this.#workers.size < this.#options.count) this.#spawn()
    }, delay)
    timer.unref()
  }

  /** The spawner has ended first: what it left is seen to its end by us. */
  #stopAlone(): void {
    this.#orphan()
    for (const worker of [...this.#workers]) if (worker.pid === 0) this.#forget(worker)
    if (this.#workers.size === 0) this.#emptied.resolve()
  }

  #orphan(): void {
    for (const worker of this.#workers) worker.isOrphan = worker.pid !== 0
  }

  #spawn(): WorkerHandle {
    const taken = new Set([...this.#workers].map((worker) => worker.number))
    let number = 0
    while (taken.has(number)) number++
    const handle = new WorkerHandle(number)
    this.#workers.add(handle)
    this.#spawner.send({ command: 'spawn', worker: number })
    return handle
  }

  #kill(worker: WorkerHandle, signal: NodeJS.Signals): void {
    const { pid, isOrphan } = worker
    if (isOrphan) killOrphan(pid, signal)
    else if (pid !== 0) this.#spawner.send({ command: 'kill', pid, signal: signalNumber(signal) })
  }

  #tick(): void {
    const now = performance.now()
    for (const worker of [...this.#workers]) {
      if (worker.killAt !== undefined && now > worker.killAt) this.#kill(worker, 'SIGKILL')
    }
    if (this.#options.timeout > 0) this.#checkTimeouts(now)
    this.#dispatcher.tellLeft()
    this.#missOrphans()
    if (this.#refused > 0 && !this.#dispatcher.isFull) {
      this.#log.warn({ refused: this.#refused }, 'the queue has room again')
      this.#refused = 0
    }
    if (now > this.#killSpawnerAt) this.#spawner.kill()
  }

  /** A request over its time gets 504; its worker is aborted, with a traceback of every thread, then killed. */
  #checkTimeouts(now: number): void {
    const { timeout, threads } = this.#options
    const limit = process.hrtime.bigint() - BigInt(Math.round(timeout * 1e9))
    const grace = BigInt(ANSWERED_GRACE * 1e6)
    const entries =
      (Math.max(-1, ...[...this.#workers].map((worker) => worker.number)) + 1) * threads
    for (const { entry, id, since } of this.#dispatcher.scoreboard.executing(entries)) {
      const worker = this.#byNumber(Math.floor(entry / threads))
      if (since > limit || !worker) continue
      // its answer is out, yet the app goes on: in close(), for example
      const answered = !this.#dispatcher.fail(id, 'timeout')
      if (answered && (since > limit - grace || worker.killAt !== undefined)) continue
      this.#log.fatal({ request: id, seconds: timeout }, `WORKER TIMEOUT (pid:${worker.pid})`)
      if (worker.killAt !== undefined) continue
      worker.killAt = now + KILL_AFTER
      this.#kill(worker, 'SIGABRT')
    }
  }

  /** Workers of a spawner that died are nobody's children here: only their pid tells that they are gone. */
  #missOrphans(): void {
    for (const worker of [...this.#workers]) {
      if (!worker.isOrphan || isAlive(worker.pid)) continue
      const { pid, number } = worker
      const unknown = { code: null, signal: null, traceback: '' }
      this.#onExited({ event: 'exited', worker: number, pid, ...unknown })
    }
  }

  /** Leaving workers that wait in a read notice with their next slot. One round at a time is in the pipe. */
  #keepWaking(): void {
    if (this.#waking) return
    this.#waking = true
    this.#dispatcher.wakeAll(() => {
      setTimeout(() => {
        this.#waking = false
        if ([...this.#workers].some(isToWake)) this.#keepWaking()
      }, WAKE_EVERY)
    })
  }

  #countReaders(): void {
    const serving = [...this.#workers].filter((worker) => worker.takesWork).length
    this.#dispatcher.readers = serving * this.#options.threads
  }

  #byNumber(number: number): WorkerHandle | undefined {
    return [...this.#workers].find((worker) => worker.number === number)
  }

  #byPid(pid: number): WorkerHandle | undefined {
    return [...this.#workers].find((worker) => worker.pid === pid)
  }
}

function describeEnd(code: number | null, signal: number | null): string {
  if (signal !== null) return signalName(signal)
  return code === null ? 'an unknown cause: its spawner died before it' : `code ${code}`
}

function killOrphan(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

const isToWake = ({ state, replacement }: WorkerHandle) => state === 'leaving' && !replacement

interface Deferred {
  readonly promise: Promise<void>
  resolve(): void
  reject(error: unknown): void
}

/** A promise that is settled from outside; nobody need wait for it. */
function deferred(): Deferred {
  let resolve!: () => void
  let reject!: (error: unknown) => void
  const promise = new Promise<void>((yes, no) => {
    resolve = yes
    reject = no
  })
  promise.catch(() => {})
  return { promise, resolve, reject }
}
