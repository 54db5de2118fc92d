import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { ChunkDecoder } from './chunked.ts'
import type { Engine } from './engine.ts'
import { type BodySource, LeanRequest } from './lean-request.ts'
import { LeanResponse } from './lean-response.ts'
import { INCOMPLETE, parseHead, REFUSED } from './parser.ts'
import type { AnswerSink } from './response-body.ts'
import { nodeError } from './response-head.ts'

/** What the bytes that come are taken for. */
type Reading =
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

/** Bytes of later requests that are held before the client is slowed down. */
const LATER_LIMIT = 65_536
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'

/**
 * One connection: reads requests one after the other and hands each to the door when the one before is answered. So
 * answers are in order, and what a client can make the server hold is bounded.
 */
export class Connection implements BodySource, AnswerSink {
  readonly socket: Socket
  /** Under which it is counted, where it is. */
  address: string | undefined = undefined
  corks = 0
  readonly #engine: Engine
  #reading: Reading = 'head'
  /** The request at hand; it stays until its body is read and its answer written. */
  #request: LeanRequest | undefined = undefined
  #response: LeanResponse | undefined = undefined
  /** Answers whose bytes are on their way; the oldest first. */
  readonly #leaving: LeanResponse[] = []
  /** The beginning of a head. */
  #partial = ''
  #later: Buffer | undefined = undefined
  /** Bytes of the body that are still to come; -1 where it is chunked. */
  #left = 0
  #chunks: ChunkDecoder | undefined = undefined
  #bodySize = 0
  /** What came of a body that nobody wants. */
  #drained = 0
  #draining = false
  #owesContinue = false
  #paused = false
  #receiving = false
  #requests = 0
  /** The client expects the end after this answer. */
  #clientCloses = false
  #closing = false
  #watchesDrain = false
  /** When the present phase began, by the engine's clock. */
  #since: number
  #mark = 0
  #markTime = 0
  #writeMark = 0
  #writeTime = 0

  constructor(socket: Socket, engine: Engine) {
    this.socket = socket
    this.#engine = engine
    this.#since = engine.now
    this.#markTime = engine.now
  }

  /** No request is under way; the client may still be sending one. */
  get isIdle(): boolean {
    return this.#reading === 'head' && this.#request === undefined && this.#leaving.length === 0
  }

  /** Idle, and no part of a request has come. */
  get isWaiting(): boolean {
    return this.isIdle && this.#partial === ''
  }

