import type { PlainError } from '../../core/index.ts'
import type { RequestName } from './front.ts'
import type { Failure } from './job.ts'
import type { Runtime } from './spawner.ts'

/** From a front to the pool's supervisor. `pool` counts the pools of a generation: all fronts make the same ones. */
export type ToSupervisor = { readonly pool: number } & (
  | {
      readonly type: 'join'
      readonly pid: number
      readonly runtime: Omit<Runtime, 'watch'>
      /** Whether the front wants to hear of the app's files. */
      readonly watches: boolean
    }
  /** Whether somebody still waited for a request that the supervisor has failed, and which it was. */
  | {
      readonly type: 'told'
      readonly ticket: number
      readonly waited: boolean
      readonly request?: RequestName | undefined
    }
  /** It has no more requests. The workers end when all fronts have said so. */
  | { readonly type: 'leave'; readonly grace: number }
)

/** From the pool's supervisor to a front. */
export type ToFront = { readonly pool: number } & (
  | { readonly type: 'place'; readonly directory: string }
  | { readonly type: 'open' }
  | { readonly type: 'readers'; readonly count: number }
  | {
      readonly type: 'fail'
      readonly id: number
      readonly failure: Failure
      readonly ticket: number
    }
  | { readonly type: 'lost' }
  | { readonly type: 'files'; readonly files: readonly string[] }
  | { readonly type: 'ready' }
  | { readonly type: 'failed'; readonly error: PlainError }
  /** All workers are gone. */
  | { readonly type: 'ended' }
)

/** A message without the pool, which who sends it adds. */
export type Unaddressed<M> = M extends unknown ? Omit<M, 'pool'> : never
