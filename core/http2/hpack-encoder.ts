import type { PreparedHead } from '../http/prepared-head.ts'
import { dateLine } from '../http/response-head.ts'
import { STATIC, staticIndex } from './hpack-static.ts'

// RFC 7541 §6: how a field is written
const INDEXED = 0x80
const WITHOUT_INDEXING = 0x00
const NEVER_INDEXED = 0x10
const TABLE_SIZE_ZERO = 0x20

/** Fields of HTTP/1.1's connections, which HTTP/2 has none of (RFC 9113 §8.2.2). */
const OF_CONNECTIONS = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
])
/** Who guesses at them must not learn from a compressed size (RFC 7541 §7.1.3). */
const SENSITIVE = new Set(['set-cookie', 'authorization', 'proxy-authorization', 'cookie'])

/** What a field takes beside its text, at most. */
const FIELD_ROOM = 12
/** What status, date and length take together, at most. */
const OWN_ROOM = 128
/** Longer texts are quicker written by a call. */
const LONG = 48

/**
 * Writes the blocks of answers' heads. It never adds to the client's table: so a block is the same on all connections,
 * and heads that are sent again and again are encoded once. One for the process, as nothing interrupts a head.
 */
export class HpackEncoder {
  bytes = Buffer.allocUnsafeSlow(16_384)
  size = 0

  /** @param first the connection's first: the client need keep no table. */
  begin(first: boolean): void {
    this.size = 0
    if (first) this.bytes[this.size++] = TABLE_SIZE_ZERO
  }

  status(status: number): void {
    const known = STATUS[status]
    if (known === undefined) {
      this.#name(STATUS_NAME)
      this.#text(String(status), 0, 3)
    } else this.bytes[this.size++] = known
  }

  /** Of HTTP/1.1, each with its line end, from `at` on. */
  fields(lines: string, from: number): void {
    this.#makeRoom(lines)
    for (let at = from, end = 0; at < lines.length; at = end + 2) {
      end = lines.indexOf('\r\n', at)
      const colon = lines.indexOf(':', at)
      const name = nameOf(lines.slice(at, colon))
      if (name === undefined) continue
      let start = colon + 1
      let stop = end
      while (start < stop && isBlank(lines.charCodeAt(start))) start++
      while (start < stop && isBlank(lines.charCodeAt(stop - 1))) stop--
      this.#name(name)
      this.#text(lines, start, stop)
    }
  }

  /** Status and fields of a head that is sent again and again. */
  prepared(head: PreparedHead): void {
    const known = blocks.get(head)
    if (known !== undefined) {
      this.bytes.set(known, this.size)
      this.size += known.length
      return
    }
    const start = this.size
    this.status(head.statusCode)
    this.fields(head.lines, head.lines.indexOf('\n') + 1)
    const block = Buffer.from(this.bytes.subarray(start, this.size))
    if (block.length <= this.bytes.length / 2) blocks.set(head, block)
  }

  date(): void {
    const line = dateLine()
    if (line !== dateText) {
      dateText = line
      const value = line.slice('Date: '.length, -2)
      date = Buffer.from([...(nameOf('date') as Uint8Array), value.length, ...Buffer.from(value)])
    }
    this.bytes.set(date, this.size)
    this.size += date.length
  }

  length(length: number): void {
    const text = String(length)
    this.#name(LENGTH_NAME)
    this.#text(text, 0, text.length)
  }

  #makeRoom(lines: string): void {
    const count = lines.split('\n').length
    const needed = this.size + lines.length + FIELD_ROOM * count + OWN_ROOM
    if (needed <= this.bytes.length) return
    const larger = Buffer.allocUnsafeSlow(2 * needed)
    larger.set(this.bytes.subarray(0, this.size))
    this.bytes = larger
  }

  #name(name: Uint8Array): void {
    for (let at = 0; at < name.length; at++) this.bytes[this.size++] = name[at] as number
  }

  #text(text: string, start: number, end: number): void {
    const length = end - start
    const { bytes } = this
    this.size = writeInteger(bytes, this.size, 0, 0x7f, length)
    if (length > LONG) {
      this.size += bytes.write(text.slice(start, end), this.size, 'latin1')
      return
    }
    let at = this.size
    for (let index = start; index < end; index++) bytes[at++] = text.charCodeAt(index)
    this.size = at
  }
}

export const encoder = new HpackEncoder()

const isBlank = (code: number) => code === 32 || code === 9

const blocks = new WeakMap<PreparedHead, Buffer>()
let dateText = ''
let date = Buffer.alloc(0)

/** By name as it was written; bounded, as applications choose the names. undefined for one that is left out. */
const names = new Map<string, Uint8Array | undefined>()
const MAX_NAMES = 500

function nameOf(written: string): Uint8Array | undefined {
  const known = names.get(written)
  if (known !== undefined || names.has(written)) return known
  const name = encodeName(written.toLowerCase())
  if (names.size < MAX_NAMES) names.set(written, name)
  return name
}

function encodeName(lower: string): Uint8Array | undefined {
  if (OF_CONNECTIONS.has(lower)) return undefined
  const kind = SENSITIVE.has(lower) ? NEVER_INDEXED : WITHOUT_INDEXING
  const bytes = Buffer.alloc(lower.length + FIELD_ROOM)
  const index = staticIndex(lower)
  let at = writeInteger(bytes, 0, kind, 0x0f, index)
  if (index === 0) {
    at = writeInteger(bytes, at, 0, 0x7f, lower.length)
    at += bytes.write(lower, at, 'latin1')
  }
  return Uint8Array.from(bytes.subarray(0, at))
}

/** RFC 7541 §5.1. @returns where it ends. */
function writeInteger(
  bytes: Uint8Array,
  from: number,
  kind: number,
  mask: number,
  value: number,
): number {
  let at = from
  if (value < mask) {
    bytes[at++] = kind | value
    return at
  }
  bytes[at++] = kind | mask
  let rest = value - mask
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes[at++] = 0x80 | (rest & 0x7f)
  bytes[at++] = rest
  return at
}

const STATUS_NAME = encodeName(':status') as Uint8Array
const LENGTH_NAME = encodeName('content-length') as Uint8Array
const STATUS: (number | undefined)[] = []
STATIC.forEach(({ name, value }, index) => {
  if (name === ':status') STATUS[Number(value)] = INDEXED | index
})
