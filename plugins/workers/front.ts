import type { Failure } from './job.ts'

/**
 * Who hands requests to a pool's workers, as their supervisor sees it. In one process that is the dispatcher itself,
 * and `told` is called before `fail` returns.
 */
export interface Front {
  /** How many worker threads read the pipe. */
  readers: number
  /** The pipes exist: requests may go out. */
  open(): void
  /** A request that will get no answer. `told`: whether anybody still waited for it, and which it was. */
  fail(id: number, failure: Failure, told?: Told): void
  /** A worker has died: what it took and had not begun has to be found. */
  searchLost(): void
}

export type Told = (waited: boolean, request?: RequestName) => void

/** What a request is called in the log. */
export interface RequestName {
  readonly method: string
  readonly url: string
}

/** By the number that slots and the scoreboard name it by. */
export type Fronts = ReadonlyMap<number, Front>
