import type { Logger } from 'pino'
import type { Crew } from './crew.ts'
import type { Fronts, RequestName, Told } from './front.ts'
import type { Failure } from './job.ts'
import type { Executing, Scoreboard } from './scoreboard.ts'
import type { WorkerHandle } from './worker-handle.ts'

/** From SIGABRT, or the end of grace, to SIGKILL; in milliseconds. */
export const KILL_AFTER = 2000
/** A request that was answered at its time limit shows on the scoreboard for a moment; in milliseconds. */
const ANSWERED_GRACE = 1000

interface Watched {
  readonly crew: Crew
  readonly scoreboard: Scoreboard
  readonly fronts: Fronts
  readonly threads: number
  /** Seconds for one request; 0: no limit. */
  readonly timeout: number
  readonly log: Logger
  readonly kill: (worker: WorkerHandle, signal: NodeJS.Signals) => void
}

/** What workers execute, by the scoreboard: ends what died with its worker, and what is over its time. */
export class RequestWatch {
  readonly #pool: Watched

  constructor(pool: Watched) {
    this.#pool = pool
  }

  /** The requests that this worker was executing failed with it; all others go on. */
  failExecuted(worker: WorkerHandle, clean: boolean): void {
    const { scoreboard, threads, fronts, log } = this.#pool
    const from = worker.number * threads
    for (const request of scoreboard.executing(from + threads)) {
      if (request.entry < from) continue
      this.#fail(request, 'died', (waited, name) => {
        if (!waited) return
        const details = { worker: worker.pid, request: request.id, ...name }
        log.error(details, 'a request failed with its worker')
      })
    }
    scoreboard.clear(from, threads)
    if (!clean) for (const front of fronts.values()) front.searchLost()
  }

  /** A request over its time gets 504; its worker is aborted, with a traceback of every thread, then killed. */
  checkTimes(): void {
    const { crew, scoreboard, threads, timeout } = this.#pool
    if (timeout === 0) return
    const limit = process.hrtime.bigint() - BigInt(Math.round(timeout * 1e9))
    const entries = (Math.max(-1, ...crew.all.map((worker) => worker.number)) + 1) * threads
    for (const request of scoreboard.executing(entries)) {
      const worker = crew.byNumber(Math.floor(request.entry / threads))
      if (request.since > limit || !worker) continue
      this.#fail(request, 'timeout', (waited, name) =>
        this.#overTime(worker, request, limit, waited, name),
      )
    }
  }

  #overTime(
    worker: WorkerHandle,
    request: Executing,
    limit: bigint,
    waited: boolean,
    name: RequestName | undefined,
  ): void {
    const { log, timeout, kill } = this.#pool
    const isFresh = request.since > limit - BigInt(ANSWERED_GRACE * 1e6)
    // its answer is out, yet the app goes on: in close(), for example
    if (!waited && (isFresh || worker.killAt !== undefined)) return
    const details = { request: request.id, ...name, seconds: timeout }
    log.fatal(details, `WORKER TIMEOUT (pid:${worker.pid})`)
    if (worker.killAt !== undefined) return
    worker.killAt = performance.now() + KILL_AFTER
    kill(worker, 'SIGABRT')
  }

  /** Of a front that is gone nobody waits. */
  #fail({ front, id }: Executing, failure: Failure, told: Told): void {
    const waiting = this.#pool.fronts.get(front)
    if (waiting) waiting.fail(id, failure, told)
    else told(false)
  }
}
