import { CODE, FLAG, FRAME, HEAD_SIZE, PREFACE } from './protocol.ts'

/** What takes a client's frames. */
export interface FrameHandler {
  /** Bytes that a frame's payload may have: past it a connection error. */
  readonly maxFrame: number
  /** Nothing more is read. */
  readonly isOver: boolean
  /**
   * A frame's payload is still to come. @returns whether it is to be kept until all of it is here; otherwise it is
   * passed over.
   */
  announced(type: number, stream: number, length: number): boolean
  /** A whole frame, but for DATA. `bytes` are only lent. */
  frame(
    type: number,
    flags: number,
    stream: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void
  /** A frame of type DATA begins; its body has `size` bytes, the frame counts as `length`. */
  dataBegun(stream: number, flags: number, length: number, size: number): void
  /** A piece of it. */
  data(bytes: Buffer, start: number, end: number): void
  dataEnded(): void
  /** A connection error. */
  fault(code: number, reason: string): void
}

/** What the bytes that come are taken for. */
type Mode = 'preface' | 'frame' | 'padLength' | 'body' | 'skip'

/** Takes a client's bytes apart, however they come. Bodies are handed on as they come, all else is whole. */
export class FrameReader {
  /** Frames that have come so far, whole or begun. */
  count = 0
  readonly #handler: FrameHandler
  #mode: Mode = 'preface'
  /** Of the preface, of the body of the frame at hand, or of what nobody wants: bytes that are to come. */
  #left = PREFACE.length
  /** A frame that is not whole, with its head. */
  #held: Buffer | undefined
  #heldSize = 0
  #length = 0
  #type = 0
  #flags = 0
  #stream = 0
  #padding = 0

  constructor(handler: FrameHandler) {
    this.#handler = handler
  }

  /** A frame has begun, of which more is to come before it can be looked at. */
  get isWaiting(): boolean {
    return this.#heldSize > 0 || (this.#mode !== 'frame' && this.#mode !== 'body')
  }

  read(bytes: Buffer): void {
    const end = bytes.length
    for (let at = 0; at < end && !this.#handler.isOver; ) {
      if (this.#mode === 'frame') at = this.#readFrame(bytes, at, end)
      else if (this.#mode === 'body') at = this.#readBody(bytes, at, end)
      else if (this.#mode === 'padLength') at = this.#readPadLength(bytes, at)
      else at = this.#readOther(bytes, at, end)
    }
  }

  #readOther(bytes: Buffer, at: number, end: number): number {
    const size = Math.min(end - at, this.#left)
    if (this.#mode === 'preface') {
      const from = PREFACE.length - this.#left
      const isRight = bytes.compare(PREFACE, from, from + size, at, at + size) === 0
      if (!isRight) this.#handler.fault(CODE.protocol, 'not HTTP/2')
    }
    this.#left -= size
    if (this.#left === 0) this.#mode = 'frame'
    return at + size
  }

  #readFrame(bytes: Buffer, at: number, end: number): number {
    if (this.#heldSize > 0) return this.#fill(bytes, at, end)
    if (end - at < HEAD_SIZE) return this.#keep(bytes, at, end, HEAD_SIZE)
    if (!this.#readHead(bytes, at)) return end
    const start = at + HEAD_SIZE
    if (this.#type === FRAME.data) return this.#startData(start)
    const stop = start + this.#length
    if (stop <= end) {
      this.#handler.frame(this.#type, this.#flags, this.#stream, bytes, start, stop)
      return stop
    }
    return this.#isWanted() ? this.#keep(bytes, at, end, HEAD_SIZE + this.#length) : start
  }

  /** @returns false where the payload is too large. */
  #readHead(bytes: Buffer, at: number): boolean {
    this.count++
    this.#length = bytes.readUIntBE(at, 3)
    this.#type = bytes[at + 3] as number
    this.#flags = bytes[at + 4] as number
    this.#stream = bytes.readUInt32BE(at + 5) & 0x7fff_ffff
    if (this.#length <= this.#handler.maxFrame) return true
    this.#handler.fault(CODE.frameSize, 'frame too large')
    return false
  }

  #isWanted(): boolean {
    if (this.#handler.announced(this.#type, this.#stream, this.#length)) return true
    this.#mode = 'skip'
    this.#left = this.#length
    return false
  }

  /** Memory is taken as bytes come, not as they are announced. */
  #keep(bytes: Buffer, at: number, end: number, needed: number): number {
    const size = this.#heldSize + end - at
    if (this.#held === undefined || this.#held.length < size) {
      const larger = Buffer.allocUnsafeSlow(Math.max(size, Math.min(needed, 2 * size)))
      this.#held?.copy(larger, 0, 0, this.#heldSize)
      this.#held = larger
    }
    bytes.copy(this.#held, this.#heldSize, at, end)
    this.#heldSize = size
    return end
  }

  /** Completes first the head and then the frame that is held. */
  #fill(bytes: Buffer, from: number, end: number): number {
    const hadHead = this.#heldSize >= HEAD_SIZE
    const needed = hadHead ? HEAD_SIZE + this.#length : HEAD_SIZE
    const at = this.#keep(bytes, from, Math.min(end, from + needed - this.#heldSize), needed)
    if (this.#heldSize < needed) return at
    if (hadHead) return this.#release(at)
    if (!this.#readHead(this.#held as Buffer, 0)) return end
    if (this.#type === FRAME.data) {
      this.#letGo()
      return this.#startData(at)
    }
    if (this.#length === 0) return this.#release(at)
    if (!this.#isWanted()) this.#letGo()
    return at
  }

  #release(at: number): number {
    const held = this.#letGo()
    const end = HEAD_SIZE + this.#length
    this.#handler.frame(this.#type, this.#flags, this.#stream, held, HEAD_SIZE, end)
    return at
  }

  #letGo(): Buffer {
    const held = this.#held as Buffer
    this.#held = undefined
    this.#heldSize = 0
    return held
  }

  /** @returns where the payload begins. */
  #startData(at: number): number {
    if ((this.#flags & FLAG.padded) === 0) this.#startBody(this.#length, 0)
    else if (this.#length === 0) this.#handler.fault(CODE.frameSize, 'padding without a length')
    else this.#mode = 'padLength'
    return at
  }

  #readPadLength(bytes: Buffer, at: number): number {
    const padding = bytes[at] as number
    if (padding < this.#length) this.#startBody(this.#length - 1 - padding, padding)
    else this.#handler.fault(CODE.protocol, 'more padding than there is')
    return at + 1
  }

  #startBody(size: number, padding: number): void {
    this.#left = size
    this.#padding = padding
    this.#mode = 'body'
    this.#handler.dataBegun(this.#stream, this.#flags, this.#length, size)
    if (size === 0) this.#endBody()
  }

  #readBody(bytes: Buffer, at: number, end: number): number {
    const stop = Math.min(end, at + this.#left)
    this.#left -= stop - at
    this.#handler.data(bytes, at, stop)
    if (this.#left === 0) this.#endBody()
    return stop
  }

  /** The padding that follows is nobody's affair. */
  #endBody(): void {
    this.#left = this.#padding
    this.#mode = this.#padding === 0 ? 'frame' : 'skip'
    if (!this.#handler.isOver) this.#handler.dataEnded()
  }
}
