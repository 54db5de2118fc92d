import type { Socket } from 'node:net'
import type { Limits } from '../http/limits.ts'
import { WriteRate } from '../http/write-rate.ts'

/** What is known of how a connection's answers leave. */
interface Leaving {
  readonly socket: Socket
  /** Something waits for the connection's window. */
  readonly isStarved: boolean
  readonly sendWindow: number
  /** Bytes of bodies that were sent since somebody looked. */
  sent: number
}

/** How quickly a client takes its answers: from the socket, and by the window that it opens for all of them. */
export class TakingRate {
  #socket: WriteRate | undefined = undefined
  #starvedSince = 0

  /** Whether the client takes too few of the bytes that it has asked for. */
  isTooSlow(leaving: Leaving, now: number, limits: Limits): boolean {
    const { socket } = leaving
    if (socket.writableLength === 0) this.#socket = undefined
    else {
      this.#socket ??= new WriteRate(socket, now)
      if (this.#socket.isTooSlow(socket, now, limits)) return true
    }
    return this.#isStarving(leaving, now, limits)
  }

  #isStarving(leaving: Leaving, now: number, { rateTime, readRate }: Limits): boolean {
    const time = now - this.#starvedSince
    if (!leaving.isStarved || leaving.sendWindow > 0) this.#starvedSince = 0
    else if (this.#starvedSince === 0) {
      this.#starvedSince = now
      leaving.sent = 0
    } else if (time >= rateTime) {
      if (leaving.sent < (readRate * time) / 1000) return true
      this.#starvedSince = 0
    }
    return false
  }
}
