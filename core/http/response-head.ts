import { STATUS_CODES } from 'node:http'
import { inOnePiece } from '../one-piece.ts'

/** An error as node:http throws it: libraries look at the code. */
export function nodeError(Kind: ErrorConstructor, code: string, message: string): Error {
  return Object.assign(new Kind(message), { code })
}

/** What the engine must know of a field that the application sets. */
export type FieldKind =
  | 'plain'
  | 'length'
  | 'coding'
  | 'connection'
  | 'date'
  | 'trailer'
  | 'keepAlive'
  | 'cookie'

const KINDS: Record<string, FieldKind> = {
  'content-length': 'length',
  'transfer-encoding': 'coding',
  connection: 'connection',
  date: 'date',
  trailer: 'trailer',
  'keep-alive': 'keepAlive',
  cookie: 'cookie',
}

/** A field name that is known to be valid, with the line that it was last seen in. */
export interface FieldName {
  readonly kind: FieldKind
  readonly lower: string
  readonly prefix: string
  value: string
  line: string
}

const NAME = /^[-!#$%&'*+.^_`|~0-9A-Za-z]+$/
const NO_VALUE = /[^\t\x20-\x7e\x80-\xff]/
const names = new Map<string, FieldName>()
const MAX_NAMES = 500
/** Longer values are seldom the same twice. */
const MAX_KEPT_VALUE = 128

/** @throws where this is no field name. */
export function fieldName(name: string): FieldName {
  const known = names.get(name)
  if (known !== undefined) return known
  checkName(name, 'Header name')
  const lower = name.toLowerCase()
  const field = { kind: KINDS[lower] ?? 'plain', lower, prefix: `${name}: `, value: '', line: '' }
  if (names.size < MAX_NAMES) names.set(name, field)
  return field
}

/** The line of one value. @throws where the value cannot stand in a field. */
export function fieldLine(field: FieldName, value: unknown): string {
  if (value === field.value && field.line !== '') return field.line
  const text = checkValue(field.lower, value)
  const line = `${field.prefix}${text}\r\n`
  if (text.length <= MAX_KEPT_VALUE && value === text) {
    field.value = text
    field.line = line
  }
  return line
}

export function checkName(name: unknown, label: string): void {
  if (typeof name === 'string' && NAME.test(name)) return
  throw nodeError(
    TypeError,
    'ERR_INVALID_HTTP_TOKEN',
    `${label} must be a valid HTTP token ["${String(name)}"]`,
  )
}

/** @returns the value as text. */
export function checkValue(name: string, value: unknown): string {
  if (value === undefined) {
    const message = `Invalid value "undefined" for header "${name}"`
    throw nodeError(TypeError, 'ERR_HTTP_INVALID_HEADER_VALUE', message)
  }
  const text = typeof value === 'string' ? value : String(value)
  if (NO_VALUE.test(text)) {
    const message = `Invalid character in header content ["${name}"]`
    throw nodeError(TypeError, 'ERR_INVALID_CHAR', message)
  }
  return text
}

const statusLines: (string | undefined)[] = []

/** @throws where the reason phrase cannot stand in a status line. */
export function statusLine(status: number, reason: string | undefined): string {
  const usual = STATUS_CODES[status] ?? 'unknown'
  if (reason !== undefined && reason !== usual) {
    if (NO_VALUE.test(reason)) {
      throw nodeError(TypeError, 'ERR_INVALID_CHAR', 'Invalid character in statusMessage')
    }
    return `HTTP/1.1 ${status} ${reason}\r\n`
  }
  const known = statusLines[status]
  if (known !== undefined) return known
  const line = inOnePiece(`HTTP/1.1 ${status} ${usual}\r\n`)
  statusLines[status] = line
  return line
}

let dateSecond = 0
let dateText = ''

/** The Date line; made anew once a second, by the clock that the engine keeps. */
export function dateLine(): string {
  if (dateText === '') refreshDate()
  return dateText
}

export function refreshDate(): void {
  const now = Date.now()
  const second = Math.floor(now / 1000)
  if (second === dateSecond) return
  dateSecond = second
  dateText = inOnePiece(`Date: ${new Date(now).toUTCString()}\r\n`)
}
