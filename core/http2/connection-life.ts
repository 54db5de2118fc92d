import type { Socket } from 'node:net'
import type { Door } from '../http/door.ts'
import type { Limits } from '../http/limits.ts'
import { Allowance } from './allowance.ts'
import { CODE, DEFAULT_WINDOW, LARGEST_WINDOW, SETTING } from './protocol.ts'
import { Sending } from './sending.ts'
import type { Http2Server } from './server.ts'
import type { Http2Stream } from './stream.ts'
import { TakingRate } from './taking-rate.ts'

/** What a client may send of all bodies before it hears that they have come. What is held is bounded by each stream. */
const CONNECTION_WINDOW = 1_048_576
/** How long a client may take to hear that the connection ends, before it is done without. */
const FAREWELL_TIME = 1000
/** Streams that the server has reset, and of which frames may still be on their way. */
const MOST_REMEMBERED = 1000
const FAREWELL = Buffer.from('farewell')

/** How far the end of a connection is. */
type Stage =
  | 'open'
  /** The client has been told to open no more streams; some may be on their way. */
  | 'announced'
  /** No more streams are taken. */
  | 'closing'
  /** Nothing more is read or written. */
  | 'over'

/** A connection's streams, its time limits, what it may ask for, and the ways in which it ends. */
export abstract class ConnectionLife extends Sending<Http2Stream> {
  readonly streams = new Map<number, Http2Stream>()
  readonly server: Http2Server
  readonly #allowance: Allowance
  #stage: Stage = 'open'
  /** The last one that was looked at, and the last one that was opened. */
  #lastStream = 0
  #highest = 0
  /** Since when it is in this stage, or has no stream. */
  #since: number
  #requests = 0
  #receiveWindow = CONNECTION_WINDOW
  #isKnown = false
  readonly #reset = new Set<number>()
  #ended: Http2Stream[] = []
  /** When a part of a frame or of a head came, of which the rest has not; 0: there is none. */
  #partSince = 0
  readonly #takingRate = new TakingRate()
  #clientLeaves = false

  constructor(socket: Socket, server: Http2Server) {
    super(socket, server)
    this.server = server
    this.#since = server.now
    this.#allowance = new Allowance(server.now)
  }

  get limits(): Limits {
    return this.server.limits
  }

  get door(): Door {
    return this.server.door
  }

  get now(): number {
    return this.server.now
  }

  get isOver(): boolean {
    return this.#stage === 'over'
  }

  /** Of a new stream: until the client knows better, it goes by the usual one. */
  get streamWindow(): number {
    const { initialWindowSize } = this.server.settings
    return this.#isKnown ? initialWindowSize : Math.max(initialWindowSize, DEFAULT_WINDOW)
  }

  isIdleStream(id: number): boolean {
    return id > this.#highest || id % 2 === 0
  }

  /** The client may send so many bytes more of this stream. */
  allow(id: number, size: number): void {
    this.controls.windowUpdate(id, size)
    this.schedule()
  }

  reportRefusal(status: number, reason: string): void {
    this.server.reportRefusal(status, reason, this.socket)
  }

  /** Ends a stream without what still waits for it. */
  resetStream(stream: Http2Stream, code: number): void {
    this.#remember(stream.id)
    this.controls.reset(stream.id, code)
    this.schedule()
    this.endStream(stream)
  }

  /** A connection error (RFC 9113 §5.4.1). */
  fault(code: number, reason: string): void {
    if (this.isOver) return
    this.reportRefusal(0, reason)
    this.#finish(code, reason)
  }

