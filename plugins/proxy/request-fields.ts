import type { IncomingMessage } from 'node:http'
import type { FieldNames } from './suspects.ts'

type Request = IncomingMessage & { forgetHeaders?(): void }

/** The fields of a request that were looked for; one is used again for all requests, as none is interrupted. */
export class Found {
  /** Of names in lower case, and of their places in `rawHeaders`, so many count. */
  count = 0
  readonly names: string[] = []
  readonly places: number[] = []

  /** @returns whether the request has any. */
  search(raw: readonly string[], names: FieldNames): boolean {
    let count = 0
    for (let index = 0; index < raw.length; index += 2) {
      const name = names.find(raw[index] as string)
      if (name === undefined) continue
      this.names[count] = name
      this.places[count++] = index
    }
    this.count = count
    return count > 0
  }

  has(name: string): boolean {
    for (let index = 0; index < this.count; index++) if (this.names[index] === name) return true
    return false
  }

  some(test: (name: string) => boolean): boolean {
    for (let index = 0; index < this.count; index++) {
      if (test(this.names[index] as string)) return true
    }
    return false
  }

  placesOf(name: string): number[] {
    const places: number[] = []
    for (let index = 0; index < this.count; index++) {
      if (this.names[index] === name) places.push(this.places[index] as number)
    }
    return places
  }
}

/** Changes to a request's fields, made all at once. */
export class FieldChanges {
  readonly #request: Request
  #removed: Set<number> | undefined
  #changed = false

  constructor(request: IncomingMessage) {
    this.#request = request
  }

  /** Whether the fields are other ones than were sent. */
  get areAny(): boolean {
    return this.#changed || this.#removed !== undefined
  }

  remove(places: Iterable<number>): void {
    for (const place of places) {
      this.#removed ??= new Set()
      this.#removed.add(place)
    }
  }

  set(place: number, value: string): void {
    const { rawHeaders } = this.#request
    if (rawHeaders[place + 1] === value) return
    rawHeaders[place + 1] = value
    this.#changed = true
  }

  add(name: string, value: string): void {
    this.#request.rawHeaders.push(name, value)
    this.#changed = true
  }

  apply(): void {
    if (!this.areAny) return
    if (this.#removed) this.#compact(this.#removed)
    this.#request.forgetHeaders?.()
  }

  #compact(removed: ReadonlySet<number>): void {
    const { rawHeaders } = this.#request
    let kept = 0
    for (let index = 0; index < rawHeaders.length; index += 2) {
      if (removed.has(index)) continue
      rawHeaders[kept++] = rawHeaders[index] as string
      rawHeaders[kept++] = rawHeaders[index + 1] as string
    }
    rawHeaders.length = kept
  }
}
