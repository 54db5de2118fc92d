import type { Socket } from 'node:net'
import type { Engine } from './engine.ts'
import type { IncomingBody } from './incoming-body.ts'
import type { LeanRequest } from './lean-request.ts'
import type { LeanResponse } from './lean-response.ts'
import { type Preamble, PreambleCollector } from './preamble.ts'
import { refusal } from './refusal.ts'
import { nodeError } from './response-head.ts'
import { WriteRate } from './write-rate.ts'

/** What the bytes that come are taken for. */
type Reading =
  /** What stands before the first request. */
  | 'preamble'
  /** A request head. */
  | 'head'
  /** The body of the request at hand. */
  | 'body'
  /** The next request, which waits for its turn. */
  | 'later'
  /** Nothing: the connection ends. */
  | 'nothing'
  /** They belong to who took the connection over. */
  | 'raw'

/** What a connection has under way, its time limits, and the ways in which it ends. */
export class ConnectionLife {
  readonly socket: Socket
  /** Under which it is counted, where it is. */
  address: string | undefined = undefined
  /** When the present phase began, by the engine's clock. */
  since: number
  protected readonly engine: Engine
  protected reading: Reading = 'head'
  /** The request at hand; it stays until its body is read and its answer written. */
  protected request: LeanRequest | undefined = undefined
  protected response: LeanResponse | undefined = undefined
  /** Made with the first request that has one, and used again. */
  protected body: IncomingBody | undefined = undefined
  /** Answers whose bytes are on their way; the oldest first. */
  protected readonly leaving: LeanResponse[] = []
  /** The beginning of a head. */
  protected partial = ''
  /** What has come of that which stands before the first request. */
  protected preamble: PreambleCollector | undefined = undefined
  /** Bytes of later requests. */
  protected later: Buffer | undefined = undefined
  protected requests = 0
  protected paused = false
  protected closing = false
  /** The client expects the end after this answer. */
  protected clientCloses = false
  /** Made when an answer first waits for its client. */
  #writeRate: WriteRate | undefined = undefined

  constructor(socket: Socket, engine: Engine) {
    this.socket = socket
    this.engine = engine
    this.since = engine.now
  }

  /** No request is under way; the client may still be sending one. */
  get isIdle(): boolean {
    const isBetween = this.reading === 'head' || this.reading === 'preamble'
    return isBetween && this.request === undefined && !this.isSending
  }

  /** Bytes of answers are on their way; one that was ready is not in `leaving`. */
  get isSending(): boolean {
    return this.leaving.length > 0 || this.socket.writableLength > 0
  }

  /** Idle, and no part of a request has come. */
  get isWaiting(): boolean {
    return this.isIdle && this.partial === '' && !this.preamble?.hasBegun
  }

  /** Can give its place to a new connection without loss. */
  get isSpare(): boolean {
    return this.isIdle || (this.reading === 'nothing' && this.leaving.length === 0)
  }

  get isRaw(): boolean {
    return this.reading === 'raw'
  }

  get isFresh(): boolean {
    return this.requests === 0
  }

  /** The client has sent all it will send. */
  ended(): void {
    // as node:http and nginx have it: who has closed its side has left
    if (this.isSending && this.response === undefined) this.socket.end()
    else this.socket.destroy()
  }

  /** The socket is gone. */
  closed(): void {
    this.engine.gone(this)
    if (this.reading !== 'raw') this.reading = 'nothing'
    if (this.request !== undefined || this.response !== undefined) {
      this.#abandonExchange(nodeError(Error, 'ECONNRESET', 'aborted'))
    }
    for (const response of this.leaving.splice(0)) response.close()
  }

  /** Nothing has come or gone for as long as the application has set; where it does not listen, the connection ends. */
  timedOut(): void {
    const { request, response, socket } = this
    const isHeard = [request?.complete ? undefined : request, response].filter((each) =>
      (each as NodeJS.EventEmitter | undefined)?.emit('timeout', socket),
    )
    if (isHeard.length === 0) socket.destroy()
  }

  /** An answer's last bytes have left. */
  readonly flushed = (error?: Error | null): void => {
    // what was still to be written when a socket is destroyed is reported as done
    if (error || this.socket.destroyed) return
    const response = this.leaving.shift() as LeanResponse
    response.flushed()
    response.request.dump()
    if (this.closing && this.leaving.length === 0 && this.response === undefined) this.#shut()
  }

  /** Ends at once, and so that the client sees that the answer is not whole. */
  breakOff(error: Error | undefined, reset: boolean): void {
    if (reset) resetSocket(this.socket)
    else this.socket.destroy(error)
  }

