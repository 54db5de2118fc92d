import { inOnePiece } from '../one-piece.ts'
import { dateLine, fieldLine, fieldName, nodeError, statusLine } from './response-head.ts'

/** Status line and fields of an answer that is sent again and again: checked and rendered once. */
export interface PreparedHead {
  readonly statusCode: number
  /** Names and values in turn. */
  readonly fields: readonly string[]
  readonly lines: string
}

/**
 * Date, and the fields that frame the body, are the engine's: it adds them when the answer is sent.
 * @throws where a field cannot be sent, or is the engine's.
 */
export function prepareHead(statusCode: number, fields: readonly string[]): PreparedHead {
  let lines = statusLine(statusCode, undefined)
  for (let index = 0; index < fields.length; index += 2) {
    const field = fieldName(fields[index] as string)
    if (field.kind !== 'plain') {
      const message = `"${field.lower}" cannot be in a prepared head`
      throw nodeError(TypeError, 'ERR_HTTP_INVALID_HEADER_VALUE', message)
    }
    lines += fieldLine(field, fields[index + 1])
  }
  return { statusCode, fields, lines: inOnePiece(lines) }
}

/** A whole answer to a GET that is sent again and again, and the same to everybody. `body` is latin-1. */
export class PreparedAnswer {
  readonly #head: PreparedHead
  readonly #body: string
  #date = ''
  #text = ''

  constructor(head: PreparedHead, body = '') {
    this.#head = head
    this.#body = body
  }

  /** As it is sent at present over HTTP/1.1, on a connection that stays open. */
  get text(): string {
    const date = dateLine()
    if (date !== this.#date) {
      this.#date = date
      this.#text = this.#render(date)
    }
    return this.#text
  }

  #render(date: string): string {
    const { statusCode, lines } = this.#head
    const length = statusCode === 304 ? '' : `Content-Length: ${this.#body.length}\r\n`
    const body = statusCode === 304 ? '' : this.#body
    return inOnePiece(`${lines}${date}${length}\r\n${body}`)
  }
}
