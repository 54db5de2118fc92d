import type { ServerResponse } from 'node:http'
import { isWorthCompressing } from '../content-type.ts'

/** Shorter bodies do not become shorter. */
const LEAST_LENGTH = 1024
/** Without a body, or with a part of one. */
const UNFIT = new Set([204, 205, 206, 304])

type Given = Readonly<Record<string, unknown>> | readonly unknown[] | undefined

/** The fields of a head: those given to writeHead, and those set before. */
export class AnswerFields {
  /** Names and values in turn. */
  #given: unknown[]
  readonly #response: ServerResponse

  constructor(response: ServerResponse, given: Given) {
    this.#response = response
    this.#given = flatten(given)
  }

  get(name: string): string | undefined {
    const at = this.#given.findIndex((each, index) => index % 2 === 0 && isNamed(each, name))
    const value = at < 0 ? this.#response.getHeader(name) : this.#given[at + 1]
    return value === undefined ? undefined : String(value)
  }

  set(name: string, value: string): void {
    this.remove(name)
    this.#given.push(name, value)
  }

  remove(name: string): void {
    this.#given = this.#given.filter((_, index) => !isNamed(this.#given[index & ~1], name))
    if (this.#response.hasHeader(name)) this.#response.removeHeader(name)
  }

  toArray(): unknown[] {
    return this.#given
  }
}

/** Whether the answer is a text that may be changed, and long enough. */
export function isFit(status: number, fields: AnswerFields, length: number | undefined): boolean {
  if (status < 200 || UNFIT.has(status)) return false
  if (fields.get('content-encoding') !== undefined) return false
  if (!isWorthCompressing(fields.get('content-type') ?? '')) return false
  const known = Number(fields.get('content-length') ?? length ?? LEAST_LENGTH)
  return known >= LEAST_LENGTH && !/\bno-transform\b/i.test(fields.get('cache-control') ?? '')
}

/** Another client may get it in another form. */
export function addVary(fields: AnswerFields): void {
  const vary = fields.get('vary')
  if (vary !== undefined && /\*|\baccept-encoding\b/i.test(vary)) return
  fields.set('Vary', vary === undefined ? 'Accept-Encoding' : `${vary}, Accept-Encoding`)
}

/** The length is not known yet; bytes are not those that a strong tag stands for (RFC 9110 §8.8.3.3). */
export function describeCompressed(fields: AnswerFields, coding: string): void {
  const etag = fields.get('etag')
  if (etag?.startsWith('"')) fields.set('ETag', `W/${etag}`)
  fields.remove('content-length')
  fields.remove('accept-ranges')
  fields.set('Content-Encoding', coding)
}

function flatten(given: Given): unknown[] {
  if (given === undefined || given === null) return []
  if (Array.isArray(given)) return Array.isArray(given[0]) ? given.flat(1) : [...given]
  return Object.entries(given).flatMap(([name, value]) =>
    [value].flat().flatMap((each) => [name, each]),
  )
}

const isNamed = (each: unknown, name: string) => String(each).toLowerCase() === name.toLowerCase()