  /** Can give its place to a new connection without loss. */
  get isSpare(): boolean {
    return this.isIdle || (this.#reading === 'nothing' && this.#leaving.length === 0)
  }

  get isRaw(): boolean {
    return this.#reading === 'raw'
  }

  get isFresh(): boolean {
    return this.#requests === 0
  }

  get since(): number {
    return this.#since
  }

  /** Takes what has come. `bytes` are only lent. */
  receive(bytes: Buffer, start: number, end: number): void {
    this.#receiving = true
    let at = start
    let text = ''
    let textAt = -1
    try {
      while (at < end) {
        if (this.#reading === 'head') {
          if (this.#partial !== '') at = this.#continueHead(bytes, at, end)
          else {
            if (textAt < 0 || at >= textAt + text.length) {
              text = bytes.toString('latin1', at, Math.min(end, at + this.#engine.limits.head + 4))
              textAt = at
            }
            const next = this.#readHead(text, at - textAt)
            if (next >= 0) {
              at = textAt + next
              this.#beginRequest(bytes, at, end)
            } else if (next === INCOMPLETE) {
              if (textAt < at && textAt + text.length < end) textAt = -1
              else {
                this.#keepPartial(at === textAt ? text : text.slice(at - textAt))
                at = end
              }
            } else at = end
          }
        } else if (this.#reading === 'body') at = this.#readBody(bytes, at, end)
        else at = this.#readOther(bytes, at, end)
      }
    } finally {
      this.#receiving = false
      if (this.corks > 0) {
        this.corks = 0
        this.socket.uncork()
      }
    }
  }

  /** The client has sent all it will send. */
  ended(): void {
    if (this.#reading === 'raw') return
    // as node:http and nginx have it: who has closed its side has left
    if (this.#leaving.length > 0 && this.#response === undefined) this.socket.end()
    else this.socket.destroy()
  }

  /** The socket is gone. */
  closed(): void {
    this.#engine.gone(this)
    if (this.#reading === 'raw') return
    this.#reading = 'nothing'
    if (this.#request !== undefined || this.#response !== undefined) {
      this.#abandonExchange(nodeError(Error, 'ECONNRESET', 'aborted'))
    }
    for (const response of this.#leaving.splice(0)) response.close()
  }

  drained(): void {
    this.#response?.drained()
  }

  /** Looks at all time limits; called by the engine's clock. */
  check(now: number): void {
    const { limits, door } = this.#engine
    if (this.#reading === 'raw') return
    this.#checkWriting(now)
    if (this.#reading === 'body') return this.#checkBody(now)
    if (this.#reading === 'nothing') {
      if (this.#leaving.length === 0 && now - this.#since > limits.lingerTime) this.socket.destroy()
      return
    }
    if (!this.isIdle) return
    const age = now - this.#since
    if (this.#partial !== '') {
      if (age >= limits.headTime) this.#refuse(408, 'head took too long')
    } else if (age >= (this.isFresh ? limits.headTime : door.keepAlive)) this.socket.destroy()
  }

  readonly flushed = (error?: Error | null): void => {
    // what was still to be written when a socket is destroyed is reported as done
    if (error || this.socket.destroyed) return
    const response = this.#leaving.shift()
    if (response === undefined) return
    response.flushed()
    response.request.dump()
    if (this.#closing && this.#leaving.length === 0 && this.#response === undefined) this.#shut()
  }

  isLast(): boolean {
    if (this.#closing || this.#engine.isClosing || this.#requests >= this.#engine.limits.requests) {
      return true
    }
    if (this.#reading !== 'body') return false
    // it may or may not send the body that it announced
    if (this.#owesContinue) return true
    const { drain } = this.#engine.limits
    return this.#left > drain && !(this.#request as LeanRequest).isRead()
  }

  answered(persistent: boolean): void {
    const response = this.#response as LeanResponse
    this.#leaving.push(response)
    this.#response = undefined
    response.request.settle()
    if (!persistent) return this.#close()
    if (this.#reading === 'body') return this.#drainBody()
    this.#request = undefined
    this.#reading = 'head'
    this.#since = this.#engine.now
    if (!this.#receiving) this.#takeLater()
  }

  watchDrain(): void {
    if (this.#watchesDrain) return
    this.#watchesDrain = true
    this.socket.on('drain', onDrain)
  }

  continued(): void {
    this.#owesContinue = false
  }

  breakOff(error: Error | undefined, reset: boolean): void {
    if (reset) resetSocket(this.socket)
    else this.socket.destroy(error)
  }

  bodyWanted(): void {
    if (this.#reading !== 'body') return
    if (this.#owesContinue) {
      this.#owesContinue = false
      if (this.#response && !this.#response.headersSent) this.socket.write(CONTINUE, 'latin1')
    }
    this.#resume()
  }

  bodyAbandoned(error: Error | null): void {
    if (this.#reading !== 'nothing') this.socket.destroy(error ?? undefined)
  }

  #readHead(text: string, from: number): number {
    const { limits, head } = this.#engine
    const next = parseHead(text, from, limits, head)
    if (next === REFUSED) this.#refuse(head.status, head.reason)
    return next
  }

  #keepPartial(text: string): void {
    if (this.#partial === '') this.#since = this.#engine.now
    this.#partial = text
  }

  /** A head that comes in pieces is parsed again only when another line may be complete. */
  #continueHead(bytes: Buffer, start: number, end: number): number {
    const { limits } = this.#engine
    const had = this.#partial.length
    const stop = Math.min(end, start + Math.max(0, limits.head + 4 - had))
    const piece = bytes.toString('latin1', start, stop)
    const text = this.#partial + piece
    const lineAt = text.lastIndexOf('\n')
    const isLong = text.length - lineAt > Math.min(limits.requestLine, limits.fieldSize)
    if (!isLong && text.length <= limits.head && !piece.includes('\n')) {
      this.#partial = text
      return stop
    }
    this.#partial = ''
    const next = this.#readHead(text, 0)
    if (next === INCOMPLETE) {
      this.#partial = text
      return stop
    }
    if (next < 0) return end
    const at = start + next - had
    this.#beginRequest(bytes, at, end)
    return at
  }

  /** The head is read; `bytes` from `at` on is what follows it. */
  #beginRequest(bytes: Buffer, at: number, end: number): void {
    const { head, door, limits } = this.#engine
    if (head.upgrade && head.method === 'GET' && head.length === 0 && door.takesUpgrades()) {
      return this.#upgrade(bytes, at, end)
    }
    if (head.length > limits.body) return this.#refuse(413, 'body too large')
    this.#requests++
    const hasBody = head.length !== 0
    const request = this.#makeRequest(hasBody)
    const response = new LeanResponse(request, this.socket, head.persistent, this)
    this.#request = request
    this.#response = response
    this.#clientCloses = !head.persistent
    if (hasBody) this.#expectBody()
    else this.#reading = 'later'
    if (at < end && this.corks === 0 && !hasBody) {
      this.corks = 1
      this.socket.cork()
    }
    door.serve(request as unknown as IncomingMessage, response as never)
  }

  #makeRequest(hasBody: boolean): LeanRequest {
    const { method, url, minor, fields } = this.#engine.head
    return new LeanRequest(method, url, minor, fields, this.socket, hasBody ? this : undefined)
  }

  #expectBody(): void {
    const { head, limits, now } = this.#engine
    this.#reading = 'body'
    this.#left = head.length
    this.#chunks = head.length < 0 ? new ChunkDecoder(limits) : undefined
    this.#bodySize = 0
    this.#drained = 0
    this.#draining = false
    this.#owesContinue = head.expectation === 'continue'
    this.#mark = 0
    this.#markTime = now
  }

  /** The connection is the application's from here on; what has come goes along. */
  #upgrade(bytes: Buffer, at: number, end: number): void {
    const request = this.#makeRequest(false)
    this.#reading = 'raw'
    this.#requests++
    this.socket.removeListener('drain', onDrain)
    const rest = Buffer.from(bytes.subarray(at, end))
    this.#engine.startUpgrade(this, request, rest)
  }

  #readBody(bytes: Buffer, start: number, end: number): number {
    this.#owesContinue = false
    if (this.#chunks === undefined) {
      const stop = Math.min(end, start + this.#left)
      this.#left -= stop - start
      this.data(bytes, start, stop)
      if (this.#left === 0 && this.#reading === 'body') this.#bodyEnded([])
      return stop
    }
    const chunks = this.#chunks
    const at = chunks.decode(bytes, start, end, this)
    if (this.#reading !== 'body') return end
    if (chunks.status !== 0) {
      this.#refuse(chunks.status, chunks.reason)
      return end
    }
    if (chunks.done) this.#bodyEnded(chunks.trailers)
    return at
  }

  /** A piece of the body. */
  data(bytes: Buffer, start: number, end: number): void {
    if (this.#reading !== 'body') return
    const size = end - start
    this.#bodySize += size
    if (this.#draining) {
      this.#drained += size
      if (this.#drained > this.#engine.limits.drain) this.#close()
      return
    }
    const copy = Buffer.allocUnsafe(size)
    bytes.copy(copy, 0, start, end)
    if (!(this.#request as LeanRequest).feed(copy)) this.#pause()
  }

  #bodyEnded(trailers: string[]): void {
    const request = this.#request as LeanRequest
    this.#chunks = undefined
    this.#reading = 'later'
    if (!this.#draining) request.finish(trailers)
    this.#resume()
    if (this.#response !== undefined) return
    this.#request = undefined
    this.#reading = 'head'
    this.#since = this.#engine.now
  }

  /** The answer is written and the body not read: it is passed over, within a limit. */
  #drainBody(): void {
    const request = this.#request as LeanRequest
    this.#since = this.#engine.now
    if (request.isRead()) return // it still has a reader
    this.#draining = true
    request.abort(nodeError(Error, 'ECONNRESET', 'the answer did not wait for the body'))
    this.#resume()
  }

  /** After an upgrade. @returns whether more may come before the stream asks for it. */
  receiveRaw(bytes: Buffer, size: number): boolean {
    return this.socket.push(Buffer.from(bytes.subarray(0, size)))
  }

  #readOther(bytes: Buffer, at: number, end: number): number {
    if (this.#reading === 'later') {
      const piece = bytes.subarray(at, end)
      this.#later = this.#later ? Buffer.concat([this.#later, piece]) : Buffer.from(piece)
      if (this.#later.length > LATER_LIMIT) this.#pause()
    }
    return end
  }

  #takeLater(): void {
    const later = this.#later
    this.#later = undefined
    if (later !== undefined) this.receive(later, 0, later.length)
    if (this.#paused && this.#later === undefined) this.#resume()
  }

  /** No more requests on this connection: it ends when what was written has left. */
  #close(): void {
    this.#closing = true
    this.#later = undefined
    this.#partial = ''
    const complete = this.#request === undefined || this.#request.complete
    if (!complete) this.#clientCloses = false
    if (this.#reading === 'body' && (this.#request as LeanRequest).isRead()) {
      this.#request?.abort(nodeError(Error, 'ECONNRESET', 'the connection closed'))
    }
    this.#request = undefined
    this.#reading = 'nothing'
    this.#since = this.#engine.now
    this.#resume()
    if (this.#leaving.length === 0) this.#shut()
  }

  /** All answers are out. Closing a socket on which bytes wait would take the last answer away from the client. */
  #shut(): void {
    this.#since = this.#engine.now
    if (this.#clientCloses || this.#engine.limits.lingerTime === 0) {
      // not within the write's own callback: the stream would make an error, with its stack, for nobody
      process.nextTick(destroy, this.socket)
    } else if (!this.socket.writableEnded) this.socket.end()
  }

  /** Answers on behalf of everybody and ends the connection. */
  #refuse(status: number, reason: string): void {
    this.#engine.reportRefusal(status, reason, this.socket)
    if (this.#response?.headersSent) {
      this.socket.destroy()
      return
    }
    const error = Object.assign(nodeError(Error, 'ECONNRESET', reason), { statusCode: status })
    this.#reading = 'nothing'
    this.#closing = true
    this.#partial = ''
    this.#later = undefined
    this.#abandonExchange(error, status)
    this.#since = this.#engine.now
    this.#clientCloses = false
    this.socket.write(refusal(status), 'latin1')
    this.socket.end()
    this.#resume()
  }

  refuseAtOnce(status: number, reason: string): void {
    this.#refuse(status, reason)
  }

  #abandonExchange(error: Error, status?: number): void {
    const request = this.#request
    const response = this.#response
    this.#request = undefined
    this.#response = undefined
    response?.abandon(status)
    request?.abort(error)
    response?.close()
  }

  #pause(): void {
    if (this.#paused) return
    this.#paused = true
    this.socket.pause()
  }

  #resume(): void {
    if (!this.#paused) return
    this.#paused = false
    if (this.#reading === 'body') {
      this.#mark = this.#bodySize
      this.#markTime = this.#engine.now
    }
    if (!this.socket.destroyed) this.socket.resume()
  }

  #checkBody(now: number): void {
    const { limits, door } = this.#engine
    if (this.#response === undefined && !this.#draining) {
      // answered, and its reader does not go on
      if (this.#paused && now - this.#since > door.keepAlive) this.socket.destroy()
    }
    if (this.#paused || now - this.#markTime < limits.rateTime) return
    const wanted = (limits.bodyRate * (now - this.#markTime)) / 1000
    if (this.#bodySize - this.#mark < wanted) {
      if (this.#owesContinue) return
      return this.#refuse(408, 'body too slow')
    }
    this.#mark = this.#bodySize
    this.#markTime = now
  }

  #checkWriting(now: number): void {
    const { socket } = this
    if (socket.writableLength === 0 || socket.writableCorked > 0) {
      this.#writeTime = 0
      return
    }
    const { limits } = this.#engine
    const sent = sentBytes(socket)
    if (this.#writeTime === 0) {
      this.#writeTime = now
      this.#writeMark = sent
      return
    }
    const time = now - this.#writeTime
    if (time < limits.rateTime) return
    if (sent - this.#writeMark < (limits.readRate * time) / 1000) {
      this.#engine.reportRefusal(0, 'client reads too slowly', socket)
      resetSocket(socket)
      return
    }
    this.#writeTime = now
    this.#writeMark = sent
  }
}

const destroy = (socket: Socket) => socket.destroy()

/** Only a TCP socket can be reset; others have no better way than to end. */
function resetSocket(socket: Socket): void {
  const isTCP = socket.remoteFamily !== undefined && !('encrypted' in socket)
  if (isTCP) socket.resetAndDestroy()
  else socket.destroy()
}

/** Bytes that the kernel has taken. */
function sentBytes(socket: Socket): number {
  const handle = (socket as unknown as { _handle: { writeQueueSize?: number } | null })._handle
  return socket.bytesWritten - Math.max(socket.writableLength, handle?.writeQueueSize ?? 0)
}

function onDrain(this: Socket): void {
  connectionOf(this)?.drained()
}

const CONNECTION = Symbol('connection')

type Carrier = Socket & { [CONNECTION]?: Connection }

export const connectionOf = (socket: Socket): Connection | undefined =>
  (socket as Carrier)[CONNECTION]

export function setConnection(socket: Socket, connection: Connection): void {
  ;(socket as Carrier)[CONNECTION] = connection
}

const REASONS: Record<number, string> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  413: 'Content Too Large',
  414: 'URI Too Long',
  417: 'Expectation Failed',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  501: 'Not Implemented',
  503: 'Service Unavailable',
  505: 'HTTP Version Not Supported',
}

function refusal(status: number): string {
  const body = `${status} ${REASONS[status]}\n`
  return (
    `HTTP/1.1 ${status} ${REASONS[status]}\r\nContent-Type: text/plain\r\n` +
    `Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`
  )
}
