import { ServerResponse } from 'node:http'
import type { PreparedHead } from './prepared-head.ts'
import {
  checkValue,
  type FieldName,
  fieldLine,
  fieldName,
  nodeError,
  statusLine,
} from './response-head.ts'

export type HeaderValue = number | string | readonly string[]
export type Headers = Record<string, HeaderValue | undefined> | readonly unknown[]
type HeaderMap = Record<string, [name: string, value: HeaderValue]>

/** Status and fields of a response, up to the head as it will be sent. */
export class ResponseFields {
  statusCode = 200
  statusMessage: string | undefined = undefined
  sendDate = true
  /** Status line and fields as they will be sent, without framing; undefined before writeHead. */
  protected lines: string | undefined = undefined
  protected hasBody: boolean
  /** Of the body, by the application's Content-Length; -1 without. */
  protected declared = -1
  protected codingGiven = false
  protected dateGiven = false
  protected closeGiven = false
  protected trailerGiven = false
  /** By lower-case name, what setHeader was given. */
  #headers: HeaderMap | undefined = undefined
  /** What writeHead was given, where that is all. */
  #given: Headers | undefined = undefined
  #removed: Set<string> | undefined = undefined

  constructor(hasBody: boolean) {
    this.hasBody = hasBody
  }

  get headersSent(): boolean {
    return this.lines !== undefined
  }

  /** For middleware that looks whether the head is made. */
  get _header(): string | null {
    return this.lines ?? null
  }
  setHeader(name: string, value: HeaderValue): this {
    this.#mustBeOpen('set')
    const field = fieldName(name)
    checkValues(field.lower, value)
    this.#headers ??= Object.create(null) as HeaderMap
    this.#headers[field.lower] = [name, value]
    return this
  }

  setHeaders(headers: Iterable<[string, HeaderValue]>): this {
    this.#mustBeOpen('set')
    const isCollection = typeof (headers as { get?: unknown } | undefined)?.get === 'function'
    if (!isCollection || Array.isArray(headers)) {
      throw nodeError(
        TypeError,
        'ERR_INVALID_ARG_TYPE',
        'The "headers" argument must be an instance of Headers or Map.',
      )
    }
    const cookies: string[] = []
    for (const [name, value] of headers) {
      if (name === 'set-cookie') cookies.push(...([value].flat() as string[]))
      else this.setHeader(name, value)
    }
    if (cookies.length > 0) this.setHeader('set-cookie', cookies)
    return this
  }

  appendHeader(name: string, value: string | readonly string[]): this {
    this.#mustBeOpen('append')
    const before = this.#headers?.[fieldName(name).lower]
    if (before === undefined) return this.setHeader(name, value)
    return this.setHeader(before[0], [before[1], value].flat() as string[])
  }

