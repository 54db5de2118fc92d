import {
  constants,
  createServer,
  type Http2Server as NodeServer,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { Socket } from 'node:net'
import type { Door } from '../http/door.ts'
import { type EngineOptions, type Limits, resolveLimits } from '../http/limits.ts'
import { refreshDate } from '../http/response-head.ts'
import { Http2Connection } from './connection.ts'

/** What the server tells its clients of itself (RFC 9113 §6.5.2). */
export interface Http2Settings {
  /** Requests of a connection at a time. */
  readonly maxConcurrentStreams: number
  /** Bytes of a body that may come before somebody reads them. */
  readonly initialWindowSize: number
  readonly maxFrameSize: number
  /** Bytes of a head. */
  readonly maxHeaderListSize: number
}

const TICK = 500
/** Pseudo-header fields. */
const EXTRA_PAIRS = 8

/** Speaks HTTP/2 on sockets that others accept; requests go to the same door as the engine's. */
export class Http2Server {
  readonly door: Door
  limits: Limits
  /** Milliseconds, by a clock that is coarse on purpose. */
  now = performance.now()
  readonly #server: NodeServer
  readonly #connections = new Set<Http2Connection>()
  #isClosing = false
  #timer: NodeJS.Timeout | undefined
  #accepting: Socket | undefined

  constructor(door: Door, options: EngineOptions, settings: Http2Settings) {
    this.door = door
    this.limits = resolveLimits(options)
    this.#server = createServer({
      settings: { ...settings, enablePush: false },
      maxHeaderListPairs: Math.min(this.limits.fields, MANY) + EXTRA_PAIRS,
      peerMaxConcurrentStreams: settings.maxConcurrentStreams,
    })
    this.#server.on('session', (session) => this.#begin(session))
    this.#server.on('stream', onStream)
    this.#server.on('sessionError', () => {}) // its 'close' follows
    this.#server.on('timeout', () => {}) // the clock here tells
  }

  /** Takes a connection whose client begins with HTTP/2's preface. */
  accept(socket: Socket): void {
    this.#accepting = socket
    this.#server.emit('connection', socket)
    this.#accepting = undefined
  }

  /** Other limits, for open connections, too. */
  setLimits(options: EngineOptions): void {
    this.limits = resolveLimits(options)
  }

  closeIdleConnections(): void {
    for (const connection of this.#connections) connection.closeIfIdle()
  }

  /** Every connection ends when its requests are answered. */
  close(): void {
    this.#isClosing = true
    for (const connection of this.#connections) connection.close()
  }

  closeAllConnections(): void {
    for (const connection of this.#connections) connection.destroy()
  }

  /** Open connections. */
  get size(): number {
    return this.#connections.size
  }

  gone(connection: Http2Connection): void {
    this.#connections.delete(connection)
    if (this.#connections.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  reportRefusal(status: number, reason: string, socket: Socket): void {
    this.door.refused?.(status, reason, socket)
  }

  #begin(session: ServerHttp2Session): void {
    if (this.#timer === undefined) this.#startClock()
    const connection = new Http2Connection(session, this.#accepting as Socket, this)
    connections.set(session, connection)
    this.#connections.add(connection)
    if (this.#isClosing) connection.close()
  }

  #startClock(): void {
    this.#onTick()
    const { headTime, rateTime } = this.limits
    const tick = Math.max(10, Math.min(TICK, headTime / 4, rateTime / 4))
    this.#timer = setInterval(() => this.#onTick(), tick).unref()
  }

  #onTick(): void {
    this.now = performance.now()
    refreshDate()
    for (const connection of this.#connections) connection.check(this.now)
  }
}

/** "No limit" is too many for nghttp2. */
const MANY = 10_000

const connections = new WeakMap<ServerHttp2Session, Http2Connection>()

function onStream(stream: ServerHttp2Stream, _: object, flags: number, raw?: string[]): void {
  const { session } = stream
  if (!session) return // gone, before its request was looked at
  const hasBody = (flags & constants.NGHTTP2_FLAG_END_STREAM) === 0
  connections.get(session as ServerHttp2Session)?.receive(stream, raw ?? [], hasBody)
}
