import type { Field } from './field.ts'
import { STATIC } from './hpack-static.ts'

/** RFC 7541 §6.5.2: what it may have as long as nobody says otherwise, and the server never does. */
export const TABLE_SIZE = 4096
/** So many entries of the least size fit. */
const SLOTS = 128

/** The table of a client's fields (RFC 7541 §2.3): a ring, so that nothing moves when one is added. */
export class HpackTable {
  /** Made when the first entry comes. */
  #slots: (Field | undefined)[] | undefined
  /** Where the newest is. */
  #newest = 0
  #count = 0
  #size = 0
  #limit = TABLE_SIZE

  /** @returns undefined where there is none. */
  get(index: number): Field | undefined {
    if (index < STATIC.length) return index === 0 ? undefined : STATIC[index]
    const place = index - STATIC.length
    if (place >= this.#count) return undefined
    return (this.#slots as Field[])[(this.#newest - place) & (SLOTS - 1)]
  }

  /** One that is too large empties the table (RFC 7541 §4.4). */
  add(field: Field): void {
    this.#makeRoom(this.#limit - field.size)
    if (field.size > this.#limit) return
    this.#slots ??= new Array(SLOTS)
    this.#newest = (this.#newest + 1) & (SLOTS - 1)
    this.#slots[this.#newest] = field
    this.#count++
    this.#size += field.size
  }

  /** @returns false where the client takes more than it may. */
  resize(limit: number): boolean {
    if (limit > TABLE_SIZE) return false
    this.#limit = limit
    this.#makeRoom(limit)
    return true
  }

  #makeRoom(limit: number): void {
    while (this.#size > limit && this.#count > 0) {
      const oldest = (this.#newest - --this.#count) & (SLOTS - 1)
      const slots = this.#slots as (Field | undefined)[]
      this.#size -= (slots[oldest] as Field).size
      slots[oldest] = undefined
    }
  }
}
