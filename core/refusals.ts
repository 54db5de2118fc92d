import type { Socket } from 'node:net'
import type { Logger } from 'pino'

/** Between two lines about the same reason, in milliseconds: a flood of bad requests does not become one of lines. */
const QUIET = 60_000

/**
 * Logs what the engine turned away: each reason once, then at most once a minute with the number since. A reason is a
 * constant: what clients choose would make each one new.
 */
export class Refusals {
  readonly #seen = new Map<string, { at: number; since: number }>()

  log(log: Logger, status: number, reason: string, socket: Socket): void {
    const now = performance.now()
    const seen = this.#seen.get(reason)
    if (seen && now - seen.at < QUIET) {
      seen.since++
      return
    }
    const repeated = seen?.since ? { repeated: seen.since } : {}
    log.warn({ status, reason, from: nameOf(socket), ...repeated }, 'request refused')
    this.#seen.set(reason, { at: now, since: 0 })
  }
}

/** A socket that is gone has no address either. */
function nameOf({ remoteAddress, localAddress, destroyed }: Socket): string {
  const isUnix = !destroyed && localAddress === undefined
  return remoteAddress ?? (isUnix ? 'a Unix socket' : 'who has left')
}
