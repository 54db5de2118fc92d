import { Field, KIND } from './field.ts'
import { decodedSize, decodeHuffman } from './hpack-huffman.ts'
import { HpackTable } from './hpack-table.ts'

/** RFC 7541 §5.1: 28 bits are more than any index or length can have. */
const MOST_SHIFT = 21

/** Where texts are decoded to, of all connections. */
let scratch = Buffer.allocUnsafeSlow(8192)

/** Decodes the header blocks of one client, one after the other (RFC 7541). */
export class HpackDecoder {
  /** Of the last block. */
  readonly fields: Field[] = []
  /** That block has more than is kept; what is left of it has only kept the table up to date. */
  isTooLarge = false
  readonly #table = new HpackTable()
  #bytes!: Buffer
  #at = 0
  #end = 0
  #isBroken = false

  /** @param maxCount of fields, however many pieces a cookie has. @returns false where client and server no longer have the same table: nothing can follow. */
  decode(bytes: Buffer, start: number, end: number, maxSize: number, maxCount: number): boolean {
    const { fields } = this
    fields.length = 0
    this.isTooLarge = false
    this.#isBroken = false
    this.#bytes = bytes
    this.#at = start
    this.#end = end
    this.#readSizes()
    let size = 0
    let most = maxCount
    while (this.#at < end && !this.#isBroken) {
      const field = this.#readField()
      if (field === undefined) return false
      size += field.size
      if (field.kind === KIND.cookie) most++
      if (size > maxSize || fields.length >= most) this.isTooLarge = true
      else fields.push(field)
    }
    return !this.#isBroken
  }

  /** Lets go of what it has decoded. */
  forget(): void {
    this.fields.length = 0
  }

  /** Other sizes of the table come before all fields (RFC 7541 §4.2). */
  #readSizes(): void {
    while (this.#at < this.#end && ((this.#bytes[this.#at] as number) & 0xe0) === 0x20) {
      if (!this.#table.resize(this.#readInteger(0x1f))) this.#isBroken = true
    }
  }

  #readField(): Field | undefined {
    const first = this.#bytes[this.#at] as number
    if (first >= 0x80) return this.#table.get(this.#readInteger(0x7f))
    if (first >= 0x40) {
      const field = this.#readLiteral(0x3f)
      if (field !== undefined) this.#table.add(field)
      return field
    }
    return first >= 0x20 ? undefined : this.#readLiteral(0x0f)
  }

  #readLiteral(mask: number): Field | undefined {
    const index = this.#readInteger(mask)
    const name = index === 0 ? this.#readText() : this.#table.get(index)?.name
    const value = this.#readText()
    return name === undefined || this.#isBroken ? undefined : new Field(name, value)
  }

  #readText(): string {
    if (this.#at >= this.#end) return this.#fail()
    const isHuffman = (this.#bytes[this.#at] as number) >= 0x80
    const length = this.#readInteger(0x7f)
    const start = this.#at
    const end = start + length
    if (this.#isBroken || end > this.#end) return this.#fail()
    this.#at = end
    if (!isHuffman) return this.#bytes.toString('latin1', start, end)
    const most = decodedSize(length)
    if (most > scratch.length) scratch = Buffer.allocUnsafeSlow(2 * most)
    const size = decodeHuffman(this.#bytes, start, end, scratch)
    return size < 0 ? this.#fail() : scratch.toString('latin1', 0, size)
  }

  /** RFC 7541 §5.1. */
  #readInteger(mask: number): number {
    let value = (this.#bytes[this.#at++] as number) & mask
    if (value < mask) return value
    for (let shift = 0; shift <= MOST_SHIFT && this.#at < this.#end; shift += 7) {
      const byte = this.#bytes[this.#at++] as number
      value += (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    this.#isBroken = true
    return 0
  }

  #fail(): '' {
    this.#isBroken = true
    return ''
  }
}
