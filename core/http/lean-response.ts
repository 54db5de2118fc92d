import { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Owner } from './door.ts'
import type { LeanRequest } from './lean-request.ts'
import {
  checkName,
  checkValue,
  dateLine,
  type FieldName,
  fieldLine,
  fieldName,
  nodeError,
  statusLine,
} from './response-head.ts'

/** What a response needs of its connection. */
export interface AnswerSink {
  /** Called when the last bytes written by the response have left, or will never leave. */
  readonly flushed: (error?: Error | null) => void
  /** How often the connection itself has corked the socket, to write several answers at once. */
  readonly corks: number
  /** Whether nothing may follow this answer on the connection. */
  isLast(): boolean
  /** All of the answer has been written; `persistent`: another request may follow. */
  answered(response: LeanResponse, persistent: boolean): void
  /** Wants 'drain' when the client has taken what was written. */
  watchDrain(): void
  /** An interim answer was asked for: the client may go on. */
  continued(): void
  /** Ends the connection at once. */
  breakOff(error: Error | undefined, reset: boolean): void
}

type Callback = (error?: Error | null) => void
type HeaderValue = number | string | readonly string[]
type HeaderMap = Record<string, [name: string, value: HeaderValue]>
type Headers = Record<string, HeaderValue | undefined> | readonly unknown[]

/** Buffers up to here are copied behind their head, so that both go in one write. */
const JOIN_LIMIT = 16_384
const HIGH_WATER_MARK = 16_384
const nothing = () => {}
const endings = Buffer.from('\r\n')

/** A response as node:http gives it, which writes to its socket without a stream of its own. */
export class LeanResponse {
  declare on: NodeJS.EventEmitter['on']
  declare once: NodeJS.EventEmitter['once']
  declare _events: undefined
  declare _eventsCount: number
  declare _maxListeners: undefined
  /** Applications may put another in its place, as Express does. */
  req: LeanRequest
  readonly request: LeanRequest
  socket: Socket
  statusCode = 200
  statusMessage: string | undefined = undefined
  sendDate = true
  shouldKeepAlive: boolean
  strictContentLength = false
  /** `end` was called. */
  finished = false
  destroyed = false
  _closed = false
  _sent100 = false
  /** Body bytes that went, or go, to the client. */
  bodyBytes = 0
  /** When the head of the request was parsed, in `performance.now()` milliseconds; 0 where nobody measures. */
  startedAt = 0
  /** Told of the end. Spares a listener per request. */
  owner: Owner | undefined = undefined
  chunkedEncoding = false
  writable = true
  errored: Error | null = null
  #sink: AnswerSink | undefined
  /** By lower-case name, what setHeader was given. */
  #headers: HeaderMap | undefined = undefined
  /** What writeHead was given, where that is all. */
  #given: Headers | undefined = undefined
  /** Status line and fields as they will be sent, without framing; undefined before writeHead. */
  #lines: string | undefined = undefined
  #headSent = false
  /** Of the body, by the application's Content-Length; -1 without. */
  #declared = -1
  #codingGiven = false
  #dateGiven = false
  #closeGiven = false
  #trailerGiven = false
  #hasBody: boolean
  #needDrain = false
  #trailers = ''
  #flushed = false
  #persistent = true
  /** The body is not what the head says: nothing can follow it. */
  #mismatch = false
  #removed: Set<string> | undefined = undefined

  constructor(request: LeanRequest, socket: Socket, persistent: boolean, sink: AnswerSink) {
    this._events = undefined
    this._eventsCount = 0
    this._maxListeners = undefined
    this.req = request
    this.request = request
    this.socket = socket
    this.shouldKeepAlive = persistent
    this.#sink = sink
    this.#hasBody = request.method !== 'HEAD'
  }

  /** Whatever prototype it has been given. */
  static isLean(value: object): boolean {
    return #sink in value
  }

  get headersSent(): boolean {
    return this.#lines !== undefined
  }

  /** For middleware that looks whether the head is made. */
  get _header(): string | null {
    return this.#lines ?? null
  }

  get connection(): Socket {
    return this.socket
  }

  get writableEnded(): boolean {
    return this.finished
  }

  get writableFinished(): boolean {
    return this.#flushed
  }

  get writableLength(): number {
    return this.#sink === undefined ? 0 : this.socket.writableLength
  }

