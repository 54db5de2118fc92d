import type { Socket } from 'node:net'
import type { ClientSocket } from './client-socket.ts'
import type { LeanRequest } from './lean-request.ts'
import { ResponseFields } from './response-fields.ts'
import { checkName, checkValue, dateLine, nodeError } from './response-head.ts'

/** What a response needs of its connection. */
export interface AnswerSink {
  /** Called when the last bytes written by the response have left, or will never leave. */
  readonly flushed: (error?: Error | null) => void
  /** The socket, where what a client takes at once is the kernel's when `write` returns. */
  readonly client: ClientSocket | undefined
  /** How often the connection itself has corked the socket, to write several answers at once. */
  readonly corks: number
  /** Whether nothing may follow this answer on the connection. */
  isLast(): boolean
  /** All of the answer has been written; `persistent`: another request may follow; `hasLeft`: nobody will call `flushed`. */
  answered(persistent: boolean, hasLeft: boolean): void
  /** Wants 'drain' when the client has taken what was written. */
  watchDrain(): void
  /** An interim answer was asked for: the client may go on. */
  continued(): void
  /** Ends the connection at once. */
  breakOff(error: Error | undefined, reset: boolean): void
}

export type Callback = (error?: Error | null) => void

/** Buffers up to here are copied behind their head, so that both go in one write. */
const JOIN_LIMIT = 16_384
/** Answers up to here mostly leave at once. */
const SMALL = 262_144
const endings = Buffer.from('\r\n')

/** Framing (RFC 9112 §6): completes the head, and writes the body behind it to the connection's socket. */
export class ResponseBody extends ResponseFields {
  readonly request: LeanRequest
  socket: Socket
  shouldKeepAlive: boolean
  strictContentLength = false
  chunkedEncoding = false
  /** `end` was called. */
  finished = false
  /** Body bytes that went, or go, to the client. */
  bodyBytes = 0
  protected sink: AnswerSink | undefined
  protected headSent = false
  /** Field lines that follow the body. */
  protected trailerLines = ''
  #persistent = true
  /** The body is not what the head says: nothing can follow it. */
  #mismatch = false
  /** The kernel has all of the answer already. */
  #hasLeft = false

  constructor(request: LeanRequest, socket: Socket, persistent: boolean, sink: AnswerSink) {
    super(request.method !== 'HEAD')
    this.request = request
    this.socket = socket
    this.shouldKeepAlive = persistent
    this.sink = sink
  }

  get _last(): boolean {
    return !this.#persistent
  }

  addTrailers(headers: Record<string, unknown> | readonly [string, unknown][]): void {
    const entries = Array.isArray(headers) ? headers : Object.entries(headers)
    this.trailerLines = ''
    for (const [name, value] of entries as [string, unknown][]) {
      checkName(name, 'Trailer name')
      for (const each of [value].flat()) {
        this.trailerLines += `${name}: ${checkValue(name, each)}\r\n`
      }
    }
  }

  /** Sends the head; what comes of the body, if any does, is not known yet. */
  protected sendHead(): void {
    this.socket.write(this.startBody(-1), 'latin1')
  }

  /** Completes the head. `length`: of the whole body where it is known, else -1. */
  protected startBody(length: number): string {
    const sink = this.sink as AnswerSink
    let head = this.lines as string
    this.headSent = true
    if (this.sendDate && !this.dateGiven) head += dateLine()
    this.#persistent =
      this.shouldKeepAlive && !this.closeGiven && !this.#mismatch && this.statusCode >= 200
    head += this.#framing(length)
    if (this.#persistent && sink.isLast()) this.#persistent = false
    if (!this.#persistent) return `${head}Connection: close\r\n\r\n`
    if (this.request.httpVersionMinor === 1) return `${head}\r\n`
    return `${head}Connection: keep-alive\r\n\r\n`
  }

  /** @returns the field that says where the body ends; without one it is the end of the connection. */
  #framing(length: number): string {
    const { statusCode } = this
    const canChunk = this.request.httpVersionMinor === 1
    if (statusCode < 200 || statusCode === 204) {
      this.declared = -1
      return ''
    }
    if (!this.hasBody) {
      if (this.declared < 0 && length > 0 && statusCode !== 304) this.declared = length
      return this.declared < 0 ? '' : `Content-Length: ${this.declared}\r\n`
    }
    if (canChunk && (this.codingGiven || this.trailerGiven)) return this.#chunked()
    if (this.declared < 0 && length >= 0 && !this.isRemoved('content-length')) {
      this.declared = length
    }
    if (this.declared >= 0) return `Content-Length: ${this.declared}\r\n`
    if (canChunk && !this.isRemoved('transfer-encoding')) return this.#chunked()
    this.#persistent = false
    return ''
  }

  #chunked(): string {
    this.declared = -1
    this.chunkedEncoding = true
    return 'Transfer-Encoding: chunked\r\n'
  }

