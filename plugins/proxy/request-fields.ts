import type { IncomingMessage } from 'node:http'
import type { FieldNames } from './suspects.ts'

type Request = IncomingMessage & { forgetHeaders?(): void }

/** Where the fields of one name stand in `rawHeaders`. */
export type Found = Map<string, number[]>

/** The fields that are looked for, by name in lower case; undefined: the request has none of them. */
export function findFields(raw: readonly string[], names: FieldNames): Found | undefined {
  let found: Found | undefined
  for (let index = 0; index < raw.length; index += 2) {
    const name = names.find(raw[index] as string)
    if (name === undefined) continue
    found ??= new Map()
    const places = found.get(name)
    if (places) places.push(index)
    else found.set(name, [index])
  }
  return found
}

/** Changes to a request's fields, made all at once. */
export class FieldChanges {
  readonly #request: Request
  #removed: Set<number> | undefined
  #changed = false

  constructor(request: IncomingMessage) {
    this.#request = request
  }

  remove(places: Iterable<number>): void {
    this.#removed ??= new Set()
    for (const place of places) this.#removed.add(place)
  }

  set(place: number, value: string): void {
    const { rawHeaders } = this.#request
    if (rawHeaders[place + 1] === value) return
    rawHeaders[place + 1] = value
    this.#changed = true
    this.#setParsed(rawHeaders[place] as string, value)
  }

  add(name: string, value: string): void {
    this.#request.rawHeaders.push(name, value)
    this.#changed = true
    this.#setParsed(name, value)
  }

  apply(): void {
    const { rawHeaders } = this.#request
    if (this.#removed) {
      let kept = 0
      for (let index = 0; index < rawHeaders.length; index += 2) {
        if (this.#removed.has(index)) this.#setParsed(rawHeaders[index] as string, undefined)
        else {
          rawHeaders[kept++] = rawHeaders[index] as string
          rawHeaders[kept++] = rawHeaders[index + 1] as string
        }
      }
      rawHeaders.length = kept
    } else if (!this.#changed) return
    this.#request.forgetHeaders?.()
  }

  /** HTTP/2 has made its headers already. */
  #setParsed(name: string, value: string | undefined): void {
    if (this.#request.forgetHeaders) return
    const { headers } = this.#request
    if (value === undefined) delete headers[name.toLowerCase()]
    else headers[name.toLowerCase()] = value
  }
}
