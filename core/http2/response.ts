import type { OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import { LeanResponse } from '../http/lean-response.ts'
import type { AnswerSink, Callback } from '../http/response-body.ts'
import { dateLine, nodeError } from '../http/response-head.ts'
import type { Http2Request } from './request.ts'

type Chunk = string | Uint8Array

/** A response over an HTTP/2 stream. Status and fields are made as for HTTP/1.1; what differs is how they leave. */
export class Http2Response extends LeanResponse {
  readonly #stream: ServerHttp2Stream

  constructor(request: Http2Request, stream: ServerHttp2Stream, sink: AnswerSink) {
    // the stream takes the socket's place: it is written to, corked and watched in the same way
    super(request, stream as unknown as Socket, true, sink)
    this.#stream = stream
  }

  override setTimeout(milliseconds: number, callback?: () => void): this {
    if (callback) (this as unknown as NodeJS.EventEmitter).on('timeout', callback)
    this.#stream.setTimeout(milliseconds)
    return this
  }

  protected override sendHead(): void {
    this.#respond(-1, !this.hasBody)
  }

  protected override writeBody(
    chunk: Chunk,
    encoding: BufferEncoding | undefined,
    done: Callback,
  ): boolean {
    if (!this.headSent) this.#respond(-1, false)
    if (this.#isGone) {
      process.nextTick(done, nodeError(Error, 'ERR_STREAM_DESTROYED', 'the stream is closed'))
      return true
    }
    return this.#stream.write(this.#cut(chunk, encoding), done)
  }

  protected override endBody(chunk: Chunk | undefined, encoding: BufferEncoding | undefined): void {
    const { sink } = this
    const stream = this.#stream
    this.finished = true
    if (sink === undefined || this.#isGone) return
    if (!this.headSent) this.#respond(sizeOf(chunk, encoding), !this.hasBody || isEmpty(chunk))
    const bytes = this.hasBody && !isEmpty(chunk) ? this.#cut(chunk as Chunk, encoding) : undefined
    while (stream.writableCorked > 0) stream.uncork()
    if (this.hasBody && this.bodyBytes < this.declared) {
      // shorter than it says: it must not end as if it were whole
      if (bytes) stream.write(bytes)
      return sink.breakOff(undefined, false)
    }
    if (bytes) stream.end(bytes)
    else if (!stream.writableEnded) stream.end()
    sink.answered(true, false)
  }

  protected override interim(text: string, callback: Callback | undefined): void {
    if (this.canInform && !this.#isGone) this.#stream.additionalHeaders(fieldsOf(text))
    if (callback) process.nextTick(callback)
  }

  /** Its client has given it up, and the event that says so is still to come. */
  get #isGone(): boolean {
    return this.#stream.destroyed || this.#stream.closed
  }

  /** @param length of the body, where all of it is known. */
  #respond(length: number, isAll: boolean): void {
    this.headSent = true
    if (this.#isGone) return
    // RFC 9113 §8.1: there is no final answer of that kind, and no change of protocols
    if (this.statusCode < 200) return this.sink?.breakOff(undefined, false)
    const date = this.sendDate && !this.dateGiven ? dateLine() : ''
    const headers = fieldsOf(this.lines + date)
    const size = this.#announce(length)
    if (size >= 0) headers['content-length'] = size
    const waitForTrailers = this.trailerGiven || this.trailerLines !== ''
    if (waitForTrailers) this.#stream.once('wantTrailers', () => this.#sendTrailers())
    const endStream = isAll && !waitForTrailers
    this.#stream.respond(headers, { endStream, waitForTrailers, sendDate: false } as object)
  }

  /** @returns the Content-Length; -1 for none. */
  #announce(length: number): number {
    const { statusCode } = this
    if (statusCode < 200 || statusCode === 204) return -1
    if (this.declared >= 0 || length < 0 || this.isRemoved('content-length')) return this.declared
    if (!this.hasBody) return length > 0 && statusCode !== 304 ? length : -1
    if (!this.trailerGiven) this.declared = length
    return this.declared
  }

  /** Bytes beyond the declared length would make the answer malformed: they are not sent. */
  #cut(chunk: Chunk, encoding: BufferEncoding | undefined): Uint8Array {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk
    const room = this.declared < 0 ? bytes.length : this.declared - this.bodyBytes
    const size = Math.min(bytes.length, room)
    this.bodyBytes += size
    return size === bytes.length ? bytes : bytes.subarray(0, size)
  }

  #sendTrailers(): void {
    if (!this.#isGone) this.#stream.sendTrailers(addFields({}, this.trailerLines, 0))
  }
}

const isEmpty = (chunk: Chunk | undefined) => chunk === undefined || chunk.length === 0

function sizeOf(chunk: Chunk | undefined, encoding: BufferEncoding | undefined): number {
  if (chunk === undefined) return 0
  return typeof chunk === 'string' ? Buffer.byteLength(chunk, encoding) : chunk.length
}

/** The fields of a head as HTTP/1.1 has it. */
const fieldsOf = (head: string): OutgoingHttpHeaders =>
  addFields({ ':status': Number(head.slice(9, 12)) }, head, head.indexOf('\n') + 1)

/** Fields of HTTP/1.1's connections, which HTTP/2 has none of (RFC 9113 §8.2.2). */
const OF_CONNECTIONS = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
])

/** By name as it was written; bounded, as applications choose the names. '' for one that is left out. */
const names = new Map<string, string>()
const MAX_NAMES = 500

function nameOf(written: string): string {
  const known = names.get(written)
  if (known !== undefined) return known
  const lower = written.toLowerCase()
  const name = OF_CONNECTIONS.has(lower) ? '' : lower
  if (names.size < MAX_NAMES) names.set(written, name)
  return name
}

/** Lines become an object; the values of repeated fields are joined (RFC 9110 §5.3), but for cookies. */
function addFields(fields: OutgoingHttpHeaders, lines: string, start: number) {
  for (let at = start, end = 0; at < lines.length; at = end + 2) {
    end = lines.indexOf('\r\n', at)
    const colon = lines.indexOf(': ', at)
    if (colon < 0 || colon > end) continue
    const name = nameOf(lines.slice(at, colon))
    if (name === '') continue
    const value = lines.slice(colon + 2, end)
    const before = fields[name]
    if (before === undefined) fields[name] = value
    else
      fields[name] =
        name === 'set-cookie' ? [before, value].flat().map(String) : `${before}, ${value}`
  }
  return fields
}
