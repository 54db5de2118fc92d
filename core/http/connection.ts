import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { nextTick } from 'node:process'
import type { BodySink } from './chunked.ts'
import type { ClientSocket } from './client-socket.ts'
import { ConnectionLife } from './connection-life.ts'
import { connectionOf } from './connection-of.ts'
import type { Engine } from './engine.ts'
import { IncomingBody } from './incoming-body.ts'
import { type BodySource, LeanRequest } from './lean-request.ts'
import { LeanResponse } from './lean-response.ts'
import { INCOMPLETE, parseHead, REFUSED } from './parser.ts'
import { introduce, type PreambleCollector } from './preamble.ts'
import type { AnswerSink } from './response-body.ts'
import { nodeError } from './response-head.ts'

/** Bytes of later requests that are held before the client is slowed down. */
const LATER_LIMIT = 65_536
/** Answers that a client has asked for and does not take: so many bytes, and no further request is looked at. */
const UNSENT_LIMIT = 1_048_576
/** Heads are looked for in so much text first: longer ones are rare, and bodies are not text. */
const USUAL_HEADS = 4096
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'

/**
 * One connection: reads requests one after the other and hands each to the door when the one before is answered. So
 * answers are in order, and what a client can make the server hold is bounded.
 */
export class Connection extends ConnectionLife implements BodySource, BodySink, AnswerSink {
  corks = 0
  readonly client: ClientSocket | undefined
  /** Answers that have left while bytes were being received: they are told when all of those are read. */
  #left = 0
  #receiving = false
  #watchesDrain = false
  #waitsForClient = false
  /** What follows the head that is being served, while it is. */
  #rest: Buffer | undefined
  #restAt = 0
  #restEnd = 0

  constructor(socket: Socket, engine: Engine, client: ClientSocket | undefined) {
    super(socket, engine)
    this.client = client
  }

  /** Takes what has come. `bytes` are only lent. */
  receive(bytes: Buffer, start: number, end: number): void {
    this.#receiving = true
    try {
      let at = start
      while (at < end) {
        if (this.reading === 'head') at = this.#readHeads(bytes, at, end)
        else if (this.reading === 'body') at = this.#readBody(bytes, at, end)
        else if (this.reading === 'preamble') at = this.#readPreamble(bytes, at, end)
        else at = this.#readOther(bytes, at, end)
      }
    } finally {
      this.#receiving = false
      this.#rest = undefined
      if (this.corks > 0) {
        this.corks = 0
        this.socket.uncork()
      }
      while (this.#left > 0) {
        this.#left--
        this.flushed()
      }
    }
  }