  /** Bytes beyond the declared length would be read as the next answer: they are not sent. */
  #allowed(size: number, isEnd: boolean): number {
    const total = this.bodyBytes + size
    if (this.declared < 0 || total === this.declared) return size
    if (total < this.declared && !isEnd) return size
    if (this.strictContentLength) {
      const message = `Response body's content-length of ${total} byte(s) does not match the content-length of ${this.declared} byte(s) set in header`
      throw nodeError(Error, 'ERR_HTTP_CONTENT_LENGTH_MISMATCH', message)
    }
    this.#mismatch = true
    return Math.min(size, this.declared - this.bodyBytes)
  }

  protected writeBody(
    chunk: string | Uint8Array,
    encoding: BufferEncoding | undefined,
    done: Callback,
  ): boolean {
    const { socket } = this
    if (!socket.writableCorked) {
      socket.cork()
      process.nextTick(uncork, socket)
    }
    const head = this.headSent ? '' : this.startBody(-1)
    let bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk
    const allowed = this.#allowed(bytes.length, false)
    if (allowed < bytes.length) bytes = bytes.subarray(0, allowed)
    this.bodyBytes += bytes.length
    if (!this.chunkedEncoding || bytes.length === 0) {
      if (head !== '') socket.write(head, 'latin1')
      if (bytes.length === 0 && socket.writableLength === 0) {
        // an empty write has TLS read at once, in the middle of what is being read
        process.nextTick(done)
        return true
      }
      return socket.write(bytes, done)
    }
    socket.write(`${head}${bytes.length.toString(16)}\r\n`, 'latin1')
    socket.write(bytes)
    return socket.write(endings, done)
  }

  protected endBody(
    chunk: string | Uint8Array | undefined,
    encoding: BufferEncoding | undefined,
  ): void {
    const sink = this.sink
    if (sink === undefined || this.socket.destroyed) {
      this.finished = true
      return
    }
    if (this.headSent) this.#endStarted(chunk, encoding, sink)
    else this.#endWhole(chunk, encoding, sink)
    this.finished = true
    while (this.socket.writableCorked > sink.corks) this.socket.uncork()
    sink.answered(this.#persistent && !this.#mismatch, this.#hasLeft)
  }

  /** Head and body in one go. */
  #endWhole(
    chunk: string | Uint8Array | undefined,
    encoding: BufferEncoding | undefined,
    sink: AnswerSink,
  ): void {
    if (typeof chunk === 'string' && (encoding === undefined || isPlain(encoding))) {
      const size = this.#sizeOf(chunk, encoding)
      if (size === chunk.length && this.#fits(size)) {
        const head = this.startBody(size)
        if (!this.hasBody) this.#writeLast(head, sink)
        else if (this.chunkedEncoding) this.#lastChunk(head, Buffer.from(chunk, 'latin1'), sink)
        else {
          this.bodyBytes = size
          this.#writeLast(head + chunk, sink)
        }
        return
      }
    }
    let bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk
    const size = bytes?.length ?? 0
    if (this.declared >= 0 && this.hasBody && !this.codingGiven && !this.trailerGiven) {
      const allowed = this.#allowed(size, true)
      if (allowed !== size) bytes = bytes?.subarray(0, allowed)
    }
    const head = this.startBody(size)
    if (!this.hasBody) this.#writeLast(head, sink)
    else if (this.chunkedEncoding) this.#lastChunk(head, bytes, sink)
    else if (bytes === undefined) this.#writeLast(head, sink)
    else {
      this.bodyBytes = bytes.length
      this.#writeJoined(head, bytes, sink)
    }
  }

  /** The bytes of a text. A declared length that equals the number of characters says that all are ASCII. */
  #sizeOf(text: string, encoding: BufferEncoding | undefined): number {
    if (encoding === 'latin1' || encoding === 'binary') return text.length
    return text.length === this.declared && text.length > 64
      ? text.length
      : Buffer.byteLength(text, 'utf8')
  }

  #fits(size: number): boolean {
    return this.declared < 0 || this.declared === size || !this.hasBody
  }

  #endStarted(
    chunk: string | Uint8Array | undefined,
    encoding: BufferEncoding | undefined,
    sink: AnswerSink,
  ): void {
    if (!this.hasBody) return this.#endQuietly(sink)
    let bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk
    if (this.chunkedEncoding) return this.#lastChunk('', bytes, sink)
    const allowed = this.#allowed(bytes?.length ?? 0, true)
    if (bytes !== undefined && allowed < bytes.length) bytes = bytes.subarray(0, allowed)
    this.bodyBytes += bytes?.length ?? 0
    if (bytes === undefined || bytes.length === 0) return this.#endQuietly(sink)
    this.#writeLast(bytes, sink)
  }

  /** What a client takes at once needs no callback, which would cost more than the rest of the writing. */
  #writeLast(chunk: string | Uint8Array, sink: AnswerSink): void {
    const { socket } = this
    const done = this.#needsCallback(chunk.length, sink) ? sink.flushed : undefined
    if (typeof chunk !== 'string') socket.write(chunk, done)
    else if (done !== undefined) socket.write(chunk, 'latin1', done)
    else sink.client?.writeAtOnce(chunk)
    if (done === undefined) this.#endQuietly(sink)
  }

  #writeJoined(head: string, bytes: Uint8Array, sink: AnswerSink): void {
    const done = this.#needsCallback(bytes.length, sink) ? sink.flushed : undefined
    writeJoined(this.socket, head, bytes, done)
    if (done === undefined) this.#endQuietly(sink)
  }

  #needsCallback(size: number, { client }: AnswerSink): boolean {
    if (client === undefined || size > SMALL) return true
    return this.socket.writableLength > 0 || this.socket.writableCorked > 0
  }

  /** Nothing more to write: tells when what was written before has left. */
  #endQuietly(sink: AnswerSink): void {
    const { socket } = this
    if (socket.writableLength > 0) socket.write('', 'latin1', sink.flushed)
    else this.#hasLeft = socket.errored === null
  }

  #lastChunk(head: string, bytes: Uint8Array | undefined, sink: AnswerSink): void {
    const { socket } = this
    const last = `0\r\n${this.trailerLines}\r\n`
    if (bytes === undefined || bytes.length === 0) {
      this.#writeLast(head + last, sink)
      return
    }
    this.bodyBytes += bytes.length
    socket.cork()
    writeJoined(socket, `${head}${bytes.length.toString(16)}\r\n`, bytes)
    socket.write(`\r\n${last}`, 'latin1', sink.flushed)
    socket.uncork()
  }
}

const isPlain = (encoding: BufferEncoding) =>
  encoding === 'utf8' || encoding === 'latin1' || encoding === 'utf-8' || encoding === 'binary'

const uncork = (socket: Socket) => socket.uncork()

/** Where head and body are joined. Another takes its place while the kernel has not taken what is in it. */
let joint = Buffer.allocUnsafeSlow(2 * JOIN_LIMIT)

function writeJoined(socket: Socket, head: string, bytes: Uint8Array, done?: Callback): void {
  const size = head.length + bytes.length
  if (bytes.length <= JOIN_LIMIT && size <= joint.length) {
    joint.write(head, 0, 'latin1')
    joint.set(bytes, head.length)
    const joined = joint.subarray(0, size)
    const before = socket.writableLength
    socket.write(joined, done)
    if (socket.writableLength > before) joint = Buffer.allocUnsafeSlow(joint.length)
    return
  }
  socket.cork()
  socket.write(head, 'latin1')
  socket.write(bytes, done)
  socket.uncork()
}