  /** Also finds what was given to writeHead. */
  getHeader(name: string): HeaderValue | undefined {
    const lower = name.toLowerCase()
    if (this.#headers !== undefined) return this.#headers[lower]?.[1]
    return this.#given === undefined ? undefined : findGiven(this.#given, lower)
  }

  getHeaderNames(): string[] {
    return this.#headers === undefined ? [] : Object.keys(this.#headers)
  }

  getRawHeaderNames(): string[] {
    return Object.values(this.#headers ?? {}).map(([name]) => name)
  }

  getHeaders(): Record<string, HeaderValue> {
    const headers: Record<string, HeaderValue> = Object.create(null)
    if (this.#headers !== undefined) {
      for (const name in this.#headers)
        headers[name] = (this.#headers[name] as HeaderMap[string])[1]
    }
    return headers
  }

  hasHeader(name: string): boolean {
    return this.#headers?.[name.toLowerCase()] !== undefined
  }

  removeHeader(name: string): void {
    this.#mustBeOpen('remove')
    const lower = name.toLowerCase()
    if (lower === 'date') this.sendDate = false
    this.#removed ??= new Set()
    this.#removed.add(lower)
    if (this.#headers !== undefined) delete this.#headers[lower]
  }

  writeHead(statusCode: number, reason?: string | Headers, headers?: Headers): this {
    this.#mustBeOpen('write')
    const status = statusCode | 0
    if (status < 100 || status > 999) {
      const message = `Invalid status code: ${statusCode}`
      throw nodeError(RangeError, 'ERR_HTTP_INVALID_STATUS_CODE', message)
    }
    const given = typeof reason === 'string' ? headers : (headers ?? reason)
    const message = typeof reason === 'string' ? reason : this.statusMessage
    const lines = statusLine(status, message)
    const fields = this.#renderWhole(given)
    this.statusCode = status
    this.statusMessage = message ?? lines.slice(13, -2)
    if (status < 200 || status === 204 || status === 304) this.hasBody = false
    this.#given = given ?? undefined
    this.lines = lines + fields
    return this
  }

  /** As writeHead, with what was rendered before. */
  protected writePrepared(head: PreparedHead): void {
    // somebody has added fields, or wants to see those of others
    if (this.#headers !== undefined || this.writeHead !== ResponseFields.prototype.writeHead) {
      this.writeHead(head.statusCode, head.fields)
      return
    }
    this.#mustBeOpen('write')
    this.statusCode = head.statusCode
    this.statusMessage = undefined
    if (head.statusCode === 204 || head.statusCode === 304) this.hasBody = false
    this.#given = head.fields
    this.lines = head.lines
  }

  writeHeader(statusCode: number, reason?: string | Headers, headers?: Headers): this {
    return this.writeHead(statusCode, reason, headers)
  }

  _implicitHeader(): void {
    this.writeHead(this.statusCode)
  }

  /** Whether the application has said that it wants none of this name. */
  protected isRemoved(lower: string): boolean {
    return this.#removed?.has(lower) === true
  }

  #mustBeOpen(what: string): void {
    if (this.lines === undefined) return
    throw nodeError(
      Error,
      'ERR_HTTP_HEADERS_SENT',
      `Cannot ${what} headers after they are sent to the client`,
    )
  }

  /** What is refused leaves nothing behind: another head may follow, as that of a page that says so. */
  #renderWhole(given: Headers | undefined): string {
    try {
      return this.#headers === undefined ? this.#render(given) : this.#renderAll(given)
    } catch (error) {
      this.declared = -1
      this.codingGiven = false
      this.dateGiven = false
      this.closeGiven = false
      this.trailerGiven = false
      throw error
    }
  }

  /** Fields that were given to writeHead alone. */
  #render(given: Headers | undefined): string {
    let lines = ''
    if (given === undefined || given === null) return lines
    if (Array.isArray(given)) {
      const pairs = Array.isArray(given[0]) ? given.flat(1) : given
      if (pairs.length % 2 !== 0) {
        throw nodeError(TypeError, 'ERR_INVALID_ARG_VALUE', 'headers must be pairs')
      }
      for (let index = 0; index < pairs.length; index += 2) {
        lines += this.#field(pairs[index] as string, pairs[index + 1])
      }
      return lines
    }
    const object = given as Record<string, unknown>
    for (const name in object) lines += this.#field(name, object[name])
    return lines
  }

  /** Those of setHeader, too; what writeHead is given replaces them. */
  #renderAll(given: Headers | undefined): string {
    const headers = this.#headers as HeaderMap
    if (Array.isArray(given)) {
      const pairs = (Array.isArray(given[0]) ? given.flat(1) : given) as unknown[]
      for (let index = 0; index < pairs.length; index += 2) {
        delete headers[String(pairs[index]).toLowerCase()]
      }
      return this.#renderMap() + this.#render(pairs)
    }
    for (const name in given as Record<string, HeaderValue> | undefined) {
      this.setHeader(name, (given as Record<string, HeaderValue>)[name] as HeaderValue)
    }
    return this.#renderMap()
  }

  #renderMap(): string {
    let lines = ''
    const headers = this.#headers as HeaderMap
    for (const lower in headers) {
      const [name, value] = headers[lower] as HeaderMap[string]
      lines += this.#field(name, value)
    }
    return lines
  }

  #field(name: string, value: unknown): string {
    const field = fieldName(name)
    if (field.kind === 'plain' && typeof value === 'string') return fieldLine(field, value)
    if (Array.isArray(value)) return this.#fieldArray(field, value)
    return field.kind === 'plain' ? fieldLine(field, value) : this.#framingField(field, value)
  }

  #fieldArray(field: FieldName, values: readonly unknown[]): string {
    if (field.kind === 'cookie') return fieldLine(field, values.join('; '))
    if (field.kind !== 'plain') return this.#framingField(field, values.join(', '))
    let lines = ''
    for (const value of values) lines += fieldLine(field, value)
    return lines
  }

  /** Fields that say where the message or the connection ends are the engine's: it writes them by what it knows. */
  #framingField(field: FieldName, value: unknown): string {
    const text = checkValue(field.lower, value)
    switch (field.kind) {
      case 'length':
        if (!/^\d{1,15}$/.test(text)) {
          const message = `Invalid value "${text}" for header "Content-Length"`
          throw nodeError(TypeError, 'ERR_HTTP_INVALID_HEADER_VALUE', message)
        }
        this.declared = Number(text)
        return ''
      case 'coding':
        this.codingGiven = /\bchunked\b/i.test(text)
        return ''
      case 'connection':
        if (/\bclose\b/i.test(text)) this.closeGiven = true
        return /^(?:close|keep-alive)$/i.test(text.trim()) ? '' : fieldLine(field, text)
      case 'keepAlive':
        return ''
      case 'date':
        this.dateGiven = true
        return fieldLine(field, text)
      case 'trailer':
        this.trailerGiven = true
        return fieldLine(field, text)
      default:
        return fieldLine(field, text)
    }
  }
}
Object.setPrototypeOf(ResponseFields.prototype, ServerResponse.prototype)

function checkValues(name: string, value: unknown): void {
  for (const each of Array.isArray(value) ? value : [value]) checkValue(name, each)
}

function findGiven(given: Headers, lower: string): HeaderValue | undefined {
  if (Array.isArray(given)) {
    const index = given.findIndex(
      (each, at) => at % 2 === 0 && String(each).toLowerCase() === lower,
    )
    return index < 0 ? undefined : (given[index + 1] as HeaderValue)
  }
  const object = given as Record<string, HeaderValue | undefined>
  if (object[lower] !== undefined) return object[lower]
  const name = Object.keys(object).find((each) => each.toLowerCase() === lower)
  return name === undefined ? undefined : object[name]
}