  /** Takes no more requests; those under way, and on their way, are answered. */
  close(): void {
    if (this.#stage !== 'open') return
    this.#enter('announced')
    this.controls.goaway(LARGEST_WINDOW, CODE.noError, '')
    this.controls.ping(0, FAREWELL, 0)
    this.schedule()
  }

  closeIfIdle(): void {
    if (this.streams.size === 0) this.close()
  }

  destroy(): void {
    this.socket.destroy()
  }

  /** The socket is gone. */
  closed(): void {
    this.#stage = 'over'
    this.server.gone(this)
    this.#abandonStreams()
  }

  /** Looks at all time limits; called by the server's clock. */
  check(now: number): void {
    const { limits } = this
    const age = now - this.#since
    if (this.#stage === 'over') {
      if (age >= limits.lingerTime) this.destroy()
      return
    }
    if (this.#stage === 'announced' && age >= FAREWELL_TIME) this.#refuseMore()
    if (this.#partSince > 0 && now - this.#partSince >= limits.headTime) {
      return this.fault(CODE.calm, 'head took too long')
    }
    if (this.#takingRate.isTooSlow(this, now, limits)) {
      this.reportRefusal(0, 'client reads too slowly')
      return this.destroy()
    }
    if (this.streams.size > 0) for (const stream of this.streams.values()) stream.check(now)
    else if (age >= (this.#requests === 0 ? limits.headTime : this.door.keepAlive)) {
      this.#finish(CODE.noError, '')
    }
  }

  protected greet(): void {
    const { settings } = this.server
    this.controls.settings([
      [SETTING.maxConcurrentStreams, settings.maxConcurrentStreams],
      [SETTING.initialWindowSize, settings.initialWindowSize],
      [SETTING.maxFrameSize, settings.maxFrameSize],
      [SETTING.maxHeaderListSize, settings.maxHeaderListSize],
    ])
    this.controls.windowUpdate(0, CONNECTION_WINDOW - DEFAULT_WINDOW)
    this.schedule()
  }

  /** The client has seen the server's settings. */
  protected settingsKnown(): void {
    this.#isKnown = true
    this.countControl()
  }

  /** @returns whether the client may send so much. What is held is bounded by the windows of the streams. */
  protected takeData(length: number): boolean {
    this.#receiveWindow -= length
    if (this.#receiveWindow < 0) return false
    if (this.#receiveWindow < CONNECTION_WINDOW / 2) {
      this.allow(0, CONNECTION_WINDOW - this.#receiveWindow)
      this.#receiveWindow = CONNECTION_WINDOW
    }
    return true
  }

  /** What the client says of itself holds for streams that are open, too (RFC 9113 §6.9.2). */
  protected adopt(bytes: Buffer, start: number, end: number): void {
    const before = this.peer.initialWindow
    const code = this.peer.read(bytes, start, end)
    if (code !== CODE.noError) return this.fault(code, 'setting out of range')
    const growth = this.peer.initialWindow - before
    if (growth !== 0) {
      for (const stream of this.streams.values()) {
        stream.sendWindow += growth
        if (stream.sendWindow > LARGEST_WINDOW)
          return this.fault(CODE.flowControl, 'window too large')
        if (stream.pending > 0) this.wake(stream)
      }
    }
    this.controls.acknowledge()
    this.schedule()
  }

  /** A new stream. @returns whether it is taken. */
  protected beginStream(id: number): boolean {
    this.#requests++
    this.#allowance.request()
    this.#highest = id
    if (this.#stage === 'closing') {
      this.#remember(id) // the client knows that it was not looked at
      return false
    }
    this.#lastStream = id
    if (this.streams.size < this.server.settings.maxConcurrentStreams) return true
    this.faultOfStream(id, CODE.refusedStream)
    return false
  }

  protected countRequest(): void {
    if (this.#requests >= this.limits.requests) this.close()
  }

  /** A head for a stream that takes none. */
  protected headOfClosed(id: number, stream: Http2Stream | undefined): void {
    if (stream !== undefined || this.#reset.has(id)) this.faultOfStream(id, CODE.streamClosed)
    else this.fault(CODE.streamClosed, 'HEADERS of a closed stream')
  }

  /** A stream error (RFC 9113 §5.4.2): the client's. */
  protected faultOfStream(id: number, code: number): void {
    if (this.isOver) return
    if (this.#reset.has(id)) return // it may not have heard of that
    const stream = this.streams.get(id)
    if (stream !== undefined) this.resetStream(stream, code)
    else {
      this.#remember(id)
      this.controls.reset(id, code)
      this.schedule()
    }
    this.countReset()
  }

  /** At once, and with nothing more sent. */
  protected endStream(stream: Http2Stream): void {
    this.streams.delete(stream.id)
    this.forget(stream)
    this.#since = this.now
    stream.close()
    if (this.streams.size === 0) this.schedule()
  }

  protected countReset(): void {
    if (this.#allowance.reset()) this.fault(CODE.calm, 'too many streams given up')
  }

  protected countControl(): void {
    if (this.#allowance.control(this.now)) this.fault(CODE.calm, CONTROLS)
  }

  protected countDribble(): void {
    if (this.#allowance.dribble(this.now)) this.fault(CODE.calm, 'too many small windows')
  }

  /** @param isPart of a frame or a head, of which the rest is to come. @param isOther than before. */
  protected notePart(isPart: boolean, isOther: boolean): void {
    if (!isPart) this.#partSince = 0
    else if (isOther || this.#partSince === 0) this.#partSince = this.now
  }

  /** It has answered the farewell: what it had sent before is here. */
  protected pinged(): void {
    if (this.#stage === 'announced') this.#refuseMore()
  }

  protected clientLeaves(): void {
    this.#clientLeaves = true
    this.schedule()
  }

  protected over(stream: Http2Stream): void {
    this.streams.delete(stream.id)
    this.forget(stream)
    if (!stream.hasEnded) this.#remember(stream.id)
    this.#ended.push(stream)
  }

  protected moved(stream: Http2Stream): void {
    stream.moved()
  }

  protected written(): void {
    if (this.#ended.length > 0) {
      this.#since = this.now
      for (const stream of this.#ended.splice(0)) stream.close()
    }
    const isDone = this.streams.size === 0 && this.isClear
    if (isDone && (this.#stage === 'closing' || (this.#clientLeaves && !this.isOver))) {
      this.#shut()
    }
  }

  #refuseMore(): void {
    this.#enter('closing')
    this.controls.goaway(this.#lastStream, CODE.noError, '')
    this.schedule()
  }

  /** Says why, and ends. */
  #finish(code: number, reason: string): void {
    this.controls.goaway(this.#lastStream, code, reason)
    this.#enter('over')
    this.#abandonStreams()
    this.flush()
    this.#shut()
  }

  /** What the client still sends is passed over for a while: it would not hear the last of it otherwise. */
  #shut(): void {
    this.#enter('over')
    this.server.leaving(this)
    if (this.socket.destroyed) return
    this.socket.end()
    if (this.limits.lingerTime === 0) process.nextTick(() => this.destroy())
  }

  #enter(stage: Stage): void {
    this.#stage = stage
    this.#since = this.now
  }

  #abandonStreams(): void {
    for (const stream of [...this.streams.values(), ...this.#ended.splice(0)]) {
      this.streams.delete(stream.id)
      stream.close()
    }
  }

  #remember(id: number): void {
    if (this.#reset.size >= MOST_REMEMBERED) {
      const [oldest] = this.#reset
      this.#reset.delete(oldest as number)
    }
    this.#reset.add(id)
  }
}

const CONTROLS = 'too many PING, SETTINGS or empty frames'
