import type { Crew } from './crew.ts'
import type { Dispatcher } from './dispatcher.ts'

/** Milliseconds between two rounds. */
const WAKE_EVERY = 20

/** Wakes workers that are leaving, but wait in a read: they notice with their next slot. One round at a time is in the pipe. */
export class Waker {
  readonly #crew: Crew
  readonly #orders: Pick<Dispatcher, 'wakeAll'>
  #waking = false

  constructor(crew: Crew, orders: Pick<Dispatcher, 'wakeAll'>) {
    this.#crew = crew
    this.#orders = orders
  }

  /** Goes on until nobody is leaving any more. */
  start(): void {
    if (this.#waking) return
    this.#waking = true
    this.#orders.wakeAll(() => {
      setTimeout(() => this.restart(), WAKE_EVERY)
    })
  }

  /** A round has ended; perhaps with the worker that read its last slot. */
  restart(): void {
    this.#waking = false
    if (this.#crew.hasLeaving) this.start()
  }
}
