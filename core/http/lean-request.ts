import { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { inOnePiece } from '../one-piece.ts'
import { setSocketTimeout } from './connection-of.ts'
import type { Origin } from './origin.ts'

/** Bytes of a body that wait for their reader before the client is slowed down. */
const HIGH_WATER_MARK = 65_536
/** As many are put together: each takes a hundred bytes beside its own. */
const MOST_PIECES = 64
const STREAM_OPTIONS = { highWaterMark: HIGH_WATER_MARK }

/** What a request needs of its connection. */
export interface BodySource {
  /** The reader has room: bytes may come. */
  bodyWanted(): void
  /** The reader has given up; the connection cannot go on. */
  bodyAbandoned(error: Error | null): void
  /** @returns the whole body where it came along with its head, which is being served at this moment. */
  lendBody?(): Buffer | undefined
}

type ReadableState = { readingMore: boolean; flowing: boolean | null; destroyed: boolean }
type Fields = Record<string, string | string[] | undefined>

/**
 * A request as node:http gives it. It is a real Readable, but its stream comes into being only when somebody touches
 * it: most requests have no body and nobody listens.
 */
export class LeanRequest {
  declare _events: undefined
  declare _eventsCount: number
  declare _maxListeners: undefined
  method: string
  url: string
  readonly httpVersionMajor: number = 1
  readonly httpVersionMinor: number
  /** Names and values in turn, as sent, without names that have an underscore. */
  rawHeaders: string[]
  rawTrailers: string[] = []
  /** Names and values of the fields that `rawHeaders` is without; undefined: there are none. */
  droppedHeaders: string[] | undefined
  /** Whom it is from, where that is not the socket's to tell. */
  origin: Origin | undefined = undefined
  socket: Socket
  /** The whole request is here. */
  complete: boolean
  /** The client left before it had its answer. */
  aborted = false
  readonly upgrade = false
  /** For node:stream, which knows requests of a server by these two. */
  _consuming = false
  _dumped = false
  #headers: Fields | undefined = undefined
  #trailers: Fields | undefined = undefined
  #state: ReadableState | undefined = undefined
  /** The connection is no longer this request's. */
  #over = false
  #isLeft = false
  /** Of the body, come before anybody asked. */
  #early: Buffer[] | undefined = undefined
  #earlySize = 0
  #source: BodySource | undefined
  readonly #prototype: object

  constructor(
    method: string,
    url: string,
    minor: number,
    rawHeaders: string[],
    socket: Socket,
    source: BodySource | undefined,
    droppedHeaders?: string[],
  ) {
    this._events = undefined
    this._eventsCount = 0
    this._maxListeners = undefined
    this.#prototype = new.target.prototype
    this.method = method
    this.url = url
    this.httpVersionMinor = minor
    this.rawHeaders = rawHeaders
    this.droppedHeaders = droppedHeaders
    this.socket = socket
    this.#source = source
    this.complete = source === undefined
  }

  /** That of its own class, whatever it has been given instead; undefined: it is of no such class. */
  static prototypeOf(value: object): object | undefined {
    return #prototype in value ? value.#prototype : undefined
  }

  get httpVersion(): string {
    return this.httpVersionMinor === 1 ? '1.1' : '1.0'
  }

  /** By lower-case name; repeated ones are joined or dropped by node:http's rules. */
  get headers(): Fields {
    this.#headers ??= joinFields(this.rawHeaders)
    return this.#headers
  }

  set headers(headers: Fields) {
    this.#headers = headers
  }

  /** `rawHeaders` has changed: what was made of it is made anew. */
  forgetHeaders(): void {
    this.#headers = undefined
  }

  get headersDistinct(): Record<string, string[]> {
    return distinctFields(this.rawHeaders)
  }

  get trailers(): Fields {
    this.#trailers ??= joinFields(this.rawTrailers)
    return this.#trailers
  }

  set trailers(trailers: Fields) {
    this.#trailers = trailers
  }

  get trailersDistinct(): Record<string, string[]> {
    return distinctFields(this.rawTrailers)
  }

  get destroyed(): boolean {
    return this.#state === undefined ? this.aborted : this.#state.destroyed
  }

  set destroyed(value: boolean) {
    this._readableState.destroyed = value
  }

  /** Node's stream machinery asks for this first of all, whatever it does: here the stream begins. */
  get _readableState(): ReadableState {
    return this.#state ?? this.#open()
  }

  set _readableState(state: ReadableState) {
    this.#state = state
  }

  /** @returns whether more of the body may come now. `chunk` is the request's own from here on. */
  feed(chunk: Buffer): boolean {
    if (this.#state !== undefined) return asStream(this).push(chunk)
    this.#earlySize += chunk.length
    if (this.#early === undefined) this.#early = [chunk]
    else {
      this.#early.push(chunk)
      if (this.#early.length >= MOST_PIECES) {
        this.#early = [Buffer.concat(this.#early, this.#earlySize)]
      }
    }
    return this.#earlySize < HIGH_WATER_MARK
  }

  /** The body has ended. */
  finish(trailers: string[]): void {
    this.rawTrailers = trailers
    this.complete = true
    if (this.#state !== undefined) asStream(this).push(null)
  }

  /** The client has left, or the request turned out to be broken. */
  abort(error: Error): void {
    this.#over = true
    this.#source = undefined // an answer may be on its way: what ends is the request alone
    if (this.#state !== undefined) asStream(this).destroy(error)
    else this.aborted = true
    this.#early = undefined
  }

  /** Whether anybody reads, or has read, the body. */
  isRead(): boolean {
    if (this.#isLeft || this.#state === undefined) return false
    return this._consuming || this.#state.flowing !== null
  }

  /** Nobody reads on once the answer is out: the rest of the body is passed over then, as if none of it had been read. */
  leaveBody(): void {
    this.#isLeft = true
  }

  /** The answer has been given: what becomes of the request does not touch the connection. */
  settle(): void {
    this.#over = true
  }

  /** The answer is out: what nobody has read is thrown away, so that 'end' and 'close' come. */
  dump(): void {
    this.#early = undefined
    if (this.#state === undefined || this._dumped) return
    this._dumped = true
    if (!this.isRead() && asStream(this).listenerCount('readable') === 0) asStream(this).resume()
  }

  /** @returns the body where all of it is here and nobody has begun to read it; it is the caller's then. */
  takeBody(): Buffer | undefined {
    if (!this.complete || this.#state !== undefined) return undefined
    const chunks = this.#early
    this.#early = undefined
    if (chunks === undefined) return Buffer.alloc(0)
    return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, this.#earlySize)
  }

  /** @returns the body where all of it came along with its head; whoever is handed the request may read it meanwhile. */
  lendBody(): Buffer | undefined {
    if (this.complete || this.#state !== undefined) return undefined
    const bytes = this.#source?.lendBody?.()
    if (bytes !== undefined) this.complete = true
    return bytes
  }

  setTimeout(milliseconds: number, callback?: () => void): this {
    if (callback) asStream(this).on('timeout', callback)
    setSocketTimeout(this.socket, milliseconds)
    return this
  }

  _read(): void {
    if (!this._consuming) {
      this._readableState.readingMore = false
      this._consuming = true
    }
    this.#source?.bodyWanted()
  }

  _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const stream = asStream(this)
    if (!stream.readableEnded || !this.complete) {
      this.aborted = true
      stream.emit('aborted')
      if (this.#source) this.#source.bodyAbandoned(error)
      else if (!this.#over) this.socket.destroy(error ?? undefined)
    }
    // as in node:http, an error is emitted only where somebody listens
    const shown = stream.listenerCount('error') === 0 ? null : error
    process.nextTick(callback, shown)
  }

  _dump(): void {
    this.dump()
  }

  #open(): ReadableState {
    const stream = asStream(this)
    Readable.call(stream as never, STREAM_OPTIONS)
    const state = this.#state as unknown as ReadableState
    state.readingMore = true // or the first push would call _read before anybody has asked
    for (const chunk of this.#early ?? []) stream.push(chunk)
    this.#early = undefined
    if (this.complete) stream.push(null)
    if (this.aborted) stream.destroy()
    return state
  }
}
Object.setPrototypeOf(LeanRequest.prototype, IncomingMessage.prototype)

const asStream = (request: LeanRequest) => request as unknown as Readable

/** How a repeated field is joined. */
type Rule = 'comma' | 'first' | 'cookie' | 'array'

interface Name {
  readonly lower: string
  readonly rule: Rule
}

/** node:http keeps the first of these. */
const FIRST_WINS = new Set(
  (
    'age authorization content-length content-type etag expires from host if-modified-since ' +
    'if-unmodified-since last-modified location max-forwards proxy-authorization referer retry-after server user-agent'
  ).split(' '),
)

/** By name as sent; bounded, as clients choose the names. */
const names = new Map<string, Name>()
const MAX_NAMES = 1000
/** Longer names are not worth it. */
const LONGEST = 64

function nameOf(sent: string): Name {
  const known = names.get(sent)
  if (known !== undefined) return known
  if (names.size >= MAX_NAMES || sent.length > LONGEST) return newName(sent)
  const kept = inOnePiece(sent)
  const name = newName(kept)
  names.set(kept, name)
  return name
}

function newName(sent: string): Name {
  const lower = sent.toLowerCase()
  return { lower, rule: ruleOf(lower) }
}

function ruleOf(lower: string): Rule {
  if (lower === 'set-cookie') return 'array'
  if (lower === 'cookie') return 'cookie'
  return FIRST_WINS.has(lower) ? 'first' : 'comma'
}

function joinFields(raw: readonly string[]): Fields {
  const fields: Fields = {}
  for (let index = 0; index < raw.length; index += 2) {
    const name = nameOf(raw[index] as string)
    const value = raw[index + 1] as string
    const before = fields[name.lower]
    if (name.rule === 'array') {
      if (Array.isArray(before)) before.push(value)
      else fields[name.lower] = [value]
    } else if (typeof before !== 'string') fields[name.lower] = value
    else if (name.rule !== 'first') {
      fields[name.lower] = `${before}${name.rule === 'cookie' ? '; ' : ', '}${value}`
    }
  }
  return fields
}

function distinctFields(raw: readonly string[]): Record<string, string[]> {
  const fields: Record<string, string[]> = Object.create(null)
  for (let index = 0; index < raw.length; index += 2) {
    const { lower } = nameOf(raw[index] as string)
    const values = fields[lower] ?? []
    values.push(raw[index + 1] as string)
    fields[lower] = values
  }
  return fields
}
