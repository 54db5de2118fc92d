import type { Limits } from './limits.ts'
import { Head, parseFields, REFUSED } from './parser.ts'
import { CR, LF } from './syntax.ts'

/** Takes the pieces of a body. */
export interface BodySink {
  /** `bytes` are only lent. */
  data(bytes: Buffer, start: number, end: number): void
}

type State = 'size' | 'extension' | 'sizeEnd' | 'data' | 'dataCR' | 'dataLF' | 'trailers'

const EXTENSION =
  /^(?:;[-!#$%&'*+.^_`|~0-9A-Za-z]+(?:=(?:[-!#$%&'*+.^_`|~0-9A-Za-z]+|"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"))?)+$/
/** 2^48 is more than any body and far from where numbers lose their exactness. */
const MAX_DIGITS = 12

/** Fields that say how a message is framed, routed, processed or authenticated: no trailers (RFC 9110 §6.5.1). */
const NO_TRAILER = new Set(
  (
    'authorization cache-control connection content-encoding content-length content-range content-type cookie ' +
    'expect host if-match if-modified-since if-none-match if-range if-unmodified-since keep-alive max-forwards ' +
    'proxy-authorization proxy-connection range set-cookie te trailer transfer-encoding upgrade ' +
    'x-forwarded-for x-forwarded-host x-forwarded-proto forwarded'
  ).split(' '),
)

export const isForbiddenTrailer = (name: string) => NO_TRAILER.has(name.toLowerCase())

/** Decodes one chunked body (RFC 9112 §7.1), strictly: no signs, no spaces, no bare CR or LF. */
export class ChunkDecoder {
  done = false
  /** Not 0: refused, with the reason. */
  status = 0
  reason = ''
  /** Names and values in turn. */
  trailers: string[] = []
  readonly #limits: Limits
  #state: State = 'size'
  #size = 0
  #digits = 0
  #left = 0
  #text = ''
  #extensions = 0
  /** Of all chunks so far. */
  #total = 0

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /**
   * The pieces of a read are moved together, in place: however small its chunks are, they are one piece to the sink.
   * @returns how far it got: the end of the body, or `end`.
   */
  decode(bytes: Buffer, start: number, end: number, sink: BodySink): number {
    let at = start
    let pieceStart = start
    let pieceEnd = start
    while (at < end && !this.done && this.status === 0) {
      if (this.#state === 'data') {
        const stop = Math.min(end, at + this.#left)
        if (pieceEnd === pieceStart) {
          pieceStart = at
          pieceEnd = stop
        } else {
          bytes.copyWithin(pieceEnd, at, stop)
          pieceEnd += stop - at
        }
        this.#left -= stop - at
        at = stop
        if (this.#left === 0) this.#state = 'dataCR'
      } else if (this.#state === 'trailers') at = this.#trailerBytes(bytes, at, end)
      else this.#frame(bytes[at++] as number)
    }
    if (pieceEnd > pieceStart) sink.data(bytes, pieceStart, pieceEnd)
    return at
  }

  /** One byte between the data. */
  #frame(byte: number): void {
    switch (this.#state) {
      case 'size':
        return this.#sizeByte(byte)
      case 'extension':
        return this.#extensionByte(byte)
      case 'sizeEnd':
        if (byte !== LF) return this.#refuse(400, 'bare CR in chunk framing')
        return this.#startData()
      case 'dataCR':
        if (byte !== CR) return this.#refuse(400, 'chunk data does not end where its size says')
        this.#state = 'dataLF'
        return
      case 'dataLF':
        if (byte !== LF) return this.#refuse(400, 'bare CR in chunk framing')
        this.#state = 'size'
    }
  }

  #sizeByte(byte: number): void {
    const digit = hexDigit(byte)
    if (digit >= 0) {
      if (++this.#digits > MAX_DIGITS) return this.#refuse(400, 'chunk size too large')
      this.#size = this.#size * 16 + digit
      return
    }
    if (this.#digits === 0) return this.#refuse(400, 'invalid chunk size')
    if (byte === CR) this.#state = 'sizeEnd'
    else if (byte === 59 /* ; */) {
      this.#text = ';'
      this.#state = 'extension'
    } else this.#refuse(400, byte === LF ? 'bare LF in chunk framing' : 'invalid chunk size')
  }

  #extensionByte(byte: number): void {
    if (byte === LF) return this.#refuse(400, 'bare LF in chunk framing')
    if (byte === CR) {
      if (!EXTENSION.test(this.#text)) return this.#refuse(400, 'invalid chunk extension')
      this.#text = ''
      this.#state = 'sizeEnd'
      return
    }
    if (++this.#extensions > this.#limits.chunkExtensions) {
      return this.#refuse(400, 'chunk extensions too long')
    }
    this.#text += String.fromCharCode(byte)
  }

  #startData(): void {
    this.#total += this.#size
    if (this.#total > this.#limits.body) return this.#refuse(413, 'body too large')
    this.#left = this.#size
    this.#state = this.#size === 0 ? 'trailers' : 'data'
    this.#size = 0
    this.#digits = 0
  }

  #trailerBytes(bytes: Buffer, start: number, end: number): number {
    const had = this.#text.length
    if (had === 0 && end - start > 1 && bytes[start] === CR && bytes[start + 1] === LF) {
      this.done = true
      return start + 2
    }
    const limit = this.#limits.trailers
    this.#text += bytes.toString('latin1', start, Math.min(end, start + limit + 4))
    // a line end may be the last; without one there is nothing new to parse
    if (!bytes.subarray(start, end).includes(LF) && this.#text.length <= limit + 2) return end
    const head = new Head()
    const at = parseFields(this.#text, 0, this.#limits, head)
    if (at === REFUSED) this.#refuse(head.status, head.reason)
    else if (at > limit + 2 || (at < 0 && this.#text.length > limit + 2)) {
      this.#refuse(431, 'trailers too large')
    } else if (at >= 0) {
      this.#finish(head.fields)
      return start + at - had
    }
    return end
  }

  #finish(fields: string[]): void {
    for (let index = 0; index < fields.length; index += 2) {
      if (isForbiddenTrailer(fields[index] as string)) {
        return this.#refuse(400, 'forbidden field in trailers')
      }
    }
    this.trailers = fields
    this.done = true
  }

  #refuse(status: number, reason: string): void {
    this.status = status
    this.reason = reason
  }
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48
  const lower = byte | 32
  return lower >= 97 && lower <= 102 ? lower - 87 : -1
}
