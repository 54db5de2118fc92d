import type { Socket } from 'node:net'

/** An end of a connection. */
export interface End {
  readonly address: string
  readonly port: number
}

/** What a preamble says. */
export interface Introduction {
  /** How many bytes it has. */
  readonly length: number
  /** The ends of the connection in truth; absent: the socket's own. */
  readonly ends?: {
    /** undefined: it has no address. */
    readonly remote: End | undefined
    /** undefined: the socket's own. */
    readonly local: End | undefined
  }
  /** A request head in HTTP/1.1 that takes its place. */
  readonly head?: Buffer
  /** What else it says, for who has made it: `introductionOf`. */
  readonly info: unknown
}

/** Why a connection is not taken, and with which answer; without a status, with none. */
export interface Refused {
  readonly refused: string
  readonly status?: number
}

/** What stands before the first request of a connection, before TLS too, and says whom it is from. */
export interface Preamble {
  /** For logs. */
  readonly name: string
  /** Why nothing is read from there; undefined: it is. */
  refuses(socket: Socket): string | undefined
  /** @param bytes all that have come, only lent. @returns how many are needed at least where they are too few. */
  read(bytes: Buffer, socket: Socket): Introduction | Refused | number
}

/** Gathers a preamble that comes in pieces; each byte is copied at most twice, however small they are. */
export class PreambleCollector {
  /** Bytes of the last piece that follow the preamble. */
  surplus = 0
  readonly #preamble: Preamble
  readonly #socket: Socket
  #pieces: Buffer[] = []
  #size = 0
  #needed = 1

  constructor(preamble: Preamble, socket: Socket) {
    this.#preamble = preamble
    this.#socket = socket
  }

  get name(): string {
    return this.#preamble.name
  }

  get hasBegun(): boolean {
    return this.#size > 0
  }

  /** @param piece is only lent. @returns undefined where more must come. */
  add(piece: Buffer): Introduction | Refused | undefined {
    const before = this.#size
    this.#size += piece.length
    if (this.#size < this.#needed) return this.#keep(piece)
    const bytes = before === 0 ? piece : Buffer.concat([...this.#pieces, piece], this.#size)
    const result = this.#preamble.read(bytes, this.#socket)
    if (typeof result !== 'number') {
      if ('length' in result) this.surplus = this.#size - result.length
      return result
    }
    this.#needed = result
    this.#pieces = before === 0 ? [] : [bytes]
    return before === 0 ? this.#keep(piece) : undefined
  }

  #keep(piece: Buffer): undefined {
    this.#pieces.push(Buffer.from(piece))
  }
}

const INTRODUCTION = Symbol('introduction')

interface SocketInside {
  _handle: {
    getpeername?(out: object): number
    getsockname?(out: object): number
  } | null
  /** The socket within one of TLS. */
  _parent?: SocketInside
  _peername?: unknown
  _sockname?: unknown
  [INTRODUCTION]?: unknown
}

/** From here on the connection is from whom the preamble says, to all that asks its socket. */
export function introduce(socket: Socket, { ends, info }: Introduction): void {
  const inside = socket as unknown as SocketInside
  inside[INTRODUCTION] = info
  if (!ends) return
  const { remote, local } = ends
  inside._peername = nameOf(remote)
  if (!local) return
  inside._sockname = nameOf(local)
  // a Unix socket has none, and is not asked then
  if (inside._handle) inside._handle.getsockname ??= (out) => give(out, local)
}

/** As `introduce`, for a socket on which TLS begins: what is within asks the handle. */
export function introduceBelow(socket: Socket, introduction: Introduction): void {
  introduce(socket, introduction)
  const { _handle: handle } = socket as unknown as SocketInside
  const { ends } = introduction
  if (!ends || !handle) return
  const { remote, local } = ends
  handle.getpeername = (out) => give(out, remote)
  if (local) handle.getsockname = (out) => give(out, local)
}

/** What the preamble of this connection has said, below TLS too. */
export function introductionOf(socket: Socket): unknown {
  const inside = socket as unknown as SocketInside
  return inside[INTRODUCTION] ?? inside._parent?.[INTRODUCTION]
}

/** As `net` has it. */
const nameOf = (end: End | undefined): object =>
  end === undefined ? {} : { ...end, family: end.address.includes(':') ? 'IPv6' : 'IPv4' }

function give(out: object, end: End | undefined): number {
  Object.assign(out, nameOf(end))
  return 0
}
