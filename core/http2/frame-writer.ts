import type { Socket } from 'node:net'
import { encoder } from './hpack-encoder.ts'
import { CODE, FLAG, FRAME, HEAD_SIZE } from './protocol.ts'

const SIZE = 65_536 + 4096
/** What is smaller is copied, so that one buffer serves all connections. */
const MOST_COPIED = 16_384
const MOST_SPARE = 16

const spare: Buffer[] = []

/** Puts frames together, for one write. */
export class FrameWriter {
  bytes: Buffer
  size = 0

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafeSlow(size)
  }

  get room(): number {
    return this.bytes.length - this.size
  }

  /** Writes to the socket what has come together. */
  flush(socket: Socket): void {
    const { bytes, size } = this
    if (size === 0) return
    this.size = 0
    if (size > MOST_COPIED) {
      this.bytes = spare.pop() ?? Buffer.allocUnsafeSlow(SIZE)
      socket.write(bytes.subarray(0, size), (error) => {
        if (!error) keep(bytes)
      })
      return
    }
    const copy = Buffer.allocUnsafe(size)
    bytes.copy(copy, 0, 0, size)
    socket.write(copy)
  }

  /** What another has put together. */
  append(other: FrameWriter): void {
    this.#need(other.size)
    this.#copy(other.bytes, 0, other.size)
  }

  /** What the encoder has, in as many frames as that takes. */
  headers(stream: number, flags: number, maxFrame: number): void {
    const { bytes, size } = encoder
    let type: number = FRAME.headers
    let at = 0
    do {
      const length = Math.min(size - at, maxFrame)
      const isLast = at + length === size
      const head = type === FRAME.headers ? flags : 0
      this.head(length, type, isLast ? head | FLAG.endHeaders : head, stream)
      this.#copy(bytes, at, length)
      at += length
      type = FRAME.continuation
    } while (at < size)
  }

  /** @param length that fits. */
  data(stream: number, flags: number, bytes: Uint8Array, from: number, length: number): void {
    this.head(length, FRAME.data, flags, stream)
    this.#copy(bytes, from, length)
  }

  /** A whole text, of so many bytes. */
  text(
    stream: number,
    flags: number,
    text: string,
    encoding: BufferEncoding,
    length: number,
  ): void {
    this.head(length, FRAME.data, flags, stream)
    this.size += this.bytes.write(text, this.size, encoding)
  }

  reset(stream: number, code: number): void {
    this.head(4, FRAME.reset, 0, stream)
    this.number(code)
  }

  windowUpdate(stream: number, increment: number): void {
    this.head(4, FRAME.windowUpdate, 0, stream)
    this.number(increment)
  }

  goaway(last: number, code: number, reason: string): void {
    const text = code === CODE.noError ? '' : reason
    this.head(8 + text.length, FRAME.goaway, 0, 0)
    this.number(last)
    this.number(code)
    this.size += this.bytes.write(text, this.size, 'latin1')
  }

  settings(pairs: readonly (readonly [id: number, value: number])[]): void {
    this.head(6 * pairs.length, FRAME.settings, 0, 0)
    for (const [id, value] of pairs) {
      this.bytes[this.size++] = id >> 8
      this.bytes[this.size++] = id & 255
      this.number(value)
    }
  }

  acknowledge(): void {
    this.head(0, FRAME.settings, FLAG.ack, 0)
  }

  ping(flags: number, payload: Uint8Array, from: number): void {
    this.head(8, FRAME.ping, flags, 0)
    this.#copy(payload, from, 8)
  }

  head(length: number, type: number, flags: number, stream: number): void {
    this.#need(HEAD_SIZE + length)
    const { bytes } = this
    let at = this.size
    bytes[at++] = length >> 16
    bytes[at++] = length >> 8
    bytes[at++] = length
    bytes[at++] = type
    bytes[at++] = flags
    this.size = at
    this.number(stream)
  }

  number(value: number): void {
    const { bytes } = this
    let at = this.size
    bytes[at++] = value >> 24
    bytes[at++] = value >> 16
    bytes[at++] = value >> 8
    bytes[at++] = value
    this.size = at
  }

  #copy(bytes: Uint8Array, from: number, length: number): void {
    const part = from === 0 && length === bytes.length ? bytes : bytes.subarray(from, from + length)
    this.bytes.set(part, this.size)
    this.size += length
  }

  #need(length: number): void {
    if (length <= this.room) return
    const larger = Buffer.allocUnsafeSlow(2 * (this.size + length))
    this.bytes.copy(larger, 0, 0, this.size)
    this.bytes = larger
  }
}

function keep(bytes: Buffer): void {
  if (bytes.length === SIZE && spare.length < MOST_SPARE) spare.push(bytes)
}

/** What connections write goes through this: nothing interrupts one that writes. */
export const writer = new FrameWriter(SIZE)
