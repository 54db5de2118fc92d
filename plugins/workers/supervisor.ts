import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { Crew } from './crew.ts'
import { deferred } from './deferred.ts'
import type { Dispatcher } from './dispatcher.ts'
import { WorkerFailed } from './errors.ts'
import type { Fronts } from './front.ts'
import { WorkerOutputs } from './output.ts'
import { describeEnd, logExit, logSize, passOn } from './reports.ts'
import { KILL_AFTER, RequestWatch } from './request-watch.ts'
import type { Scoreboard } from './scoreboard.ts'
import { isAlive, signalNumber } from './signals.ts'
import { type EventOf, type Runtime, Spawner, type SpawnerEvent } from './spawner.ts'
import { StoppedWatch } from './stopped-watch.ts'
import { Waker } from './waker.ts'
import type { WorkerHandle } from './worker-handle.ts'

export interface SupervisorOptions {
  readonly count: number
  readonly threads: number
  /** Seconds for one request; 0: no limit. */
  readonly timeout: number
  readonly gracefulTimeout: number
  readonly maxRequests: number
  readonly maxRequestsJitter: number
  /** Bytes past which a worker is replaced; 0: none. */
  readonly maxWorkerMemory: number
  readonly preload: boolean
  /** What the processes print goes to the log. */
  readonly captureOutput: boolean
  readonly generation: number
  /** The pool's files are gone, and with them the way for new workers; another pool is needed. */
  readonly lost: () => void
}

/** What a supervisor works with; others see to its end. */
export interface Workplace {
  /** Path of the runtime directory. */
  readonly directory: string
  readonly scoreboard: Scoreboard
  /** Who hands requests to the workers. */
  readonly fronts: Fronts
  /** The one of them that also writes the slots that are orders to workers. */
  readonly orders: Pick<Dispatcher, 'wakeAll'>
}

/** With those that are leaving, no more than the scoreboard has entries for. */
const MOST_THREADS = 2048
/** Workers of a reload that boot at a time: imports compute, and others are answering requests meanwhile. */
const BOOTING_BESIDE = Math.max(1, Math.floor(availableParallelism() / 2))
/** One coarse wheel for all time limits, in milliseconds. */
const TICK = 250
/** Every new worker opens them; they are there before the first one is. */
const FILES = ['scoreboard', 'bodies']
/** Between two attempts to boot a worker that keeps dying: doubled each time, up to the last. */
const FIRST_BACK_OFF = 100
const LAST_BACK_OFF = 10_000

