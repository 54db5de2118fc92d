import { inspect } from 'node:util'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Hooks, ResponseHead } from './hooks.ts'
import { replyFields } from './reply-headers.ts'

/** Status and fields, names and values in turn, as the taps of `response` leave them. */
export function observeHead(
  { response }: Hooks,
  statusCode: number,
  fields: string[],
  request: FastifyRequest,
): { statusCode: number; fields: string[] } {
  const head = new ObservedHead(statusCode, fields)
  response.call(head, request)
  return { statusCode: head.statusCode, fields: ObservedHead.changed(head) ?? fields }
}

/**
 * A head as the taps of `response` see it. The pairs are made when a tap first looks at them: most look at other answers, and
 * what nobody has looked at need not be read back.
 */
export class ObservedHead implements ResponseHead {
  statusCode: number
  /** Who has the fields; once the pairs are made, names and values in turn. */
  #given: FastifyReply | readonly string[]
  #headers: ResponseHead['headers'] | undefined

  constructor(statusCode: number, given: FastifyReply | readonly string[]) {
    this.statusCode = statusCode
    this.#given = given
  }

  /** @returns names and values in turn, as the taps leave them; undefined where they are as before. */
  static changed(head: ObservedHead): string[] | undefined {
    const headers = head.#headers
    if (headers === undefined || isSame(headers, head.#given)) return undefined
    const left: string[] = []
    for (const [name, value] of headers) left.push(name, value) // several times as quick as flat()
    return left
  }

  get headers(): ResponseHead['headers'] {
    if (this.#headers === undefined) {
      const given = this.#given
      const fields = isReply(given) ? replyFields(given) : given
      this.#given = fields
      this.#headers = pairs(fields)
    }
    return this.#headers
  }

  set headers(headers: ResponseHead['headers']) {
    this.#headers = headers
  }

  toJSON(): ResponseHead {
    const { statusCode, headers } = this
    return { statusCode, headers }
  }

  [inspect.custom](): ResponseHead {
    return this.toJSON()
  }
}

const isReply = (given: FastifyReply | readonly string[]): given is FastifyReply => 'raw' in given

function pairs(fields: readonly string[]): [string, string][] {
  const found: [string, string][] = []
  for (let index = 0; index < fields.length; index += 2) {
    found.push([fields[index] as string, fields[index + 1] as string])
  }
  return found
}

function isSame(
  headers: ResponseHead['headers'],
  given: FastifyReply | readonly string[],
): boolean {
  if (isReply(given) || headers.length * 2 !== given.length) return false
  let at = 0
  for (const [name, value] of headers) {
    if (name !== given[at++] || value !== given[at++]) return false
  }
  return true
}
