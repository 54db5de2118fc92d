import type { Crew } from './crew.ts'
import type { Dispatcher } from './dispatcher.ts'
import { KIND } from './slot.ts'

/** Milliseconds between two rounds. */
const WAKE_EVERY = 20

/** Wakes workers that are leaving, but wait in a read: they notice with their next slot. One round at a time is in the pipe. */
export class Waker {
  readonly #crew: Crew
  readonly #orders: Pick<Dispatcher, 'wakeAll'>
  #kind: number = KIND.wake
  #waking = false

  constructor(crew: Crew, orders: Pick<Dispatcher, 'wakeAll'>) {
    this.#crew = crew
    this.#orders = orders
  }

  /** All are to leave: whoever reads a slot does. One round may not reach each of many threads, the next ones do. */
  stopAll(): void {
    this.#kind = KIND.stop
    this.#waking = false
    this.start()
  }

  /** Goes on until nobody is leaving any more. */
  start(): void {
    if (this.#waking) return
    this.#waking = true
    this.#orders.wakeAll(this.#kind, () => {
      setTimeout(() => this.restart(), WAKE_EVERY)
    })
  }

  /** A round has ended; perhaps with the worker that read its last slot. */
  restart(): void {
    this.#waking = false
    if (this.#crew.hasLeaving) this.start()
  }
}