/** Starts the workers of a pool, watches over them, replaces them, stops them. Knows no language and no request. */
export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #runtime: Runtime
  readonly #log: Logger
  readonly #place: Workplace
  readonly #crew = new Crew()
  readonly #watch: RequestWatch
  readonly #stoppedWatch: StoppedWatch
  readonly #waker: Waker
  readonly #outputs: WorkerOutputs | undefined
  #spawner!: Spawner
  /** How many workers there are to be now. */
  #count: number
  /** The fronts of which the spawner was told when it started. */
  #known: readonly number[] = []
  #failures = 0
  #timer: NodeJS.Timeout | undefined
  #isReady = false
  #stopping = false
  #isLost = false
  #ended = false
  /** When the spawner itself must be gone. */
  #killSpawnerAt = Number.POSITIVE_INFINITY
  #stopped: Promise<void> | undefined
  readonly #ready = deferred()
  readonly #emptied = deferred()

  constructor(options: SupervisorOptions, runtime: Runtime, log: Logger, place: Workplace) {
    this.#options = options
    this.#count = options.count
    this.#runtime = runtime
    this.#log = log
    this.#place = place
    this.#waker = new Waker(this.#crew, place.orders)
    if (options.captureOutput) this.#outputs = new WorkerOutputs(place.directory, log)
    this.#stoppedWatch = new StoppedWatch(options.timeout * 1000, log)
    this.#watch = new RequestWatch({
      crew: this.#crew,
      ...place,
      ...options,
      log,
      kill: (worker, signal) => this.#kill(worker, signal),
    })
  }

  get status() {
    const workers = this.#crew.all.map(({ number, pid, state }) => ({ number, pid, state }))
    return { workers, spawner: this.#spawner.pid }
  }

  /** Starts the processes without waiting for them. */
  launch(): void {
    this.#startSpawner()
    const { generation } = this.#options
    const count = this.#count
    const first = generation === 1 ? count : Math.min(count, BOOTING_BESIDE)
    for (let number = 0; number < first; number++) this.#spawn() // the others as these become ready
    this.#timer = setInterval(() => this.#tick(), TICK)
  }

  /** Resolves when the first worker of a first start, all workers of a reload, are ready to serve. */
  get ready(): Promise<void> {
    return this.#ready.promise
  }

  /** Has so many workers more, or fewer; at least one stays. Those that go finish what they execute. */
  resize(delta: number): void {
    const most = Math.floor(MOST_THREADS / this.#options.threads)
    const count = Math.max(1, Math.min(most, this.#count + delta))
    if (this.#stopping || count === this.#count) return
    this.#count = count
    this.#log.info({ workers: count }, 'the number of workers changes')
    while (this.#crew.staying.length < count) this.#spawn()
    while (this.#crew.staying.length > count) this.#sendAway()
  }

  /** The oldest one that serves; where none does, one that boots. */
  #sendAway(): void {
    const { staying } = this.#crew
    const worker = (staying.find(({ state }) => state === 'serving') ?? staying[0]) as WorkerHandle
    for (const old of this.#crew.all) if (old.replacement === worker) this.#dismiss(old)
    worker.state = 'leaving'
    this.#dismiss(worker)
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
    for (const worker of this.#crew.all) {
      if (worker.pid === 0 && this.#spawner.gone) this.#forget(worker)
      if (worker.state === 'booting') this.#kill(worker, 'SIGTERM')
      worker.state = 'leaving'
      worker.replacement = undefined
      worker.killAt = deadline
    }
    if (this.#crew.size === 0) this.#emptied.resolve()
    this.#waker.stopAll()
    this.#spawner?.send({ command: 'stop' })
    await this.#emptied.promise
    this.#end()
  }

  #end(): void {
    this.#ended = true
    clearInterval(this.#timer)
    this.#outputs?.close()
    this.#spawner?.close()
  }

  #startSpawner(): void {
    const { directory, fronts } = this.#place
    this.#known = [...fronts.keys()]
    const configuration = {
      ...describeRuntime(this.#runtime, this.#options),
      directory,
      fronts: this.#known,
    }
    this.#spawner = new Spawner(
      this.#runtime,
      configuration,
      (event) => this.#receive(event),
      (error) => this.#spawnerEnded(error),
      this.#options.captureOutput ? this.#log : undefined,
    )
  }

  /** Another front came in: `fronts` has it. */
  admit(number: number): void {
    this.#countReaders()
    this.#spawner.send({ command: 'front', front: number })
  }

  /** Their pipes are there; a spawner that replaces another finds them so. */
  #open(numbers: readonly number[]): void {
    for (const number of numbers) this.#place.fronts.get(number)?.open()
  }

  #receive(event: SpawnerEvent): void {
    if (event.event === 'started') this.#open(this.#known)
    else if (event.event === 'front') this.#open([event.front])
    else if (event.event === 'spawned') this.#onSpawned(event)
    else if (event.event === 'ready') this.#onReady(event)
    else if (event.event === 'failed') this.#onFailed(event)
    else if (event.event === 'leaving') this.#onLeaving(event)
    else if (event.event === 'exited')
      setImmediate(() => !this.#ended && this.#onExited(event)) // its last answers first
    else if (event.event === 'files') this.#runtime.watch?.(event.files)
    else if (event.event === 'log') passOn(this.#log, event)
  }

  #onSpawned({ worker, pid }: EventOf<'spawned'>): void {
    const handle = this.#crew.byNumber(worker)
    if (!handle) return
    handle.pid = pid
    this.#outputs?.open(worker, pid)
    if (this.#stopping) this.#kill(handle, 'SIGTERM')
    this.#log.info(`Booting worker with pid: ${pid}`)
  }

  #onReady({ pid }: EventOf<'ready'>): void {
    const handle = this.#crew.byPid(pid)
    if (handle?.state !== 'booting') return
    handle.state = 'serving'
    this.#failures = 0
    this.#countReaders()
    for (const old of this.#crew.all) {
      if (old.replacement === handle) this.#dismiss(old)
    }
    if (!this.#isReady && this.#crew.size < this.#count) this.#spawn()
    const serving = this.#crew.serving
    if (serving < (this.#options.generation === 1 ? 1 : this.#count)) return
    this.#isReady = true
    this.#ready.resolve()
  }

  #onFailed({ worker, exit, reason, traceback, pid }: EventOf<'failed'>): void {
    const error = Object.assign(new WorkerFailed(reason), { exitCode: exit, traceback })
    this.#ready.reject(error)
    if (this.#isReady) this.#log.error({ traceback, pid }, reason)
    if (worker === null) this.#failures++
  }

  #onLeaving({ pid, reason, size }: EventOf<'leaving'>): void {
    const handle = this.#crew.byPid(pid)
    if (!handle || this.#stopping) return
    const known = handle.state === 'leaving'
    handle.state = 'leaving'
    if (reason === 'max_requests' || reason === 'max_memory') {
      if (size) logSize(this.#log, pid, size, this.#options.maxWorkerMemory)
      if (!known) handle.replacement = this.#spawn() // serves on until that one is ready
      return
    }
    handle.replacement = undefined // leaves now, be that one ready or not
    handle.killAt ??= performance.now() + this.#options.gracefulTimeout * 1000
    this.#waker.start()
    if (!known) this.#spawn()
  }

  /** A worker whose replacement is here may go. */
  #dismiss(worker: WorkerHandle): void {
    worker.replacement = undefined
    worker.killAt = performance.now() + this.#options.gracefulTimeout * 1000
    this.#kill(worker, 'SIGTERM')
    this.#waker.start()
  }

  #onExited(event: EventOf<'exited'>): void {
    const { pid, worker, code, signal } = event
    const handle = this.#crew.byPid(pid) ?? this.#crew.byNumber(worker)
    if (!handle) return
    const expected = handle.state === 'leaving'
    const booted = handle.takesWork
    this.#forget(handle)
    this.#waker.restart()
    this.#watch.failExecuted(handle, expected && code === 0)
    logExit(this.#log, event, { expected, stopping: this.#stopping })
    if (this.#stopping) return this.#crew.size === 0 ? this.#emptied.resolve() : undefined
    if (!booted) this.#bootFailed(handle, code, signal)
    else if (!expected) this.#spawn()
    else if (this.#crew.size < this.#count) this.#spawn()
  }

  #forget(handle: WorkerHandle): void {
    this.#crew.remove(handle)
    this.#countReaders()
  }

  /** A worker that never became ready: at the first start this ends the server, later it is tried again, slower. */
  #bootFailed(handle: WorkerHandle, code: number | null, signal: number | null): void {
    const how = describeEnd(code, signal)
    const error = new WorkerFailed(`a worker ended while it started: ${how}`)
    this.#ready.reject(Object.assign(error, { exitCode: code === 4 ? 4 : 3 }))
    const delay = Math.min(FIRST_BACK_OFF * 2 ** this.#failures++, LAST_BACK_OFF)
    const timer = setTimeout(() => {
      if (this.#stopping) return
      const old = this.#crew.all.find(({ replacement }) => replacement === handle)
      if (old) old.replacement = this.#spawn()
      else if (this.#crew.size < this.#count) this.#spawn()
    }, delay)
    timer.unref()
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
      for (const worker of this.#crew.all) if (worker.pid === 0) this.#forget(worker)
      this.#startSpawner()
      for (const old of this.#crew.all) {
        if (old.replacement?.state === 'dead') old.replacement = this.#spawn()
      }
      while (this.#crew.size < this.#count) this.#spawn()
    }, delay)
    timer.unref()
  }

  /** The spawner has ended first: what it left is seen to its end by us. */
  #stopAlone(): void {
    this.#orphan()
    for (const worker of this.#crew.all) if (worker.pid === 0) this.#forget(worker)
    if (this.#crew.size === 0) this.#emptied.resolve()
  }

  #orphan(): void {
    for (const worker of this.#crew.all) worker.isOrphan = worker.pid !== 0
  }

  #spawn(): WorkerHandle {
    const handle = this.#crew.add()
    this.#spawner.send({ command: 'spawn', worker: handle.number })
    return handle
  }

  #kill(worker: WorkerHandle, signal: NodeJS.Signals): void {
    const { pid, isOrphan } = worker
    if (isOrphan) killOrphan(pid, signal)
    else if (pid !== 0) this.#spawner.send({ command: 'kill', pid, signal: signalNumber(signal) })
  }

  #tick(): void {
    const now = performance.now()
    for (const worker of this.#crew.all) {
      if (worker.killAt !== undefined && now > worker.killAt) this.#kill(worker, 'SIGKILL')
    }
    this.#watch.checkTimes()
    this.#stoppedWatch.check(now, () => this.#processes())
    this.#missOrphans()
    this.#missFiles()
    if (now > this.#killSpawnerAt) this.#spawner.kill()
  }

  *#processes(): Iterable<{ pid: number; kill(): void }> {
    for (const worker of this.#crew.all) {
      yield { pid: worker.pid, kill: () => this.#kill(worker, 'SIGKILL') }
    }
    yield { pid: this.#spawner.pid ?? 0, kill: () => this.#spawner.kill() }
  }

  /** Workers of a spawner that died are nobody's children here: only their pid tells that they are gone. */
  #missOrphans(): void {
    for (const worker of this.#crew.all) {
      if (!worker.isOrphan || isAlive(worker.pid)) continue
      const { pid, number } = worker
      const unknown = { code: null, signal: null, traceback: '' }
      this.#onExited({ event: 'exited', worker: number, pid, ...unknown })
    }
  }

  /** Who removes what lies in a folder for temporary files asks nobody. */
  #missFiles(): void {
    const { directory } = this.#place
    if (this.#isLost || this.#stopping || FILES.every((name) => existsSync(join(directory, name))))
      return
    this.#isLost = true
    this.#log.error({ directory }, 'the files of the workers were removed; the server reloads')
    this.#options.lost()
  }

  #countReaders(): void {
    const readers = this.#crew.serving * this.#options.threads
    for (const front of this.#place.fronts.values()) front.readers = readers
  }
}

/** What the spawner needs to know: docs/worker-protocol.md, "The spawner and its control socket". */
const describeRuntime = (runtime: Runtime, options: SupervisorOptions) => ({
  version: 1,
  threads: options.threads,
  workers: options.count,
  timeout: options.timeout,
  graceful_timeout: options.gracefulTimeout,
  max_requests: options.maxRequests,
  max_requests_jitter: options.maxRequestsJitter,
  max_worker_memory: options.maxWorkerMemory,
  preload: options.preload,
  capture_output: options.captureOutput,
  reap_orphans: process.pid === 1, // nobody else does, and Node waits for its own children only
  generation: options.generation,
  report_files: runtime.watch !== undefined,
  environ: runtime.environ,
  app: runtime.app,
})

function killOrphan(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
