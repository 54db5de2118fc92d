import { EventEmitter } from 'node:events'
import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { EngineResponse } from '../http/door.ts'
import type { AnswerSink, Callback } from '../http/response-body.ts'
import { nodeError } from '../http/response-head.ts'
import type { Http2Connection } from './connection.ts'
import type { Refused, RequestHead } from './head.ts'
import { Outgoing } from './outgoing.ts'
import { CODE } from './protocol.ts'
import { Http2Request, type StreamSource } from './request.ts'
import { Http2Response } from './response.ts'

const HIGH_WATER_MARK = 16_384

/** One request and its answer. To the response it is the socket. */
export class Http2Stream extends Outgoing implements StreamSource, AnswerSink {
  declare _events: undefined
  declare _eventsCount: number
  readonly corks = 0
  readonly client = undefined
  readonly writableHighWaterMark = HIGH_WATER_MARK
  readonly writableCorked = 0
  /** Bytes that the client may still send. */
  receiveWindow: number
  /** Both halves are over, or the stream is reset. */
  isClosed = false
  request: Http2Request | undefined = undefined
  response: Http2Response | undefined = undefined
  readonly #connection: Http2Connection
  #owesContinue = false
  #isPaused = false
  #isRefused = false
  /** Of the body, as it was announced; -1 where it was not. */
  #declared = -1
  /** Bytes that have come, and of those still to be allowed again. */
  #size = 0
  #credit = 0
  /** From where on, and since when, the rates are measured. */
  #came = 0
  #left = 0
  #cameAt: number
  #leftAt: number
  #timer: NodeJS.Timeout | undefined = undefined

  constructor(id: number, connection: Http2Connection, hasEnded: boolean) {
    super(id, connection, connection.peer.initialWindow, hasEnded)
    this._events = undefined
    this._eventsCount = 0
    this.#connection = connection
    this.receiveWindow = connection.streamWindow
    this.#cameAt = connection.now
    this.#leftAt = connection.now
  }

  get writable(): boolean {
    return !this.isOver && !this.isBroken
  }

  get destroyed(): boolean {
    return !this.writable
  }

  get writableLength(): number {
    return this.pending
  }

  get remoteAddress(): string | undefined {
    return this.#connection.socket.remoteAddress
  }

  cork(): void {}

  uncork(): void {}

  /** As a socket's: who ends the connection of its answer means this request, and no other. */
  destroy(error?: Error): this {
    this.response?.destroy(error)
    return this
  }

  /** As a socket's; what was written before goes out. */
  end(): this {
    return this.destroy()
  }

  /** As a socket's, for who has nothing to write but wants to know when all else has left. */
  write(bytes: string | Uint8Array, encoding?: unknown, callback?: Callback): boolean {
    const done = (typeof encoding === 'function' ? encoding : callback) as Callback | undefined
    if (this.writable) this.push(typeof bytes === 'string' ? Buffer.from(bytes) : bytes, done)
    return this.pending < HIGH_WATER_MARK
  }

