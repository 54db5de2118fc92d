import type { IncomingMessage } from 'node:http'
import type { FieldName, FieldNames } from './field-names.ts'
import type { Role } from './roles.ts'

type Request = IncomingMessage & { forgetHeaders?(): void }

/** The fields of a request that were looked for; one is used again for all requests, as none is interrupted. */
export class Found {
  /** Of names, and of their places in `rawHeaders`, so many count. */
  count = 0
  readonly names: FieldName[] = []
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

  some(test: (name: FieldName) => boolean): boolean {
    for (let index = 0; index < this.count; index++) {
      if (test(this.names[index] as FieldName)) return true
    }
    return false
  }

  /** Each name once. */
  namesOf(role: Role): string[] {
    const names = this.names.slice(0, this.count).filter((each) => each.role === role)
    return [...new Set(names.map(({ name }) => name))]
  }

  /** Of all that were found. */
  valuesIn(raw: readonly string[]): string[] {
    return this.places.slice(0, this.count).map((place) => raw[place + 1] as string)
  }

  placesOf(name: string): number[] {
    const places: number[] = []
    for (let index = 0; index < this.count; index++) {
      if (this.names[index]?.name === name) places.push(this.places[index] as number)
    }
    return places
  }
}

/** Changes to a request's fields, made all at once. */
export class FieldChanges {
  readonly #request: Request
  readonly #removed = new Set<number>()
  #changed = false

  constructor(request: IncomingMessage) {
    this.#request = request
  }

  /** Whether a value is another one than was sent. */
  get areValues(): boolean {
    return this.#changed
  }

  /** Places of fields. */
  get removed(): ReadonlySet<number> {
    return this.#removed
  }

  remove(places: Iterable<number>): void {
    for (const place of places) this.#removed.add(place)
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
    if (this.#removed.size > 0) removeFields(this.#request, [...this.#removed])
    else if (this.#changed) this.#request.forgetHeaders?.()
  }
}

/** @param places of fields, at least one, in any order. */
export function removeFields(request: Request, places: readonly number[]): void {
  const { rawHeaders } = request
  let kept = Math.min(...places)
  for (let index = kept; index < rawHeaders.length; index += 2) {
    if (places.includes(index)) continue
    rawHeaders[kept++] = rawHeaders[index] as string
    rawHeaders[kept++] = rawHeaders[index + 1] as string
  }
  rawHeaders.length = kept
  request.forgetHeaders?.()
}
