import { addressBytes, v4Number } from './ip-address.ts'

/** Of IPv4. */
interface V4Range {
  readonly first: number
  readonly size: number
}

interface Range {
  readonly bytes: Uint8Array
  readonly bits: number
}

/** Verdicts about IPv6 that are kept; whoever sends many addresses only has them looked up anew. */
const MAX_KEPT = 1000

/**
 * Peers by address: `192.0.2.1`, `10.0.0.0/8`, `2001:db8::/32`, `*` for all, `unix` and `no-unix` for those at Unix
 * sockets. The words are gunicorn's but for the last two; there, as here, who can open a Unix socket is a peer.
 */
export class PeerSet {
  readonly #v4: V4Range[] = []
  readonly #v6: Range[] = []
  #all = false
  #unix = true
  readonly #known = new Map<string, boolean>()

  /** @throws where a word is no address, range or word of these; the text says which, and why. */
  constructor(words: readonly string[]) {
    for (const word of words) this.#add(word.trim())
  }

  /** @param address undefined at a Unix socket. */
  has(address: string | undefined): boolean {
    if (address === undefined) return this.#unix
    if (this.#all) return true
    const number = v4Number(address)
    if (number >= 0) return this.#hasV4(number)
    let verdict = this.#known.get(address)
    if (verdict === undefined) {
      verdict = this.#find(address)
      if (this.#known.size >= MAX_KEPT) this.#known.clear()
      this.#known.set(address, verdict)
    }
    return verdict
  }

  #add(word: string): void {
    if (word === '*') this.#all = true
    else if (word === 'unix') this.#unix = true
    else if (word === 'no-unix') this.#unix = false
    else this.#addRange(parseRange(word))
  }

  #addRange(range: Range): void {
    const { bytes, bits } = range
    if (bytes.length === 16) this.#v6.push(range)
    else this.#v4.push({ first: v4Number(bytes.join('.')), size: 2 ** (32 - bits) })
  }

  #hasV4(number: number): boolean {
    for (const { first, size } of this.#v4) {
      if (number >= first && number < first + size) return true
    }
    return false
  }

  #find(address: string): boolean {
    // the zone of a link-local address says where it is reached, not whose it is
    const bytes = addressBytes(address.replace(/%.*/s, ''))
    if (bytes === undefined) return false
    if (bytes.length === 4) return this.#hasV4(v4Number(bytes.join('.')))
    return this.#v6.some((range) => isWithin(bytes, range))
  }
}

function parseRange(word: string): Range {
  const [, text = '', size] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(word) ?? []
  const bytes = addressBytes(text)
  if (!bytes) throw new Error(`'${word}' is no address, range of addresses, '*', unix or no-unix`)
  const width = text.includes(':') ? 128 : 32
  const bits = size === undefined ? width : Number(size)
  // a range of mapped addresses is one of IPv4
  const cut = width - bytes.length * 8
  if (bits > width || bits < cut) throw new Error(`'${word}' has no such prefix length`)
  const range = { bytes, bits: bits - cut }
  if (hasHostBits(range)) throw new Error(`'${word}' has bits set behind its prefix length`)
  return range
}

function isWithin(bytes: Uint8Array, range: Range): boolean {
  const whole = range.bits >> 3
  for (let index = 0; index < whole; index++) {
    if (bytes[index] !== range.bytes[index]) return false
  }
  const rest = range.bits & 7
  if (rest === 0) return true
  const mask = 0xff00 >> rest
  return (((bytes[whole] as number) ^ (range.bytes[whole] as number)) & mask & 0xff) === 0
}

const hasHostBits = ({ bytes, bits }: Range) =>
  bytes.some((byte, index) => (byte & (0xff >> Math.max(0, Math.min(8, bits - index * 8)))) !== 0)