  /** The client has taken what was written. */
  drained(): void {
    if (!this.#waitsForClient) return this.response?.drained()
    this.#waitsForClient = false
    if (this.reading !== 'later' || this.socket.writableEnded) return
    this.#nextRequest()
    if (!this.#receiving) this.#takeLater()
  }

  isLast(): boolean {
    const { door, isClosing, limits } = this.engine
    if (this.closing || isClosing || this.requests >= limits.requests) return true
    if (door.keepAlive === 0) return true
    if (this.reading !== 'body') return false
    const { owesContinue, left } = this.body as IncomingBody
    // it may or may not send the body that it announced
    if (owesContinue) return true
    return left > limits.drain && !(this.request as LeanRequest).isRead()
  }

  answered(persistent: boolean, hasLeft: boolean): void {
    const response = this.response as LeanResponse
    this.leaving.push(response)
    if (hasLeft) this.#tellSoon(response)
    this.response = undefined
    response.request.settle()
    if (!persistent) return this.close()
    if (this.reading === 'body') return this.#drainBody()
    this.#nextRequest()
    if (!this.#receiving) this.#takeLater()
  }

  /** Not at once: whoever ends an answer may listen to its events after that. */
  #tellSoon(response: LeanResponse): void {
    if (this.#receiving) this.#left++
    else if (response.isHeard) nextTick(this.flushed)
    else tellTogether(this)
  }

  watchDrain(): void {
    if (this.#watchesDrain) return
    this.#watchesDrain = true
    this.socket.on('drain', onDrain)
  }

  continued(): void {
    if (this.body !== undefined) this.body.owesContinue = false
  }

  bodyWanted(): void {
    if (this.reading !== 'body') return
    const body = this.body as IncomingBody
    if (body.owesContinue) {
      body.owesContinue = false
      body.measure(this.engine.now)
      if (this.response && !this.response.headersSent) this.socket.write(CONTINUE, 'latin1')
    }
    this.resume()
  }

  bodyAbandoned(error: Error | null): void {
    if (this.reading !== 'nothing') this.socket.destroy(error ?? undefined)
  }

  lendBody(): Buffer | undefined {
    const rest = this.#rest
    if (rest === undefined || this.reading !== 'body') return undefined
    const start = this.#restAt
    const end = (this.body as IncomingBody).pass(start, this.#restEnd)
    if (end < 0) return undefined
    this.#restAt = end
    this.reading = 'later'
    return rest.subarray(start, end)
  }

  /** A piece of the body, for the request at hand. */
  data(bytes: Buffer, start: number, end: number): void {
    if (this.reading !== 'body') return
    const copy = Buffer.allocUnsafe(end - start)
    bytes.copy(copy, 0, start, end)
    if (!(this.request as LeanRequest).feed(copy)) this.pause()
  }

  /** @returns where the first request begins. */
  #readPreamble(bytes: Buffer, start: number, end: number): number {
    const collector = this.preamble as PreambleCollector
    const result = collector.add(bytes.subarray(start, end))
    if (result === undefined) return end
    if ('refused' in result) {
      this.refuseUnread(result.status ?? 0, result.refused)
      return end
    }
    this.preamble = undefined
    this.reading = 'head'
    this.since = this.engine.now
    introduce(this.socket, result)
    this.engine.introduced(this)
    const { head } = result
    if (head) this.#readHeads(head, 0, head.length)
    // what is over lies at the end of what has come just now
    return end - collector.surplus
  }

  /** All heads of a burst become text at once, `most` bytes. @returns where something else than a head begins. */
  #readHeads(bytes: Buffer, start: number, end: number, most = USUAL_HEADS): number {
    if (this.partial !== '') return this.#continueHead(bytes, start, end)
    const limit = Math.min(most, this.engine.limits.head + 4)
    const text = bytes.toString('latin1', start, Math.min(end, start + limit))
    let at = 0
    while (at < text.length && this.reading === 'head') {
      const next = this.#readHead(text, at)
      if (next < 0)
        return next === INCOMPLETE ? this.#keepPartial(text, at, bytes, start, end) : end
      at = this.#beginRequest(bytes, start + next, end) - start
    }
    return start + at
  }

  #readHead(text: string, from: number): number {
    const { limits, head } = this.engine
    const next = parseHead(text, from, limits, head)
    if (next === REFUSED) this.refuse(head.status, head.reason)
    return next
  }

  #keepPartial(text: string, at: number, bytes: Buffer, start: number, end: number): number {
    const isCut = start + text.length < end
    const most = this.engine.limits.head + 4
    // by its own limit: once more, from here
    if (isCut && at > 0) return start + at
    if (isCut && text.length < most) return this.#readHeads(bytes, start, end, most)
    this.since = this.engine.now
    this.partial = at === 0 ? text : text.slice(at)
    return end
  }

  /** A head that comes in pieces is parsed again only when another line may be complete. */
  #continueHead(bytes: Buffer, start: number, end: number): number {
    const { limits } = this.engine
    const had = this.partial.length
    const stop = Math.min(end, start + Math.max(0, limits.head + 4 - had))
    const piece = bytes.toString('latin1', start, stop)
    const text = this.partial + piece
    const lineAt = text.lastIndexOf('\n')
    const isLong = text.length - lineAt > (lineAt < 0 ? limits.requestLine : limits.fieldSize)
    if (!isLong && text.length <= limits.head && !piece.includes('\n')) {
      this.partial = text
      return stop
    }
    this.partial = ''
    const next = this.#readHead(text, 0)
    if (next === INCOMPLETE) {
      this.partial = text
      return stop
    }
    if (next < 0) return end
    return this.#beginRequest(bytes, start + next - had, end)
  }

