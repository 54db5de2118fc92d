import type { PreparedHead } from '../http/prepared-head.ts'
import type { Callback } from '../http/response-body.ts'
import type { FrameWriter } from './frame-writer.ts'
import { encoder } from './hpack-encoder.ts'
import { CODE, FLAG, HEAD_SIZE } from './protocol.ts'

/** What of a stream could be sent. */
export type Progress =
  /** All there is, for now. */
  | 'idle'
  /** Nothing follows on this stream. */
  | 'over'
  /** It has had its share, and has more. */
  | 'more'
  /** The client takes no more of this stream. */
  | 'blocked'
  /** The client takes no more at all. */
  | 'starved'

/** What a stream needs of its connection to send. */
export interface Carrier {
  /** Bytes of bodies that the client takes. */
  sendWindow: number
  readonly maxSentFrame: number
  /** @returns whether this is the first head. */
  takeFirstHead(): boolean
  /** It has something to send. */
  wake(stream: Outgoing): void
  /** The bytes of a write are in frames: who wrote them is told when all is done. */
  left(done: Callback | undefined): void
}

interface Chunk {
  readonly bytes: Uint8Array
  readonly done: Callback | undefined
}

/** Of one stream before it is another's turn. */
const SHARE = 32_768
/** With less room than this no frame is begun. */
export const LEAST_ROOM = 1024

/** Chunks that have gone are let go of when there are so many. */
const MANY = 1000
const NOTHING = new Uint8Array(0)
/** Holds no memory until the others are let go of, too. */
const GONE: Chunk = { bytes: NOTHING, done: undefined }

/** The half of a stream that goes to the client: what waits, and how it is put into frames. */
export class Outgoing {
  readonly id: number
  sendWindow: number
  /** The client has sent all it will send. */
  hasEnded: boolean
  /** It stands in the connection's queue. */
  isQueued = false
  /** Nothing follows: END_STREAM or RST_STREAM is out. */
  isOver = false
  /** Bytes of the body that wait. */
  pending = 0
  protected readonly carrier: Carrier
  #interim: string[] | undefined = undefined
  #hasHead = false
  #status = 0
  #lines = ''
  #prepared: PreparedHead | undefined = undefined
  #hasDate = false
  #length = -1
  #chunks: Chunk[] | undefined = undefined
  /** Chunks that have gone, and what has gone of the next one. */
  #gone = 0
  #offset = 0
  #last: string | Uint8Array | undefined = undefined
  #encoding: BufferEncoding = 'utf8'
  #isEnded = false
  #trailers = ''
  #resetCode = -1
  #resetsAtEnd = false

  constructor(id: number, carrier: Carrier, window: number, hasEnded: boolean) {
    this.id = id
    this.carrier = carrier
    this.sendWindow = window
    this.hasEnded = hasEnded
  }

  /** Waits for the client to take more of this stream. */
  get isBlocked(): boolean {
    return this.pending > 0 && !this.isOver && this.sendWindow <= 0
  }

  /** Whether it is reset, or soon will be. */
  get isBroken(): boolean {
    return this.#resetCode >= 0
  }

  /** A head that another one follows; of HTTP/1.1, with its empty line. */
  inform(text: string): void {
    this.#interim ??= []
    this.#interim.push(text)
    this.carrier.wake(this)
  }

  /**
   * @param lines of HTTP/1.1: status and fields. @param prepared the same, where they are sent again and again.
   * @param length of the body; -1 where it is not said.
   */
  respond(
    status: number,
    lines: string,
    prepared: PreparedHead | undefined,
    hasDate: boolean,
    length: number,
  ): void {
    this.#hasHead = true
    this.#status = status
    this.#lines = lines
    this.#prepared = prepared
    this.#hasDate = hasDate
    this.#length = length
    this.carrier.wake(this)
  }

  /** A part of the body. `done` is told when its bytes are needed no more. */
  push(bytes: Uint8Array, done: Callback | undefined): void {
    this.#chunks ??= []
    this.#chunks.push({ bytes, done })
    this.pending += bytes.length
    this.carrier.wake(this)
  }

  /** @param size of the last part in bytes. @param trailers lines of HTTP/1.1. */
  finish(
    last: string | Uint8Array | undefined,
    size: number,
    encoding: BufferEncoding,
    trailers: string,
  ): void {
    this.#last = last
    this.pending += size
    this.#encoding = encoding
    this.#trailers = trailers
    this.#isEnded = true
    this.carrier.wake(this)
  }

