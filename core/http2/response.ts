import type { Socket } from 'node:net'
import { LeanResponse } from '../http/lean-response.ts'
import type { PreparedHead } from '../http/prepared-head.ts'
import type { Callback } from '../http/response-body.ts'
import { nodeError } from '../http/response-head.ts'
import type { Http2Request } from './request.ts'
import type { Http2Stream } from './stream.ts'

type Chunk = string | Uint8Array

/** A response over HTTP/2. Status and fields are made as for HTTP/1.1; what differs is how they leave. */
export class Http2Response extends LeanResponse {
  readonly #stream: Http2Stream
  #prepared: PreparedHead | undefined = undefined

  constructor(request: Http2Request, stream: Http2Stream) {
    // the stream takes the socket's place: it is written to and watched in the same way
    super(request, stream as unknown as Socket, true, stream)
    this.#stream = stream
  }

  override setTimeout(milliseconds: number, callback?: () => void): this {
    if (callback) (this as unknown as NodeJS.EventEmitter).on('timeout', callback)
    this.#stream.setTimeout(milliseconds)
    return this
  }

  protected override writePrepared(head: PreparedHead): void {
    super.writePrepared(head)
    // unless somebody has added to it
    if (this.lines === head.lines) this.#prepared = head
  }

  protected override sendHead(): void {
    this.#respond(-1)
  }

  protected override writeBody(
    chunk: Chunk,
    encoding: BufferEncoding | undefined,
    done: Callback,
  ): boolean {
    if (!this.headSent) this.#respond(-1)
    if (this.#stream.destroyed) {
      process.nextTick(done, nodeError(Error, 'ERR_STREAM_DESTROYED', 'the stream is closed'))
      return true
    }
    this.#stream.push(this.#cut(toBytes(chunk, encoding)), done)
    return this.#stream.pending < this.#stream.writableHighWaterMark
  }

  protected override endBody(chunk: Chunk | undefined, encoding: BufferEncoding | undefined): void {
    const { sink } = this
    const stream = this.#stream
    this.finished = true
    if (sink === undefined || stream.destroyed) return
    const isPlain = typeof chunk === 'string' && isOneToOne(encoding)
    const body = isPlain || chunk === undefined ? chunk : toBytes(chunk, encoding)
    const size = body === undefined ? 0 : sizeOf(body, encoding)
    if (!this.headSent) this.#respond(size)
    if (stream.destroyed) return
    if (!this.hasBody) stream.finish(undefined, 0, 'latin1', '')
    else if (!this.#endWith(body, size, encoding)) return sink.breakOff(undefined, false)
    sink.answered(true, false)
  }

  protected override interim(text: string, callback: Callback | undefined): void {
    if (this.canInform && !this.#stream.destroyed) this.#stream.inform(text)
    if (callback) process.nextTick(callback)
  }

  /** @returns false where it is shorter than it says: it must not end as if it were whole. */
  #endWith(body: Chunk | undefined, size: number, encoding: BufferEncoding | undefined): boolean {
    const stream = this.#stream
    const room = this.declared < 0 ? size : this.declared - this.bodyBytes
    if (size > room) {
      const bytes = this.#cut(toBytes(body as Chunk, encoding))
      stream.finish(bytes, bytes.length, 'latin1', this.trailerLines)
      return true
    }
    this.bodyBytes += size
    if (this.bodyBytes < this.declared) {
      if (body !== undefined) stream.push(toBytes(body, encoding), undefined)
      return false
    }
    stream.finish(body, size, encoding ?? 'utf8', this.trailerLines)
    return true
  }

  /** @param length of the body, where all of it is known; else -1. */
  #respond(length: number): void {
    this.headSent = true
    if (this.#stream.destroyed) return
    // RFC 9113 §8.1: there is no final answer of that kind, and no change of protocols
    if (this.statusCode < 200) return this.sink?.breakOff(undefined, false)
    const hasDate = this.sendDate && !this.dateGiven
    const lines = this.lines as string
    this.#stream.respond(this.statusCode, lines, this.#prepared, hasDate, this.#announce(length))
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
  #cut(bytes: Uint8Array): Uint8Array {
    const room = this.declared < 0 ? bytes.length : this.declared - this.bodyBytes
    const size = Math.min(bytes.length, room)
    this.bodyBytes += size
    return size === bytes.length ? bytes : bytes.subarray(0, size)
  }
}

const toBytes = (chunk: Chunk, encoding: BufferEncoding | undefined): Uint8Array =>
  typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk

const isOneToOne = (encoding: BufferEncoding | undefined) =>
  encoding === undefined || encoding === 'latin1' || encoding === 'utf8' || encoding === 'utf-8'

const sizeOf = (body: Chunk, encoding: BufferEncoding | undefined) =>
  typeof body !== 'string' || encoding === 'latin1'
    ? body.length
    : Buffer.byteLength(body, encoding)