  /** The head is read; `bytes` from `at` on is what follows it. @returns where to go on. */
  #beginRequest(bytes: Buffer, at: number, end: number): number {
    const { head, door, limits } = this.engine
    if (head.upgrade && head.method === 'GET' && head.length === 0 && door.takesUpgrades()) {
      this.#upgrade(bytes, at, end)
      return at
    }
    if (head.length > limits.body) {
      this.refuse(413, 'body too large')
      return at
    }
    if (door.ready !== undefined && this.#answerAtOnce()) return at
    this.requests++
    const hasBody = head.length !== 0
    const request = this.#makeRequest(hasBody)
    const response = new LeanResponse(request, this.socket, head.persistent, this)
    this.request = request
    this.response = response
    this.clientCloses = !head.persistent
    if (hasBody) this.#expectBody(bytes, at, end)
    else this.reading = 'later'
    if (at < end && this.corks === 0 && !hasBody) {
      this.corks = 1
      this.socket.cork()
    }
    door.serve(request as unknown as IncomingMessage, response as never)
    if (this.#rest === undefined) return at
    this.#rest = undefined
    return this.#restAt
  }

  /** @returns whether the answer was ready: the next request may follow, and nothing of this one is kept. */
  #answerAtOnce(): boolean {
    const { head, door, isClosing, limits } = this.engine
    if (!head.isPlain || isClosing || this.requests + 1 >= limits.requests) return false
    if (door.keepAlive === 0) return false
    if (this.socket.writableLength > 0) return false // its client is slow: one answer at a time
    const answer = door.ready?.(head)
    if (answer === undefined) return false
    this.requests++
    this.since = this.engine.now
    if (this.client) this.client.writeAtOnce(answer.text)
    else this.socket.write(answer.text, 'latin1')
    return true
  }

  #makeRequest(hasBody: boolean): LeanRequest {
    const { method, url, minor, fields, dropped } = this.engine.head
    const source = hasBody ? this : undefined
    return new LeanRequest(method, url, minor, fields, this.socket, source, dropped)
  }

  #expectBody(bytes: Buffer, at: number, end: number): void {
    const { head, limits, now } = this.engine
    this.#rest = bytes
    this.#restAt = at
    this.#restEnd = end
    this.reading = 'body'
    this.body ??= new IncomingBody(this)
    this.body.begin(head, limits, now)
  }

  /** The connection is the application's from here on; what has come goes along. */
  #upgrade(bytes: Buffer, at: number, end: number): void {
    const request = this.#makeRequest(false)
    this.reading = 'raw'
    this.requests++
    this.socket.removeListener('drain', onDrain)
    const rest = Buffer.from(bytes.subarray(at, end))
    this.engine.startUpgrade(this, request, rest)
  }

  #readBody(bytes: Buffer, start: number, end: number): number {
    const body = this.body as IncomingBody
    const at = body.read(bytes, start, end)
    if (this.reading !== 'body') return end
    if (body.status !== 0) this.refuse(body.status, body.reason)
    else if (body.drained > this.engine.limits.drain) this.close()
    else if (body.done) this.#bodyEnded(body)
    return at
  }

  #bodyEnded({ draining, trailers }: IncomingBody): void {
    const request = this.request as LeanRequest
    this.reading = 'later'
    if (!draining) request.finish(trailers)
    this.resume()
    if (this.response === undefined) this.#nextRequest()
  }

  /** The answer is written and the body not read: it is passed over, within a limit. */
  #drainBody(): void {
    const request = this.request as LeanRequest
    this.since = this.engine.now
    if (request.isRead()) return // it still has a reader
    ;(this.body as IncomingBody).draining = true
    request.abort(nodeError(Error, 'ECONNRESET', 'the answer did not wait for the body'))
    this.resume()
  }

  #nextRequest(): void {
    this.request = undefined
    this.since = this.engine.now
    this.#waitsForClient = this.socket.writableLength > UNSENT_LIMIT
    this.reading = this.#waitsForClient ? 'later' : 'head'
    if (this.#waitsForClient) this.watchDrain()
  }

  #readOther(bytes: Buffer, at: number, end: number): number {
    if (this.reading === 'later') {
      const piece = bytes.subarray(at, end)
      this.later = this.later ? Buffer.concat([this.later, piece]) : Buffer.from(piece)
      if (this.later.length > LATER_LIMIT) this.pause()
    }
    return end
  }

  #takeLater(): void {
    const { later } = this
    this.later = undefined
    if (later !== undefined) this.receive(later, 0, later.length)
    if (this.paused && this.later === undefined) this.resume()
  }
}

/** Connections one of whose answers has left, and nobody listens to it: to tell them together costs less. */
const toTell: Connection[] = []

function tellTogether(connection: Connection): void {
  if (toTell.push(connection) === 1) nextTick(tellAll)
}

function tellAll(): void {
  let told = 0
  try {
    while (told < toTell.length) (toTell[told++] as Connection).flushed()
  } finally {
    toTell.splice(0, told)
    if (toTell.length > 0) nextTick(tellAll)
  }
}

function onDrain(this: Socket): void {
  connectionOf(this)?.drained()
}
