import type { Socket } from 'node:net'
import { setSocketTimeout } from './connection-of.ts'
import type { EngineResponse, Owner } from './door.ts'
import type { LeanRequest } from './lean-request.ts'
import type { PreparedHead } from './prepared-head.ts'
import { type AnswerSink, type Callback, ResponseBody } from './response-body.ts'
import { checkValue, fieldLine, fieldName, nodeError } from './response-head.ts'

const HIGH_WATER_MARK = 16_384
const nothing = () => {}

/** A response as node:http gives it, which writes to its socket without a stream of its own. */
export class LeanResponse extends ResponseBody {
  declare on: NodeJS.EventEmitter['on']
  declare once: NodeJS.EventEmitter['once']
  declare _events: undefined
  declare _eventsCount: number
  declare _maxListeners: undefined
  /** Applications may put another in its place, as Express does. */
  req: LeanRequest
  destroyed = false
  _closed = false
  _sent100 = false
  /** When the head of the request was parsed, in `performance.now()` milliseconds; 0 where nobody measures. */
  startedAt = 0
  /** Told of the end. Spares a listener per request. */
  owner: Owner | undefined = undefined
  writable = true
  errored: Error | null = null
  #needDrain = false
  #flushed = false
  #whenClosed: ((this: EngineResponse) => void) | undefined = undefined
  readonly #prototype: object

  constructor(request: LeanRequest, socket: Socket, persistent: boolean, sink: AnswerSink) {
    super(request, socket, persistent, sink)
    this._events = undefined
    this._eventsCount = 0
    this._maxListeners = undefined
    this.#prototype = new.target.prototype
    this.req = request
  }

  /** That of its own class, whatever it has been given instead; undefined: it is of no such class. */
  static prototypeOf(value: object): object | undefined {
    return #prototype in value ? value.#prototype : undefined
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
    return this.sink === undefined ? 0 : this.socket.writableLength
  }

  get writableHighWaterMark(): number {
    return this.sink === undefined ? HIGH_WATER_MARK : this.socket.writableHighWaterMark
  }

  get writableCorked(): number {
    return this.sink === undefined ? 0 : this.socket.writableCorked
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

  flushHeaders(): void {
    if (this.lines === undefined) this._implicitHeader()
    if (!this.headSent && this.sink !== undefined) this.sendHead()
  }

  writeContinue(callback?: Callback): void {
    this._sent100 = true
    this.sink?.continued()
    this.interim('HTTP/1.1 100 Continue\r\n\r\n', callback)
  }

  writeProcessing(callback?: Callback): void {
    this.interim('HTTP/1.1 102 Processing\r\n\r\n', callback)
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
    this.interim(`${text}\r\n`, callback)
  }

  write(chunk: unknown, encoding?: BufferEncoding | Callback | null, callback?: Callback): boolean {
    const done = typeof encoding === 'function' ? encoding : (callback ?? nothing)
    const coding = typeof encoding === 'string' ? encoding : undefined
    checkChunk(chunk)
    const error = this.#writeError()
    if (error) return this.#rejectWrite(error, done)
    if (this.lines === undefined) this._implicitHeader()
    if (!this.hasBody) {
      if (!this.headSent) this.sendHead()
      process.nextTick(done)
      return true
    }
    const more = this.writeBody(chunk as string | Uint8Array, coding, done)
    if (!more) {
      this.#needDrain = true
      this.sink?.watchDrain()
    }
    return more
  }

  end(chunk?: unknown, encoding?: unknown, callback?: unknown): this {
    const done = callbackAmong(chunk, encoding, callback)
    const coding = typeof encoding === 'string' ? (encoding as BufferEncoding) : undefined
    const body = typeof chunk === 'function' || chunk === null ? undefined : chunk
    if (this.finished) return this.#endAgain(body, done)
    if (body !== undefined) checkChunk(body)
    if (this.lines === undefined) this._implicitHeader()
    if (done) this.#emitter.once('finish', done)
    this.endBody(body === '' ? undefined : (body as string | Uint8Array | undefined), coding)
    return this
  }

  /** A whole answer whose head was rendered before; text is latin-1. */
  sendPrepared(head: PreparedHead, body?: string | Uint8Array): void {
    this.writePrepared(head)
    this.end(body, 'latin1')
  }

  cork(): void {
    if (this.sink !== undefined) this.socket.cork()
  }

  uncork(): void {
    if (this.sink !== undefined) this.socket.uncork()
  }

  setTimeout(milliseconds: number, callback?: () => void): this {
    if (callback) this.#emitter.on('timeout', callback)
    setSocketTimeout(this.socket, milliseconds)
    return this
  }

  /** Breaks the answer off: the client sees that it is not whole. */
  destroy(error?: Error): this {
    if (this.destroyed) return this
    this.destroyed = true
    this.errored = error ?? null
    const untilClose = this.headSent && this.hasBody && !this.chunkedEncoding && this.declared < 0
    this.sink?.breakOff(error, untilClose)
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
    this.sink = undefined
    if (this._eventsCount > 0) this.#emitter.emit('finish')
    this.close()
  }

  /** Nothing more can be sent. */
  close(): void {
    if (this._closed) return
    this._closed = true
    this.destroyed = true
    this.sink = undefined
    this.#whenClosed?.call(this as unknown as EngineResponse)
    if (this._eventsCount > 0) this.#emitter.emit('close')
  }

  get isHeard(): boolean {
    return this._eventsCount > 0
  }

  whenClosed(closed: (this: EngineResponse) => void): void {
    this.#whenClosed = closed
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
    this.sink = undefined
    this.destroyed = true
  }

  protected get canInform(): boolean {
    return this.sink !== undefined && !this.headSent && !this.finished
  }

  get #emitter(): NodeJS.EventEmitter {
    return this as unknown as NodeJS.EventEmitter
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

  /** An answer before the answer, where one can still be sent. */
  protected interim(text: string, callback: Callback | undefined): void {
    // RFC 9110 §15.2: an HTTP/1.0 client must not get one
    if (this.canInform && this.request.httpVersionMinor === 1)
      this.socket.write(text, 'latin1', callback)
    else if (callback) process.nextTick(callback)
  }
}
// node:stream knows a server's response by these
for (const name of ['_defaultKeepAlive', '_removedConnection', '_removedContLen', '_removedTE']) {
  Object.defineProperty(LeanResponse.prototype, name, { value: name === '_defaultKeepAlive' })
}

/** No array and no closure: this is for each answer. */
function callbackAmong(chunk: unknown, encoding: unknown, callback: unknown): Callback | undefined {
  if (typeof chunk === 'function') return chunk as Callback
  if (typeof encoding === 'function') return encoding as Callback
  return typeof callback === 'function' ? (callback as Callback) : undefined
}

function checkChunk(chunk: unknown): void {
  if (typeof chunk === 'string' || chunk instanceof Uint8Array) return
  if (chunk === null) {
    throw nodeError(TypeError, 'ERR_STREAM_NULL_VALUES', 'May not write null values to stream')
  }
  const message = `The "chunk" argument must be of type string or an instance of Buffer or Uint8Array. Received ${typeof chunk}`
  throw nodeError(TypeError, 'ERR_INVALID_ARG_TYPE', message)
}
