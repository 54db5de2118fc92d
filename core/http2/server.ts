import type { Socket } from 'node:net'
import type { Door } from '../http/door.ts'
import { type EngineOptions, type Limits, resolveLimits } from '../http/limits.ts'
import { refreshDate } from '../http/response-head.ts'
import { Http2Connection } from './connection.ts'
import type { ConnectionLife } from './connection-life.ts'
import { RequestHead } from './head.ts'
import type { Scheduler } from './sending.ts'

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

/** Speaks HTTP/2 on sockets that others accept; requests go to the same door as the engine's. */
export class Http2Server implements Scheduler {
  readonly door: Door
  readonly settings: Http2Settings
  limits: Limits
  /** The head that was read last. */
  readonly head = new RequestHead()
  /** Milliseconds, by a clock that is coarse on purpose. */
  now = performance.now()
  readonly #connections = new Set<ConnectionLife>()
  /** They have said their last, and are waited for. */
  readonly #leaving = new Set<ConnectionLife>()
  /** They have something to write. */
  #writing: { flush(): void }[] = []
  #isClosing = false
  #timer: NodeJS.Timeout | undefined

  constructor(door: Door, options: EngineOptions, settings: Http2Settings) {
    this.door = door
    this.limits = resolveLimits(options)
    this.settings = settings
  }

  /** Takes a connection whose client begins with HTTP/2's preface. */
  accept(socket: Socket): void {
    if (socket.destroyed) return
    if (this.#timer === undefined) this.#startClock()
    const connection = new Http2Connection(socket, this)
    this.#connections.add(connection)
    ;(socket as Carrying)[CONNECTION] = connection
    socket.on('data', onData).on('end', onEnd).on('close', onClose).on('drain', onDrain)
    socket.on('error', ignore) // 'close' follows
    socket.setNoDelay(true)
    socket.resume()
    if (this.#isClosing) connection.close()
  }

  /** Other limits, for open connections, too. */
  setLimits(options: EngineOptions): void {
    this.limits = resolveLimits(options)
    if (this.#timer === undefined) return
    this.#stopClock()
    this.#startClock()
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
    for (const connection of [...this.#connections, ...this.#leaving]) connection.destroy()
  }

  /** Open connections. */
  get size(): number {
    return this.#connections.size
  }

  /** It takes and sends nothing more. */
  leaving(connection: ConnectionLife): void {
    if (this.#connections.delete(connection)) this.#leaving.add(connection)
  }

  gone(connection: ConnectionLife): void {
    this.#connections.delete(connection)
    this.#leaving.delete(connection)
    if (this.#connections.size + this.#leaving.size === 0) this.#stopClock()
  }

  reportRefusal(status: number, reason: string, socket: Socket): void {
    this.door.refused?.(status, reason, socket)
  }

  /** What comes together in one turn of the event loop is written together. */
  schedule(connection: { flush(): void }): void {
    if (this.#writing.push(connection) === 1) setImmediate(() => this.#flush())
  }

  #flush(): void {
    const writing = this.#writing
    this.#writing = []
    let at = 0
    try {
      while (at < writing.length) writing[at++]?.flush()
    } finally {
      // an error of one is no other's
      for (; at < writing.length; at++) this.schedule(writing[at] as { flush(): void })
    }
  }

  #startClock(): void {
    this.#onTick()
    const { headTime, rateTime, lingerTime } = this.limits
    const shortest = Math.min(headTime, rateTime, lingerTime || TICK, this.door.keepAlive || TICK)
    const tick = Math.max(10, Math.min(TICK, shortest / 4))
    this.#timer = setInterval(() => this.#onTick(), tick).unref()
  }

  #stopClock(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #onTick(): void {
    this.now = performance.now()
    refreshDate()
    for (const connection of this.#connections) connection.check(this.now)
    for (const connection of this.#leaving) connection.check(this.now)
  }
}

const CONNECTION = Symbol('http2')
type Carrying = Socket & { [CONNECTION]?: Http2Connection }

function onData(this: Socket, bytes: Buffer): void {
  ;(this as Carrying)[CONNECTION]?.receive(bytes)
}

/** As nginx has it: who has closed its side has left. */
function onEnd(this: Socket): void {
  this.destroy()
}

function onClose(this: Socket): void {
  ;(this as Carrying)[CONNECTION]?.closed()
}

function onDrain(this: Socket): void {
  ;(this as Carrying)[CONNECTION]?.schedule()
}

const ignore = () => {}
