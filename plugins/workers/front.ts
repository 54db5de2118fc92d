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
  /** A request that will get no answer. `told`: whether anybody still waited for it. */
  fail(id: number, failure: Failure, told?: (waited: boolean) => void): void
  /** A worker has died: what it took and had not begun has to be found. */
  searchLost(): void
}

/** By the number that slots and the scoreboard name it by. */
export type Fronts = ReadonlyMap<number, Front>