  /** The stream ends when what can go has gone. */
  reset(code: number): void {
    if (this.#resetCode < 0) this.#resetCode = code
    this.carrier.wake(this)
  }

  /** RFC 9113 §8.1: nothing more is wanted of the client when the answer is out. */
  resetAtEnd(): void {
    this.#resetsAtEnd = true
  }

  /** Puts into frames what may go now. */
  writeTo(out: FrameWriter): Progress {
    if (this.isOver) return 'idle'
    for (const text of this.#interim ?? []) this.#emitInterim(out, text)
    this.#interim = undefined
    if (this.#hasHead) this.#emitHead(out)
    const progress = this.isOver ? 'over' : this.#emitBody(out)
    if (progress === 'over') {
      if (this.#resetsAtEnd && !this.hasEnded) out.reset(this.id, CODE.noError)
    } else if (this.#resetCode >= 0 && progress !== 'more') {
      out.reset(this.id, this.#resetCode)
      this.isOver = true
      return 'over'
    }
    return progress
  }

  /** Nothing of it will be sent. */
  protected discard(error: Error): void {
    const chunks = this.#chunks
    this.isOver = true
    this.pending = 0
    this.#chunks = undefined
    this.#last = undefined
    for (const { done } of chunks?.slice(this.#gone) ?? []) if (done) process.nextTick(done, error)
    this.#gone = 0
  }

  #emitInterim(out: FrameWriter, text: string): void {
    encoder.begin(this.carrier.takeFirstHead())
    encoder.status(Number(text.slice(9, 12)))
    encoder.fields(text.slice(0, -2), text.indexOf('\n') + 1)
    out.headers(this.id, 0, this.carrier.maxSentFrame)
  }

  #emitHead(out: FrameWriter): void {
    this.#hasHead = false
    encoder.begin(this.carrier.takeFirstHead())
    if (this.#prepared) encoder.prepared(this.#prepared)
    else {
      encoder.status(this.#status)
      encoder.fields(this.#lines, this.#lines.indexOf('\n') + 1)
    }
    if (this.#hasDate) encoder.date()
    if (this.#length >= 0) encoder.length(this.#length)
    this.#lines = ''
    const isAll = this.#isEnded && this.pending === 0 && this.#trailers === '' && !this.#chunks
    if (isAll) this.isOver = true
    out.headers(this.id, isAll ? FLAG.endStream : 0, this.carrier.maxSentFrame)
  }

  #emitBody(out: FrameWriter): Progress {
    let share = SHARE
    while (this.pending > 0) {
      if (this.sendWindow <= 0) return 'blocked'
      if (this.carrier.sendWindow <= 0) return 'starved'
      if (share <= 0 || out.room < LEAST_ROOM) return 'more'
      share -= this.#chunks === undefined ? this.#emitLast(out) : this.#emitChunk(out, this.#chunks)
    }
    if (this.#chunks !== undefined) this.#passEmpty(this.#chunks)
    if (this.#isEnded && !this.isOver) this.#emitEnd(out)
    return this.isOver ? 'over' : 'idle'
  }

  /** What is left has no bytes. */
  #passEmpty(chunks: readonly Chunk[]): void {
    for (let at = this.#gone; at < chunks.length; at++) this.carrier.left(chunks[at]?.done)
    this.#chunks = undefined
    this.#gone = 0
  }

  /** How many bytes may be in one frame now. */
  #allowance(out: FrameWriter): number {
    const { sendWindow, maxSentFrame } = this.carrier
    return Math.min(sendWindow, maxSentFrame, this.sendWindow, out.room - HEAD_SIZE)
  }

  #emitLast(out: FrameWriter): number {
    const last = this.#last as string | Uint8Array
    const size = this.pending
    this.#last = undefined
    if (size > this.#allowance(out)) {
      const bytes = typeof last === 'string' ? Buffer.from(last, this.#encoding) : last
      this.#chunks = [{ bytes, done: undefined }]
      return 0
    }
    this.#spend(size)
    const flags = this.#endFlag()
    if (typeof last === 'string') out.text(this.id, flags, last, this.#encoding, size)
    else out.data(this.id, flags, last, 0, size)
    return size
  }

  #emitChunk(out: FrameWriter, chunks: Chunk[]): number {
    const { bytes, done } = chunks[this.#gone] as Chunk
    const size = Math.min(bytes.length - this.#offset, this.#allowance(out))
    if (size > 0) {
      this.#spend(size)
      out.data(this.id, this.#endFlag(), bytes, this.#offset, size)
      this.#offset += size
    }
    if (this.#offset === bytes.length) {
      this.#passChunk(chunks)
      this.carrier.left(done)
    }
    return size
  }

  /** Many small ones are not moved each time that one goes. */
  #passChunk(chunks: Chunk[]): void {
    this.#offset = 0
    chunks[this.#gone++] = GONE
    if (this.#gone === chunks.length) this.#chunks = undefined
    else if (this.#gone === MANY) chunks.splice(0, MANY)
    else return
    this.#gone = 0
  }

  #spend(size: number): void {
    this.pending -= size
    this.sendWindow -= size
    this.carrier.sendWindow -= size
  }

  /** Of a frame with whose bytes the body may be whole. */
  #endFlag(): number {
    if (!this.#isEnded || this.pending > 0 || this.#trailers !== '') return 0
    this.isOver = true
    return FLAG.endStream
  }

  #emitEnd(out: FrameWriter): void {
    this.isOver = true
    if (this.#trailers === '') return out.data(this.id, FLAG.endStream, NOTHING, 0, 0)
    encoder.begin(false)
    encoder.fields(this.#trailers, 0)
    out.headers(this.id, FLAG.endStream, this.carrier.maxSentFrame)
  }
}