  /** Hands it to whoever answers. */
  start(head: RequestHead): void {
    this.#owesContinue = head.expectsContinue
    this.#declared = head.length
    this.request = new Http2Request(head, this.#connection.socket, this)
    this.response = new Http2Response(this.request, this)
    if (this.hasEnded) this.request.finish([])
    const response = this.response as unknown as EngineResponse
    this.#connection.door.serve(this.request as unknown as IncomingMessage, response)
  }

  flushed = nothing

  isLast(): boolean {
    return false
  }

  answered(): void {
    this.request?.settle()
    if (!this.hasEnded) this.resetAtEnd()
  }

  /** The connection tells anyway. */
  watchDrain(): void {}

  continued(): void {
    this.#owesContinue = false
  }

  /** The client sees that the answer is not whole. */
  breakOff(): void {
    this.reset(CODE.internal)
  }

  bodyWanted(): void {
    if (this.#owesContinue) {
      this.#owesContinue = false
      this.#cameAt = this.#connection.now
      if (!this.response?.headersSent) this.response?.writeContinue()
    }
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#came = this.#size
    this.#cameAt = this.#connection.now
    this.#giveCredit()
  }

  bodyAbandoned(): void {
    if (!this.#isRefused && !this.isClosed) this.breakOff()
  }

  setTimeout(milliseconds: number): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (milliseconds > 0) this.#timer = setTimeout(() => this.#timedOut(), milliseconds).unref()
  }

  /** A frame of type DATA. @returns an error code where it is not in order. */
  announce(length: number, size: number): number {
    this.receiveWindow -= length
    if (this.receiveWindow < 0) return CODE.flowControl
    if (this.#declared >= 0 && this.#size + size > this.#declared) return CODE.protocol
    // padding is read as soon as it is here
    this.#credit += length - size
    return CODE.noError
  }

  data(bytes: Buffer, start: number, end: number): void {
    const { request } = this
    this.#timer?.refresh()
    this.#credit += end - start
    this.#owesContinue = false
    this.#size += end - start
    if (request === undefined || this.#isRefused || this.isBroken) return
    if (this.#size > this.#connection.limits.body) {
      return this.refuse({ status: 413, reason: 'body too large' })
    }
    if (!request.feed(ownBytes(bytes, start, end))) this.#isPaused = true
    this.#giveCredit()
  }

  /** @returns an error code where the body is not as long as it was announced. */
  bodyEnded(trailers: string[]): number {
    if (this.#declared >= 0 && this.#size !== this.#declared) return CODE.protocol
    this.hasEnded = true
    const { request } = this
    if (request && !request.complete && !request.aborted) request.finish(trailers)
    return CODE.noError
  }

  /** The client has given it up, the connection has ended, or both sides are done. */
  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    clearTimeout(this.#timer)
    const { request, response } = this
    if (request === undefined || response === undefined) return
    const isWhole = response.finished && this.isOver && !this.isBroken
    if (!isWhole) this.#giveUp()
    else {
      response.flushed()
      if (request.complete) request.dump()
      else request.abort(nodeError(Error, 'ECONNRESET', 'the answer did not wait for the body'))
    }
    if ((this._eventsCount as number) > 0) (this as unknown as EventEmitter).emit('close')
  }

  /** What was written is in frames. */
  moved(): void {
    this.#timer?.refresh()
    if (this.pending === 0) this.response?.drained()
  }

  /** Answers on behalf of everybody. */
  refuse(refused: Refused): void {
    const isStarted = this.response?.headersSent === true
    const { status, reason } = refused
    this.#isRefused = true
    this.#connection.reportRefusal(status, reason)
    const error = Object.assign(nodeError(Error, 'ECONNRESET', reason), { statusCode: status })
    this.#abandon(error, status)
    // whose bytes still wait is told that they are needed no more: they must not be sent
    if (isStarted) this.#connection.resetStream(this, CODE.internal)
    else this.#answerRefusal(status)
  }

  /** Looks at the rates; called by the connection's clock. */
  check(now: number): void {
    const { bodyRate, rateTime } = this.#connection.limits
    const isComing = !this.hasEnded && !this.#isPaused && !this.#owesContinue && !this.#isRefused
    if (!isComing || this.response?.finished) this.#cameAt = now
    else if (now - this.#cameAt >= rateTime) {
      const enough = (bodyRate * (now - this.#cameAt)) / 1000
      if (this.#size - this.#came < enough) {
        return this.refuse({ status: 408, reason: 'body too slow' })
      }
      this.#came = this.#size
      this.#cameAt = now
    }
    this.#checkReading(now)
  }

  /** Only a client that keeps the window shut is at fault; how quickly the connection goes is looked at for all. */
  #checkReading(now: number): void {
    const { readRate, rateTime } = this.#connection.limits
    const left = (this.response?.bodyBytes ?? 0) - this.pending
    const time = now - this.#leftAt
    if (this.isBlocked && time < rateTime) return
    if (this.isBlocked && left - this.#left < (readRate * time) / 1000) {
      this.#connection.reportRefusal(0, 'client reads too slowly')
      return this.breakOff()
    }
    this.#left = left
    this.#leftAt = now
  }

  #answerRefusal(status: number): void {
    const body = `${status} ${STATUS_CODES[status]}\n`
    this.respond(status, `HTTP/1.1 ${status} \r\n${PLAIN}`, undefined, false, body.length)
    this.finish(body, body.length, 'latin1', '')
    if (!this.hasEnded) this.resetAtEnd()
  }

  #giveCredit(): void {
    const isEnough = this.#credit >= this.#connection.server.settings.initialWindowSize / 2
    if (this.#isPaused || this.hasEnded || !isEnough) return
    this.receiveWindow += this.#credit
    this.#connection.allow(this.id, this.#credit)
    this.#credit = 0
  }

  #timedOut(): void {
    const heard = [this.request, this.response].filter((each) =>
      (each as unknown as EventEmitter).emit('timeout', this.#connection.socket),
    )
    if (heard.length === 0) this.breakOff()
  }

  #giveUp(): void {
    const error = aborted()
    this.discard(error)
    this.#abandon(error)
  }

  #abandon(error: Error, status?: number): void {
    this.response?.abandon(status)
    this.request?.abort(error)
    this.response?.close()
  }
}
// who is given it as a socket may listen
Object.setPrototypeOf(Outgoing.prototype, EventEmitter.prototype)

const nothing = () => {}

/** Without a stack, which would say nothing: it costs more than a stream that is opened only to be given up. */
function aborted(): Error {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  const error = nodeError(Error, 'ECONNRESET', 'aborted')
  Error.stackTraceLimit = stackTraceLimit
  return error
}

const PLAIN = 'content-type: text/plain\r\n'

/** Without what it may hold in memory beside: small pieces are parts of large buffers. */
function ownBytes(bytes: Buffer, start: number, end: number): Buffer {
  const piece = bytes.subarray(start, end)
  return piece.length < bytes.buffer.byteLength / 4 ? Buffer.from(piece) : piece
}
