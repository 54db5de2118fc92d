/** What is learned from the beginning of a TLS connection, before anything of TLS is set up. */
export type Hello =
  /** So many bytes are needed at least. */
  | number
  /** The name that the client asks for; '' for none. Also where OpenSSL is to say what is wrong. */
  | { readonly name: string }
  | 'too large'

const RECORD_HEADER = 5
const MESSAGE_HEADER = 4
const HANDSHAKE = 0x16
const CLIENT_HELLO = 1
/** A browser's has two kilobytes, one that resumes with a client certificate some more. */
const MOST_BYTES = 16_384
/** Clients split it into few, if at all. */
const MOST_RECORDS = 16
const UNKNOWN = { name: '' }

/**
 * Reads the name from a ClientHello (RFC 8446 §4.1.2, RFC 6066 §3). Node would choose by it only within the handshake,
 * and there one certificate comes in addition to those that are there: not instead of them, and not two.
 */
export function readClientHello(bytes: Buffer): Hello {
  const pieces: Buffer[] = []
  let size = 0
  for (let at = 0; pieces.length < MOST_RECORDS; ) {
    if (bytes.length < at + RECORD_HEADER) return at + RECORD_HEADER
    const end = at + RECORD_HEADER + bytes.readUInt16BE(at + 3)
    if (bytes[at] !== HANDSHAKE) return UNKNOWN
    if (end - at > MOST_BYTES) return 'too large'
    if (bytes.length < end) return end
    pieces.push(bytes.subarray(at + RECORD_HEADER, end))
    size += end - at - RECORD_HEADER
    at = end
    if (size < MESSAGE_HEADER) continue
    const message = pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces, size)
    if (message[0] !== CLIENT_HELLO) return UNKNOWN
    const total = MESSAGE_HEADER + message.readUIntBE(1, 3)
    if (total > MOST_BYTES) return 'too large'
    if (size >= total) return { name: nameIn(message.subarray(0, total)) }
  }
  return 'too large'
}

/** A reader that gives up at the end, as a length that is too long may lead there. */
class Reader {
  readonly #bytes: Buffer
  #at: number

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes
    this.#at = at
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  number(size: 1 | 2): number {
    return this.block(size).readUIntBE(0, size)
  }

  /** What follows, with its length in so many bytes before it. */
  vector(size: 1 | 2): Buffer {
    return this.block(this.number(size))
  }

  block(size: number): Buffer {
    const block = this.#bytes.subarray(this.#at, this.#at + size)
    if (block.length < size) throw new RangeError('a ClientHello ends too soon')
    this.#at += size
    return block
  }
}

const VERSION_AND_RANDOM = 34
const SERVER_NAME = 0
const HOST_NAME = 0

function nameIn(message: Buffer): string {
  try {
    const hello = new Reader(message, MESSAGE_HEADER + VERSION_AND_RANDOM)
    hello.vector(1) // session
    hello.vector(2) // ciphers
    hello.vector(1) // compression
    const extensions = new Reader(hello.vector(2), 0)
    while (!extensions.isAtEnd) {
      const kind = extensions.number(2)
      const data = extensions.vector(2)
      if (kind === SERVER_NAME) return hostIn(data)
    }
    return ''
  } catch (error) {
    if (error instanceof RangeError) return '' // OpenSSL says so to the client
    throw error
  }
}

function hostIn(data: Buffer): string {
  const list = new Reader(new Reader(data, 0).vector(2), 0)
  return list.number(1) === HOST_NAME ? list.vector(2).toString('latin1') : ''
}