  get writableHighWaterMark(): number {
    return this.#sink === undefined ? HIGH_WATER_MARK : this.socket.writableHighWaterMark
  }

  get writableCorked(): number {
    return this.#sink === undefined ? 0 : this.socket.writableCorked
  }

  get writableNeedDrain(): boolean {
    return !this.destroyed && !this.finished && this.#needDrain
  }

  get writableObjectMode(): boolean {
    return false
  }

  get closed(): boolean {
    return this._closed
  }

  get _last(): boolean {
    return !this.#persistent
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
    if (typeof reason === 'string') this.statusMessage = reason
    const lines = statusLine(status, this.statusMessage)
    const fields = this.#headers === undefined ? this.#render(given) : this.#renderAll(given)
    this.statusCode = status
    this.statusMessage ??= lines.slice(13, -2)
    if (status < 200 || status === 204 || status === 304) this.#hasBody = false
    this.#given = given ?? undefined
    this.#lines = lines + fields
    return this
  }

  writeHeader(statusCode: number, reason?: string | Headers, headers?: Headers): this {
    return this.writeHead(statusCode, reason, headers)
  }

  _implicitHeader(): void {
    this.writeHead(this.statusCode)
  }

  flushHeaders(): void {
    if (this.#lines === undefined) this._implicitHeader()
    if (this.#headSent || this.#sink === undefined) return
    this.socket.write(this.#startBody(-1), 'latin1')
  }

  writeContinue(callback?: Callback): void {
    this._sent100 = true
    this.#sink?.continued()
    this.#interim('HTTP/1.1 100 Continue\r\n\r\n', callback)
  }

  writeProcessing(callback?: Callback): void {
    this.#interim('HTTP/1.1 102 Processing\r\n\r\n', callback)
  }

  writeEarlyHints(hints: Record<string, string | readonly string[]>, callback?: Callback): void {
    if (typeof hints !== 'object' || hints === null) {
      throw nodeError(
        TypeError,
        'ERR_INVALID_ARG_TYPE',
        'The "hints" argument must be of type object.',
      )
    }
    const links = [hints.link ?? []].flat()
    if (links.length === 0) return
    let text = `HTTP/1.1 103 Early Hints\r\nLink: ${checkValue('link', links.join(', '))}\r\n`
    for (const name of Object.keys(hints)) {
      if (name !== 'link') text += fieldLine(fieldName(name), hints[name])
    }
    this.#interim(`${text}\r\n`, callback)
  }

  write(chunk: unknown, encoding?: BufferEncoding | Callback | null, callback?: Callback): boolean {
    const done = typeof encoding === 'function' ? encoding : (callback ?? nothing)
    const coding = typeof encoding === 'string' ? encoding : undefined
    checkChunk(chunk)
    const error = this.#writeError()
    if (error) return this.#rejectWrite(error, done)
    if (this.#lines === undefined) this._implicitHeader()
    if (!this.#hasBody) {
      if (!this.#headSent) this.socket.write(this.#startBody(-1), 'latin1')
      process.nextTick(done)
      return true
    }
    const more = this.#writeBody(chunk as string | Uint8Array, coding, done)
    if (!more) {
      this.#needDrain = true
      this.#sink?.watchDrain()
    }
    return more
  }

  end(chunk?: unknown, encoding?: unknown, callback?: unknown): this {
    const done = [chunk, encoding, callback].find((each) => typeof each === 'function') as
      | Callback
      | undefined
    const coding = typeof encoding === 'string' ? (encoding as BufferEncoding) : undefined
    const body = typeof chunk === 'function' || chunk === null ? undefined : chunk
    if (this.finished) return this.#endAgain(body, done)
    if (body !== undefined) checkChunk(body)
    if (this.#lines === undefined) this._implicitHeader()
    if (done) this.#emitter.once('finish', done)
    this.#end(body === '' ? undefined : (body as string | Uint8Array | undefined), coding)
    return this
  }

  addTrailers(headers: Record<string, unknown> | readonly [string, unknown][]): void {
    const entries = Array.isArray(headers) ? headers : Object.entries(headers)
    this.#trailers = ''
    for (const [name, value] of entries as [string, unknown][]) {
      checkName(name, 'Trailer name')
      for (const each of [value].flat()) {
        this.#trailers += `${name}: ${checkValue(name, each)}\r\n`
      }
    }
  }

  cork(): void {
    if (this.#sink !== undefined) this.socket.cork()
  }

  uncork(): void {
    if (this.#sink !== undefined) this.socket.uncork()
  }

  setTimeout(milliseconds: number, callback?: () => void): this {
    if (callback) this.#emitter.on('timeout', callback)
    this.socket.setTimeout(milliseconds)
    return this
  }

  /** Breaks the answer off: the client sees that it is not whole. */
  destroy(error?: Error): this {
    if (this.destroyed) return this
    this.destroyed = true
    this.errored = error ?? null
    const untilClose =
      this.#headSent && this.#hasBody && !this.chunkedEncoding && this.#declared < 0
    this.#sink?.breakOff(error, untilClose)
    return this
  }

  assignSocket(): never {
    throw new Error('a response of the engine has its socket from the start')
  }

  detachSocket(): void {}

  pipe(): void {
    this.#emitter.emit(
      'error',
      nodeError(Error, 'ERR_STREAM_CANNOT_PIPE', 'Cannot pipe, not readable'),
    )
  }

  /** The last byte has gone to the kernel. */
  flushed(): void {
    this.#flushed = true
    this.writable = false
    this.#sink = undefined
    if (this._eventsCount > 0) this.#emitter.emit('finish')
    this.close()
  }

  /** Nothing more can be sent. */
  close(): void {
    if (this._closed) return
    this._closed = true
    this.destroyed = true
    this.#sink = undefined
    if (this._eventsCount > 0) this.#emitter.emit('close')
  }

  /** The client has taken what was written. */
  drained(): void {
    if (!this.#needDrain || this.finished) return
    this.#needDrain = false
    this.#emitter.emit('drain')
  }

  /** The engine has answered in its place, or the client has left. */
  abandon(status?: number): void {
    if (status !== undefined) this.statusCode = status
    this.#sink = undefined
    this.destroyed = true
  }

  get #emitter(): NodeJS.EventEmitter {
    return this as unknown as NodeJS.EventEmitter
  }

  #mustBeOpen(what: string): void {
    if (this.#lines === undefined) return
    throw nodeError(
      Error,
      'ERR_HTTP_HEADERS_SENT',
      `Cannot ${what} headers after they are sent to the client`,
    )
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
        this.#declared = Number(text)
        return ''
      case 'coding':
        this.#codingGiven = /\bchunked\b/i.test(text)
        return ''
      case 'connection':
        if (/\bclose\b/i.test(text)) this.#closeGiven = true
        return /^(?:close|keep-alive)$/i.test(text.trim()) ? '' : fieldLine(field, text)
      case 'keepAlive':
        return ''
      case 'date':
        this.#dateGiven = true
        return fieldLine(field, text)
      case 'trailer':
        this.#trailerGiven = true
        return fieldLine(field, text)
      default:
        return fieldLine(field, text)
    }
  }

  /** Completes the head. `length`: of the whole body where it is known, else -1. */
  #startBody(length: number): string {
    const sink = this.#sink as AnswerSink
    let head = this.#lines as string
    this.#headSent = true
    if (this.sendDate && !this.#dateGiven) head += dateLine()
    const { shouldKeepAlive, statusCode } = this
    let persistent = shouldKeepAlive && !this.#closeGiven && !this.#mismatch && statusCode >= 200
    const { httpVersionMinor } = this.request
    if (statusCode < 200 || statusCode === 204) this.#declared = -1
    else if (!this.#hasBody) {
      if (this.#declared < 0 && length > 0 && statusCode !== 304) this.#declared = length
      if (this.#declared >= 0) head += `Content-Length: ${this.#declared}\r\n`
    } else if (httpVersionMinor === 1 && (this.#codingGiven || this.#trailerGiven)) {
      this.#declared = -1
      this.chunkedEncoding = true
      head += 'Transfer-Encoding: chunked\r\n'
    } else if (this.#declared >= 0) head += `Content-Length: ${this.#declared}\r\n`
    else if (length >= 0 && !this.#removed?.has('content-length')) {
      this.#declared = length
      head += `Content-Length: ${length}\r\n`
    } else if (httpVersionMinor === 1 && !this.#removed?.has('transfer-encoding')) {
      this.chunkedEncoding = true
      head += 'Transfer-Encoding: chunked\r\n'
    } else persistent = false
    if (persistent && sink.isLast()) persistent = false
    this.#persistent = persistent
    if (!persistent) return `${head}Connection: close\r\n\r\n`
    return httpVersionMinor === 1 ? `${head}\r\n` : `${head}Connection: keep-alive\r\n\r\n`
  }

  #writeError(): Error | undefined {
    if (this.finished) return nodeError(Error, 'ERR_STREAM_WRITE_AFTER_END', 'write after end')
    if (!this.destroyed) return undefined
    const message = 'Cannot call write after a stream was destroyed'
    return nodeError(Error, 'ERR_STREAM_DESTROYED', message)
  }

  #rejectWrite(error: Error, done: Callback): false {
    const { destroyed } = this
    process.nextTick(() => {
      done(error)
      if (!destroyed) this.#emitter.emit('error', error)
    })
    return false
  }

  /** Bytes beyond the declared length would be read as the next answer: they are not sent. */
  #allowed(size: number, isEnd: boolean): number {
    const total = this.bodyBytes + size
    if (this.#declared < 0 || total === this.#declared) return size
    if (total < this.#declared && !isEnd) return size
    if (this.strictContentLength) {
      const message = `Response body's content-length of ${total} byte(s) does not match the content-length of ${this.#declared} byte(s) set in header`
      throw nodeError(Error, 'ERR_HTTP_CONTENT_LENGTH_MISMATCH', message)
    }
    this.#mismatch = true
    return Math.min(size, this.#declared - this.bodyBytes)
  }

  #writeBody(
    chunk: string | Uint8Array,
    encoding: BufferEncoding | undefined,
    done: Callback,
  ): boolean {
    const { socket } = this
    if (!socket.writableCorked) {
      socket.cork()
      process.nextTick(uncork, socket)
    }
    const head = this.#headSent ? '' : this.#startBody(-1)
    let bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk
    const allowed = this.#allowed(bytes.length, false)
    if (allowed < bytes.length) bytes = bytes.subarray(0, allowed)
    this.bodyBytes += bytes.length
    if (!this.chunkedEncoding || bytes.length === 0) {
      if (head !== '') socket.write(head, 'latin1')
      return socket.write(bytes, done)
    }
    socket.write(`${head}${bytes.length.toString(16)}\r\n`, 'latin1')
    socket.write(bytes)
    return socket.write(endings, done)
  }

  #end(chunk: string | Uint8Array | undefined, encoding: BufferEncoding | undefined): void {
    const sink = this.#sink
    if (sink === undefined || this.socket.destroyed) {
      this.finished = true
      return
    }
    if (this.#headSent) this.#endBody(chunk, encoding, sink)
    else this.#endWhole(chunk, encoding, sink)
    this.finished = true
    while (this.socket.writableCorked > sink.corks) this.socket.uncork()
    sink.answered(this, this.#persistent && !this.#mismatch)
  }

  /** Head and body in one go. */
  #endWhole(
    chunk: string | Uint8Array | undefined,
    encoding: BufferEncoding | undefined,
    sink: AnswerSink,
  ): void {
    const { socket } = this
    if (typeof chunk === 'string' && (encoding === undefined || isPlain(encoding))) {
      const size = this.#sizeOf(chunk, encoding)
      if (size === chunk.length && this.#fits(size)) {
        const head = this.#startBody(size)
        if (!this.#hasBody) socket.write(head, 'latin1', sink.flushed)
        else if (this.chunkedEncoding) this.#lastChunk(head, Buffer.from(chunk, 'latin1'), sink)
        else {
          this.bodyBytes = size
          socket.write(head + chunk, 'latin1', sink.flushed)
        }
        return
      }
    }
    let bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk
    const size = bytes?.length ?? 0
    if (this.#declared >= 0 && this.#hasBody && !this.#codingGiven && !this.#trailerGiven) {
      const allowed = this.#allowed(size, true)
      if (allowed !== size) bytes = bytes?.subarray(0, allowed)
    }
    const head = this.#startBody(size)
    if (!this.#hasBody) socket.write(head, 'latin1', sink.flushed)
    else if (this.chunkedEncoding) this.#lastChunk(head, bytes, sink)
    else if (bytes === undefined) socket.write(head, 'latin1', sink.flushed)
    else {
      this.bodyBytes = bytes.length
      writeJoined(socket, head, bytes, sink.flushed)
    }
  }

  /** The bytes of a text. A declared length that equals the number of characters says that all are ASCII. */
  #sizeOf(text: string, encoding: BufferEncoding | undefined): number {
    if (encoding === 'latin1' || encoding === 'binary') return text.length
    return text.length === this.#declared && text.length > 64
      ? text.length
      : Buffer.byteLength(text, 'utf8')
  }

  #fits(size: number): boolean {
    return this.#declared < 0 || this.#declared === size || !this.#hasBody
  }

  #endBody(
    chunk: string | Uint8Array | undefined,
    encoding: BufferEncoding | undefined,
    sink: AnswerSink,
  ): void {
    const { socket } = this
    if (!this.#hasBody) return this.#endQuietly(sink)
    let bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk
    if (this.chunkedEncoding) return this.#lastChunk('', bytes, sink)
    const allowed = this.#allowed(bytes?.length ?? 0, true)
    if (bytes !== undefined && allowed < bytes.length) bytes = bytes.subarray(0, allowed)
    this.bodyBytes += bytes?.length ?? 0
    if (bytes === undefined || bytes.length === 0) return this.#endQuietly(sink)
    socket.write(bytes, sink.flushed)
  }

  /** Nothing more to write: tells when what was written before has left. */
  #endQuietly(sink: AnswerSink): void {
    if (this.socket.writableLength === 0) process.nextTick(sink.flushed)
    else this.socket.write('', 'latin1', sink.flushed)
  }

  #lastChunk(head: string, bytes: Uint8Array | undefined, sink: AnswerSink): void {
    const { socket } = this
    const last = `0\r\n${this.#trailers}\r\n`
    if (bytes === undefined || bytes.length === 0) {
      socket.write(head + last, 'latin1', sink.flushed)
      return
    }
    this.bodyBytes += bytes.length
    socket.cork()
    writeJoined(socket, `${head}${bytes.length.toString(16)}\r\n`, bytes)
    socket.write(`\r\n${last}`, 'latin1', sink.flushed)
    socket.uncork()
  }

  #endAgain(chunk: unknown, done: Callback | undefined): this {
    if (chunk !== undefined) {
      const error = nodeError(Error, 'ERR_STREAM_WRITE_AFTER_END', 'write after end')
      this.#rejectWrite(error, done ?? nothing)
    } else if (done) {
      const message = 'Cannot call end after a stream was finished'
      if (this.#flushed) done(nodeError(Error, 'ERR_STREAM_ALREADY_FINISHED', message))
      else this.#emitter.on('finish', done)
    }
    return this
  }

  #interim(text: string, callback: Callback | undefined): void {
    const canSend = this.#sink !== undefined && !this.#headSent && !this.finished
    // RFC 9110 §15.2: an HTTP/1.0 client must not get one
    if (canSend && this.request.httpVersionMinor === 1) this.socket.write(text, 'latin1', callback)
    else if (callback) process.nextTick(callback)
  }
}
Object.setPrototypeOf(LeanResponse.prototype, ServerResponse.prototype)
// node:stream knows a server's response by these
for (const name of ['_defaultKeepAlive', '_removedConnection', '_removedContLen', '_removedTE']) {
  Object.defineProperty(LeanResponse.prototype, name, { value: name === '_defaultKeepAlive' })
}

const isPlain = (encoding: BufferEncoding) =>
  encoding === 'utf8' || encoding === 'latin1' || encoding === 'utf-8' || encoding === 'binary'

const uncork = (socket: Socket) => socket.uncork()

function writeJoined(socket: Socket, head: string, bytes: Uint8Array, done?: Callback): void {
  if (bytes.length <= JOIN_LIMIT) {
    const joined = Buffer.allocUnsafe(head.length + bytes.length)
    joined.write(head, 0, 'latin1')
    joined.set(bytes, head.length)
    socket.write(joined, done)
    return
  }
  socket.cork()
  socket.write(head, 'latin1')
  socket.write(bytes, done)
  socket.uncork()
}

function checkChunk(chunk: unknown): void {
  if (typeof chunk === 'string' || chunk instanceof Uint8Array) return
  if (chunk === null) {
    throw nodeError(TypeError, 'ERR_STREAM_NULL_VALUES', 'May not write null values to stream')
  }
  const message = `The "chunk" argument must be of type string or an instance of Buffer or Uint8Array. Received ${typeof chunk}`
  throw nodeError(TypeError, 'ERR_INVALID_ARG_TYPE', message)
}

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
