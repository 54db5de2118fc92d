import { clock } from './clock.ts'
import type { Finished } from './hooks.ts'
import type { EngineResponse } from './http/door.ts'

/** How often the two clocks are compared, in milliseconds: the time of day may be set. */
const COMPARE = 1000

/** What is told of a response that was measured from the start. */
export class FinishedRequest implements Finished {
  readonly statusCode: number
  readonly bytes: number
  readonly milliseconds: number
  readonly completed: boolean
  readonly timestamp: number

  constructor(response: EngineResponse) {
    const { startedAt } = response
    const now = clock.now()
    this.statusCode = response.statusCode
    this.bytes = response.bodyBytes
    this.milliseconds = now - startedAt
    this.completed = response.writableFinished
    this.timestamp = Math.floor(startedAt + sinceEpoch(now))
  }

  get time(): Date {
    return new Date(this.timestamp)
  }
}

let origin = 0
let comparedAt = Number.NEGATIVE_INFINITY

/** When `performance.now()` was 0, in milliseconds since 1970. To look at one clock for each request is enough. */
function sinceEpoch(now: number): number {
  if (now - comparedAt >= COMPARE) {
    comparedAt = now
    origin = Date.now() - now
  }
  return origin
}
