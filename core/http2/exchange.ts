import type { IncomingMessage } from 'node:http'
import { constants, type ServerHttp2Stream } from 'node:http2'
import { isForbiddenTrailer } from '../http/chunked.ts'
import type { EngineResponse } from '../http/door.ts'
import type { AnswerSink } from '../http/response-body.ts'
import { nodeError } from '../http/response-head.ts'
import type { Http2Connection } from './connection.ts'
import type { Refused, RequestHead } from './head.ts'
import { Http2Request, type StreamSource } from './request.ts'
import { Http2Response } from './response.ts'

const EXCHANGE = Symbol('exchange')
type Carrier = ServerHttp2Stream & { [EXCHANGE]?: Http2Exchange }

/** One request and its answer: an HTTP/2 stream. */
export class Http2Exchange implements StreamSource, AnswerSink {
  readonly corks = 0
  readonly writesAtOnce = false
  readonly request: Http2Request
  readonly response: Http2Response
  readonly #stream: ServerHttp2Stream
  readonly #connection: Http2Connection
  #owesContinue: boolean
  #isPaused = false
  #watchesDrain = false
  #isRefused = false
  /** Body bytes that have come. */
  #size = 0
  #trailers: string[] = []
  /** From where on, and since when, the rates are measured. */
  #came = 0
  #left = 0
  #cameAt: number
  #leftAt: number

  constructor(
    stream: ServerHttp2Stream,
    connection: Http2Connection,
    head: RequestHead,
    hasBody: boolean,
  ) {
    this.#stream = stream
    this.#connection = connection
    this.#owesContinue = head.expectsContinue
    this.#cameAt = connection.now
    this.#leftAt = connection.now
    this.request = new Http2Request(head, connection.socket, this)
    this.response = new Http2Response(this.request, stream, this)
    ;(stream as Carrier)[EXCHANGE] = this
    stream.on('close', onClose)
    stream.on('error', ignore) // 'close' follows
    if (hasBody) this.#expectBody()
    else this.request.finish([])
  }

  /** Hands it to whoever answers. */
  start(): void {
    const response = this.response as unknown as EngineResponse
    this.#connection.door.serve(this.request as unknown as IncomingMessage, response)
  }

  flushed = (): void => {}

  isLast(): boolean {
    return false
  }

  answered(): void {
    this.request.settle()
    const stream = this.#stream
    if (this.request.complete) return
    // RFC 9113 §8.1: the answer did not wait for the body, which nobody wants any more
    stream.once('finish', () => stream.close(constants.NGHTTP2_NO_ERROR))
  }