  /** Answers on behalf of everybody and ends the connection. */
  refuse(status: number, reason: string): void {
    this.engine.reportRefusal(status, reason, this.socket)
    if (this.response?.headersSent) {
      this.socket.destroy()
      return
    }
    // the request is answered; the client would take a second answer for that to its next one
    if (this.reading === 'body' && this.response === undefined) return this.close()
    const error = Object.assign(nodeError(Error, 'ECONNRESET', reason), { statusCode: status })
    this.reading = 'nothing'
    this.closing = true
    this.partial = ''
    this.later = undefined
    this.#abandonExchange(error, status)
    this.since = this.engine.now
    this.clientCloses = false
    this.socket.write(refusal(status), 'latin1')
    this.socket.end()
    this.resume()
  }

  /** Expects this before the first request. */
  expect(preamble: Preamble): void {
    this.preamble = new PreambleCollector(preamble, this.socket)
    this.reading = 'preamble'
  }

  /** What stands before the first request is none that is taken. 0: no answer, as it may not be HTTP that is spoken. */
  refuseUnread(status: number, reason: string): void {
    if (status !== 0) return this.refuse(status, reason)
    this.engine.reportRefusal(0, reason, this.socket)
    this.reading = 'nothing'
    this.socket.destroy()
  }

  /** Looks at all time limits; called by the engine's clock. */
  check(now: number): void {
    const { limits, door } = this.engine
    if (this.reading === 'raw') return
    this.#checkWriting(now)
    if (this.reading === 'body') return this.#checkBody(now)
    const age = now - this.since
    if (this.reading === 'nothing') {
      if (this.leaving.length === 0 && age > limits.lingerTime) this.socket.destroy()
      return
    }
    if (!this.isIdle) return
    if (this.preamble?.hasBegun) {
      if (age >= limits.headTime) this.refuseUnread(0, `${this.preamble.name} took too long`)
    } else if (this.partial !== '') {
      if (age >= limits.headTime) this.refuse(408, 'head took too long')
    } else if (age >= (this.isFresh ? limits.headTime : door.keepAlive)) {
      this.clientCloses = true // as far as it is there at all
      this.close()
    }
  }

  /** No more requests on this connection: it ends when what was written has left. */
  protected close(): void {
    this.closing = true
    this.later = undefined
    this.partial = ''
    const complete = this.request === undefined || this.request.complete
    if (!complete) this.clientCloses = false
    if (this.reading === 'body' && (this.request as LeanRequest).isRead()) {
      this.request?.abort(nodeError(Error, 'ECONNRESET', 'the connection closed'))
    }
    this.request = undefined
    this.reading = 'nothing'
    this.since = this.engine.now
    this.resume()
    if (this.leaving.length === 0) this.#shut()
  }

  protected pause(): void {
    this.paused = true
    this.socket.pause()
  }

  protected resume(): void {
    if (!this.paused) return
    this.paused = false
    if (this.reading === 'body') this.body?.measure(this.engine.now)
    if (!this.socket.destroyed) this.socket.resume()
  }

  /** All answers are out. Closing a socket on which bytes wait would take the last answer away from the client. */
  #shut(): void {
    this.since = this.engine.now
    if (this.clientCloses || this.engine.limits.lingerTime === 0) {
      // not within the write's own callback: the stream would make an error, with its stack, for nobody
      process.nextTick(finish, this.socket)
    } else if (!this.socket.writableEnded) this.socket.end()
  }

  #abandonExchange(error: Error, status?: number): void {
    const { request, response } = this
    this.request = undefined
    this.response = undefined
    response?.abandon(status)
    request?.abort(error)
    response?.close()
  }

  #checkBody(now: number): void {
    const { limits, door } = this.engine
    const body = this.body as IncomingBody
    if (this.paused) {
      // answered, and its reader does not go on
      const isOver = this.response === undefined && !body.draining
      if (isOver && now - this.since > door.keepAlive) this.socket.destroy()
    } else if (!body.owesContinue && body.isTooSlow(now, limits)) this.refuse(408, 'body too slow')
  }

  #checkWriting(now: number): void {
    const { socket } = this
    if (socket.writableLength === 0 || socket.writableCorked > 0) {
      this.#writeRate = undefined
      return
    }
    this.#writeRate ??= new WriteRate(socket, now)
    if (!this.#writeRate.isTooSlow(socket, now, this.engine.limits)) return
    this.engine.reportRefusal(0, 'client reads too slowly', socket)
    resetSocket(socket)
  }
}

/** Over TLS the client is told that this is the end, and nothing was cut off (RFC 9112 §9.8). */
function finish(socket: Socket): void {
  if (!('encrypted' in socket)) socket.destroy()
  else if (!socket.writableEnded) socket.end(() => socket.destroy())
}

/** Only a TCP socket can be reset; others have no better way than to end. */
function resetSocket(socket: Socket): void {
  const { _handle: handle } = socket as unknown as { _handle: { reset?: unknown } | null }
  if (handle?.reset && !('encrypted' in socket)) socket.resetAndDestroy()
  else socket.destroy()
}
