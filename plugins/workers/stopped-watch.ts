import type { Logger } from 'pino'
import { isStopped } from './signals.ts'

/** Milliseconds between two looks. */
const LOOK_EVERY = 1000

/** A process that can be ended. */
interface Watched {
  readonly pid: number
  kill(): void
}

/** Ends processes that were stopped by a signal (SIGSTOP) and do not go on: no request need be waiting for them. */
export class StoppedWatch {
  readonly #patience: number
  readonly #log: Logger
  readonly #since = new Map<number, number>()
  #lookAt = 0

  /** `patience`: milliseconds that a process may be stopped; 0: for ever. */
  constructor(patience: number, log: Logger) {
    this.#patience = patience
    this.#log = log
  }

  check(now: number, processes: () => Iterable<Watched>): void {
    if (this.#patience === 0 || now < this.#lookAt) return
    this.#lookAt = now + Math.min(LOOK_EVERY, this.#patience)
    const before = new Map(this.#since)
    this.#since.clear()
    for (const process of processes()) {
      if (process.pid === 0 || !isStopped(process.pid)) continue
      const since = before.get(process.pid) ?? now
      this.#since.set(process.pid, since)
      if (now - since >= this.#patience) this.#end(process, now - since)
    }
  }

  #end(process: Watched, time: number): void {
    const seconds = Math.round(time / 1000)
    this.#log.fatal({ seconds }, `a process is stopped and is killed (pid:${process.pid})`)
    process.kill()
  }
}