  watchDrain(): void {
    if (this.#watchesDrain) return
    this.#watchesDrain = true
    this.#stream.on('drain', onDrain)
  }

  continued(): void {
    this.#owesContinue = false
  }

  /** The client sees that the answer is not whole: `close` would end the body properly before it resets the stream. */
  breakOff(): void {
    this.#stream.destroy(nodeError(Error, 'ERR_STREAM_DESTROYED', 'the answer broke off'))
  }

  bodyWanted(): void {
    if (this.#owesContinue) {
      this.#owesContinue = false
      this.#cameAt = this.#connection.now
      if (!this.response.headersSent) this.response.writeContinue()
    }
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#came = this.#size
    this.#cameAt = this.#connection.now
    this.#stream.resume()
  }

  bodyAbandoned(): void {
    if (!this.#isRefused && !this.#stream.closed) this.breakOff()
  }

  setTimeout(milliseconds: number): void {
    this.#stream.setTimeout(milliseconds, () => {
      const heard = [this.request, this.response].filter((each) =>
        (each as unknown as NodeJS.EventEmitter).emit('timeout', this.#connection.socket),
      )
      if (heard.length === 0) this.breakOff()
    })
  }

  data(chunk: Buffer): void {
    if (this.#isRefused) return
    this.#owesContinue = false
    this.#size += chunk.length
    if (this.#size > this.#connection.limits.body) {
      return this.refuse({ status: 413, reason: 'body too large' })
    }
    if (this.request.feed(ownBytes(chunk))) return
    this.#isPaused = true
    this.#stream.pause()
  }

  trailers(raw: readonly string[]): void {
    for (let index = 0; index < raw.length; index += 2) {
      const name = raw[index] as string
      if (isForbiddenTrailer(name)) return this.breakOff()
      this.#trailers.push(name, raw[index + 1] as string)
    }
  }

  ended(): void {
    if (!this.request.complete && !this.request.aborted) this.request.finish(this.#trailers)
  }

  drained(): void {
    this.response.drained()
  }

  /** The stream is over, one way or the other. */
  closed(): void {
    const { request, response } = this
    const isWhole = response.finished && this.#stream.rstCode === constants.NGHTTP2_NO_ERROR
    this.#connection.over(this, isWhole || response.destroyed)
    if (!isWhole) return this.#abandon(nodeError(Error, 'ECONNRESET', 'aborted'))
    response.flushed()
    if (request.complete) request.dump()
    else request.abort(nodeError(Error, 'ECONNRESET', 'the answer did not wait for the body'))
  }

  /** Answers on behalf of everybody. */
  refuse(refused: Refused): void {
    const { headersSent } = this.response
    this.#isRefused = true
    this.#connection.reportRefusal(refused)
    const { status, reason } = refused
    const error = Object.assign(nodeError(Error, 'ECONNRESET', reason), { statusCode: status })
    this.#abandon(error, status)
    if (headersSent) this.breakOff()
    else this.#connection.answerRefusal(this.#stream, status)
  }

  /** Looks at the rates; called by the connection's clock. */
  check(now: number): void {
    const { bodyRate, readRate, rateTime } = this.#connection.limits
    const { request, response } = this
    const isComing = !request.complete && !this.#isPaused && !this.#owesContinue
    if (!isComing || response.finished) this.#cameAt = now
    else if (now - this.#cameAt >= rateTime) {
      const enough = (bodyRate * (now - this.#cameAt)) / 1000
      if (this.#size - this.#came < enough) {
        return this.refuse({ status: 408, reason: 'body too slow' })
      }
      this.#came = this.#size
      this.#cameAt = now
    }
    this.#checkReading(now, readRate, rateTime)
  }

  #checkReading(now: number, readRate: number, rateTime: number): void {
    const left = this.response.bodyBytes - this.#stream.writableLength
    if (this.#stream.writableLength === 0) this.#leftAt = now
    else if (now - this.#leftAt < rateTime) return
    else if (left - this.#left < (readRate * (now - this.#leftAt)) / 1000) {
      this.#connection.reportRefusal({ status: 0, reason: 'client reads too slowly' })
      return this.breakOff()
    } else this.#leftAt = now
    this.#left = left
  }

  #expectBody(): void {
    this.#stream.on('data', onData)
    this.#stream.on('end', onEnd)
    this.#stream.on('trailers', onTrailers)
  }

  #abandon(error: Error, status?: number): void {
    this.response.abandon(status)
    this.request.abort(error)
    this.response.close()
  }
}

/** Without what it may hold in memory beside: small pieces are parts of large buffers. */
const ownBytes = (chunk: Buffer) =>
  chunk.length < chunk.buffer.byteLength / 4 ? Buffer.from(chunk) : chunk

const exchangeOf = (stream: object) => (stream as Carrier)[EXCHANGE] as Http2Exchange

function onData(this: ServerHttp2Stream, chunk: Buffer): void {
  exchangeOf(this).data(chunk)
}

function onEnd(this: ServerHttp2Stream): void {
  exchangeOf(this).ended()
}

function onTrailers(this: ServerHttp2Stream, _: object, _flags: number, raw: string[]): void {
  exchangeOf(this).trailers(raw)
}

function onDrain(this: ServerHttp2Stream): void {
  exchangeOf(this).drained()
}

function onClose(this: ServerHttp2Stream): void {
  exchangeOf(this).closed()
}

const ignore = () => {}
