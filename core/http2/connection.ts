import { STATUS_CODES } from 'node:http'
import { constants, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { Door } from '../http/door.ts'
import type { Limits } from '../http/limits.ts'
import { Http2Exchange } from './exchange.ts'
import { type Refused, readHead } from './head.ts'
import type { Http2Server } from './server.ts'

/** Streams that a client may give up before it counts how many of all they are. */
const FREE_RESETS = 100
/** PING and SETTINGS frames within ten seconds; each costs an answer. */
const MOST_CONTROLS = 500
const CONTROL_PERIOD = 10_000

/** One client over HTTP/2: its streams, and what it may ask of the server. */
export class Http2Connection {
  readonly socket: Socket
  readonly door: Door
  readonly #session: ServerHttp2Session
  readonly #server: Http2Server
  readonly #exchanges = new Set<Http2Exchange>()
  /** When it was last used. */
  #since: number
  #requests = 0
  #resets = 0
  #controls = 0
  #controlsSince: number
  #isClosing = false

  constructor(session: ServerHttp2Session, socket: Socket, server: Http2Server) {
    this.#session = session
    this.socket = socket
    this.#server = server
    this.door = server.door
    this.#since = server.now
    this.#controlsSince = server.now
    const control = () => this.#control()
    session.on('ping', control)
    session.on('remoteSettings', control)
    session.on('close', () => server.gone(this))
  }

  get limits(): Limits {
    return this.#server.limits
  }

  get now(): number {
    return this.#server.now
  }

  /** A request's head has come. */
  receive(stream: ServerHttp2Stream, raw: readonly string[], hasBody: boolean): void {
    this.#requests++
    if (stream.destroyed || stream.closed) return this.#reset()
    const { limits } = this
    const head = readHead(raw, hasBody, limits)
    if ('status' in head) {
      this.reportRefusal(head)
      this.answerRefusal(stream, head.status)
    } else {
      const exchange = new Http2Exchange(stream, this, head, hasBody)
      this.#exchanges.add(exchange)
      exchange.start()
    }
    if (this.#requests >= limits.requests) this.close()
  }

  /** A stream has ended; `isOurs`: not because the client gave it up. */
  over(exchange: Http2Exchange, isOurs: boolean): void {
    this.#exchanges.delete(exchange)
    this.#since = this.now
    if (!isOurs) this.#reset()
  }

  reportRefusal({ status, reason }: Refused): void {
    this.#server.reportRefusal(status, reason, this.socket)
  }

  /** Answers without anybody, and wants no more of this stream. */
  answerRefusal(stream: ServerHttp2Stream, status: number): void {
    if (stream.destroyed || stream.closed) return
    if (stream.listenerCount('error') === 0) stream.on('error', () => {}) // it is over anyway
    const body = `${status} ${STATUS_CODES[status]}\n`
    const headers = { ':status': status, 'content-type': 'text/plain' }
    stream.respond({ ...headers, 'content-length': body.length })
    stream.once('finish', () => stream.close(constants.NGHTTP2_NO_ERROR))
    stream.end(body)
  }

  /** Takes no more requests; those under way are answered. */
  close(): void {
    if (this.#isClosing) return
    this.#isClosing = true
    this.#session.close()
  }

  closeIfIdle(): void {
    if (this.#exchanges.size === 0) this.close()
  }

  destroy(): void {
    this.#session.destroy()
  }

  /** Looks at all time limits; called by the server's clock. */
  check(now: number): void {
    if (this.#exchanges.size > 0) {
      this.#since = now
      for (const exchange of this.#exchanges) exchange.check(now)
      return
    }
    const { headTime } = this.limits
    const age = now - this.#since
    // nobody has answered the farewell
    if (this.#isClosing && age >= headTime) return this.destroy()
    if (age >= (this.#requests === 0 ? headTime : this.door.keepAlive)) this.close()
  }

  /** Rapid reset: streams that are opened only to be given up. */
  #reset(): void {
    this.#resets++
    const isAbuse = this.#resets > FREE_RESETS && this.#resets > this.#requests / 2
    if (isAbuse) this.#refuseAll('too many streams given up')
  }

  #control(): void {
    if (this.now - this.#controlsSince > CONTROL_PERIOD) {
      this.#controlsSince = this.now
      this.#controls = 0
    }
    if (++this.#controls > MOST_CONTROLS) this.#refuseAll('too many PING or SETTINGS frames')
  }

  #refuseAll(reason: string): void {
    if (this.#session.destroyed) return
    this.reportRefusal({ status: 0, reason })
    this.#session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM)
    this.#session.destroy()
  }
}
