import { HpackDecoder } from './hpack-decoder.ts'

/** Of one block; with frames of the usual size no client needs more than five. */
const MOST_FRAMES = 64
/** A block as large as this is always taken, so that its request can be answered. */
const LEAST_LIMIT = 65_536
/** Fields whose number is counted exactly by who reads the head: pseudo-header fields are not. */
const EXTRA_FIELDS = 8
/** However few limits there are. */
const MOST_FIELDS = 10_000

/** The block of a head that comes in one frame or more (RFC 9113 §4.3). */
export class HeaderBlock {
  readonly decoder = new HpackDecoder()
  stream = 0
  endsStream = false
  isOpen = false
  readonly #maxSize: number
  #pieces: Buffer[] = []
  #frames = 0
  #size = 0

  /** @param maxSize of all fields, as they are counted when they are decoded. */
  constructor(maxSize: number) {
    this.#maxSize = maxSize
  }

  begin(stream: number, endsStream: boolean): void {
    this.stream = stream
    this.endsStream = endsStream
    this.#frames = 0
    this.#size = 0
  }

  /** Whether so many bytes more are too many. */
  isTooLarge(length: number): boolean {
    return this.#size + length > Math.max(this.#maxSize, LEAST_LIMIT)
  }

  /** @returns false where it is too much. */
  add(start: number, end: number): boolean {
    if (this.isTooLarge(end - start) || ++this.#frames > MOST_FRAMES) return false
    this.#size += end - start
    return true
  }

  /** A piece that is not the last. */
  hold(bytes: Buffer, start: number, end: number): void {
    this.isOpen = true
    this.#pieces.push(Buffer.from(bytes.subarray(start, end)))
  }

  /** With the last piece. @returns false where it cannot be decoded. */
  decode(bytes: Buffer, start: number, end: number, maxFields: number): boolean {
    const most = Math.min(maxFields, MOST_FIELDS) + EXTRA_FIELDS
    this.isOpen = false
    this.#size = 0
    if (this.#pieces.length === 0)
      return this.decoder.decode(bytes, start, end, this.#maxSize, most)
    this.#pieces.push(bytes.subarray(start, end))
    const whole = Buffer.concat(this.#pieces)
    this.#pieces = []
    return this.decoder.decode(whole, 0, whole.length, this.#maxSize, most)
  }
}
