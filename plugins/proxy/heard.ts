import type { Origin } from '../../core/index.ts'
import type { Found } from './request-fields.ts'

/** What was said last on a connection, and what followed from it. */
export class Heard {
  readonly origin: Origin | undefined
  readonly #names: readonly string[]
  readonly #values: readonly string[]

  constructor({ names, places, count }: Found, raw: readonly string[], origin: Origin | undefined) {
    this.origin = origin
    this.#names = names.slice(0, count)
    // they may hold the whole head in memory: that of one request for each connection of a proxy
    this.#values = places.slice(0, count).map((place) => raw[place + 1] as string)
  }

  /** Whether the same fields say the same again. */
  isOf({ names, places, count }: Found, raw: readonly string[]): boolean {
    if (count !== this.#names.length) return false
    for (let index = 0; index < count; index++) {
      if (names[index] !== this.#names[index]) return false
      if (raw[(places[index] as number) + 1] !== this.#values[index]) return false
    }
    return true
  }
}
