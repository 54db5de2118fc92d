import {
  type BrotliCompress,
  constants,
  createBrotliCompress,
  createGzip,
  type Gzip,
} from 'node:zlib'
import type { EngineResponse, PreparedHead } from '../../../core/index.ts'
import { type Accepted, chooseCoding, weightOf } from '../codings.ts'
import { AnswerFields, addVary, describeCompressed, isFit } from './fields.ts'

type Callback = (error?: Error | null) => void
type Stream = Gzip | BrotliCompress

/** In the order in which they are preferred. */
const CODINGS = ['br', 'gzip']
/** As much as pays off while somebody waits. */
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } }

/**
 * Stands between whoever answers and the response: compresses the body where head and client allow it. Chunks are on
 * the wire as soon as nothing follows them, and who writes is held back where the client does not keep up.
 */
export class CompressedAnswer {
  readonly #response: EngineResponse
  readonly #accepted: Accepted
  readonly #isHead: boolean
  readonly #writeHead: EngineResponse['writeHead']
  readonly #write: (chunk: unknown, encoding?: unknown, done?: Callback) => boolean
  readonly #end: (chunk?: unknown, encoding?: unknown, done?: unknown) => EngineResponse
  #stream: Stream | undefined
  #flushKind = 0
  /** The length of what is not sent says nothing. */
  #isEmpty = false
  #willFlush = false

  constructor(response: EngineResponse, accepted: Accepted, isHead: boolean) {
    this.#response = response
    this.#accepted = accepted
    this.#isHead = isHead
    this.#writeHead = response.writeHead.bind(response)
    this.#write = response.write.bind(response) as never
    this.#end = response.end.bind(response) as never
    response.writeHead = ((...args: [number]) => this.#begin(args)) as never
    response.write = ((...args: [unknown]) => this.#take(...args)) as never
    response.end = ((...args: [unknown]) => this.#finish(...args)) as never
    if (response.sendPrepared) response.sendPrepared = (head, body) => this.#send(head, body)
  }

  #begin(args: readonly unknown[], length?: number): EngineResponse {
    const [status, second, third] = args as [number, unknown, unknown]
    const reason = typeof second === 'string' ? second : undefined
    const given = reason === undefined ? (third ?? second) : third
    const fields = new AnswerFields(this.#response, given as never)
    const coding = isFit(status, fields, length) ? this.#describe(fields) : undefined
    const all = fields.toArray() as never
    if (reason === undefined) this.#writeHead(status, all)
    else this.#writeHead(status, reason, all)
    if (coding !== undefined && this.#isHead) this.#isEmpty = true
    else if (coding !== undefined) this.#open(coding)
    return this.#response
  }

  /** @returns the coding that the fields tell of now; undefined: the body stays as it is. */
  #describe(fields: AnswerFields): string | undefined {
    addVary(fields)
    const coding = chooseCoding(this.#accepted, CODINGS)
    if (coding === undefined) return undefined
    if (weightOf(this.#accepted, coding) < weightOf(this.#accepted, 'identity')) return undefined
    describeCompressed(fields, coding)
    return coding
  }

  /** Whole, with text in latin-1. */
  #send({ statusCode, fields }: PreparedHead, body: string | Uint8Array = ''): void {
    this.#begin([statusCode, fields], body.length)
    this.#finish(body, 'latin1')
  }

  #open(coding: string): void {
    const response = this.#response
    const isBrotli = coding === 'br'
    const stream = isBrotli ? createBrotliCompress(BROTLI) : createGzip()
    this.#flushKind = isBrotli ? constants.BROTLI_OPERATION_FLUSH : constants.Z_SYNC_FLUSH
    this.#stream = stream
    let onTheWay = 0
    const left = () => {
      onTheWay--
      if (onTheWay === 0) stream.resume()
    }
    stream.on('data', (chunk: Buffer) => {
      onTheWay++
      if (!this.#write(chunk, undefined, left)) stream.pause()
    })
    stream.on('end', () => this.#end())
    stream.on('drain', () => response.emit('drain'))
    const emit = response.emit.bind(response)
    // the socket may have room while this has none
    response.emit = (event: string, ...args: unknown[]) =>
      event === 'drain' && stream.writableNeedDrain ? false : emit(event, ...args)
    stream.on('error', (error) => response.destroy(error))
    response.once('close', () => stream.destroy())
    const socket = response.socket
    Object.defineProperty(response, 'writableLength', {
      get: () => stream.writableLength + stream.readableLength + (socket?.writableLength ?? 0),
    })
  }

  #take(chunk: unknown, encoding?: unknown, callback?: Callback): boolean {
    if (!this.#response.headersSent) this.#begin([this.#response.statusCode])
    const stream = this.#stream
    if (stream === undefined) return this.#write(chunk, encoding, callback)
    const done = typeof encoding === 'function' ? (encoding as Callback) : callback
    this.#flushSoon(stream)
    return stream.write(copyOf(chunk, encoding), done)
  }

  #finish(chunk?: unknown, encoding?: unknown, callback?: unknown): EngineResponse {
    const body = typeof chunk === 'function' || chunk === null ? undefined : chunk
    if (!this.#response.headersSent) {
      const bytes = body === undefined ? undefined : copyOf(body, encoding)
      this.#begin([this.#response.statusCode], bytes?.length ?? 0)
    }
    const stream = this.#stream
    if (this.#isEmpty) return this.#end()
    if (stream === undefined) return this.#end(chunk, encoding, callback)
    const done = [chunk, encoding, callback].find((each) => typeof each === 'function')
    if (done) this.#response.once('finish', done as () => void)
    if (body === undefined) stream.end()
    else stream.end(copyOf(body, encoding))
    return this.#response
  }

  /** Chunks of one turn go together. */
  #flushSoon(stream: Stream): void {
    if (this.#willFlush) return
    this.#willFlush = true
    setImmediate(() => {
      this.#willFlush = false
      if (!stream.destroyed && !stream.writableEnded) stream.flush(this.#flushKind)
    })
  }
}

/** Bytes are only lent by who writes them. */
function copyOf(chunk: unknown, encoding: unknown): Buffer {
  if (typeof chunk !== 'string') return Buffer.from(chunk as Uint8Array)
  return Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8')
}
