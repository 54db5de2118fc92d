import { type Server, Socket } from 'node:net'
import { countIn, type NetHandle } from '../../core/index.ts'
import { SecureSocket, type Terms } from './secure-socket.ts'

/** What first bytes say of a guest: how many are needed, who is to have it, or why nobody. */
export type Verdict = number | ((guest: Guest) => void) | string

/** Who looks at what guests begin with. */
export interface Host {
  judge(bytes: Buffer): Verdict
  decide(guest: Guest, verdict: Exclude<Verdict, number>): void
  /** The connection is closed. */
  gone(guest: Guest): void
}

/** Somebody who has connected, and is not known yet. */
export abstract class Guest {
  abstract readonly remoteAddress: string | undefined
  /** It is one of the host's connections. */
  isCounted = false
  protected readonly host: Host
  /** What it has begun with. */
  protected bytes: Buffer = NOTHING
  #needed = 1
  #pieces: Buffer[] | undefined
  #size = 0

  constructor(host: Host) {
    this.host = host
  }

  /** Has the host judge its first bytes. */
  abstract read(): void

  /** It is to be served as it is: a socket that begins with those bytes, and is paused. */
  abstract toSocket(): Socket

  /** It begins with a ClientHello. */
  abstract toSecure(terms: Terms): SecureSocket

  abstract destroy(): void

  protected abstract stop(): void

  /** Takes as many of the first bytes as are needed; what comes in small pieces is put together seldom. */
  protected take(piece: Buffer): void {
    this.#size += piece.length
    this.#pieces?.push(piece)
    if (this.#size < this.#needed) {
      this.#pieces ??= [piece]
      return
    }
    const bytes = this.#pieces ? Buffer.concat(this.#pieces, this.#size) : piece
    const verdict = this.host.judge(bytes)
    if (typeof verdict === 'number') {
      this.#pieces = [bytes]
      this.#needed = verdict
      return
    }
    this.bytes = bytes
    this.#pieces = undefined
    this.stop()
    this.host.decide(this, verdict)
  }
}

/** One that comes as a socket, which may have been read from before. */
export class SocketGuest extends Guest {
  readonly remoteAddress: string | undefined
  readonly #socket: Socket
  readonly #look = (piece: Buffer) => this.take(piece)
  readonly #left = () => this.destroy()

  constructor(host: Host, socket: Socket) {
    super(host)
    this.#socket = socket
    this.remoteAddress = socket.remoteAddress
    socket.on('error', ignore).on('close', () => host.gone(this))
  }

  read(): void {
    this.#socket.on('data', this.#look).on('end', this.#left).resume()
  }

  toSocket(): Socket {
    return this.#socket
  }

  toSecure(terms: Terms): SecureSocket {
    return new SecureSocket(this, this.#socket, terms)
  }

  destroy(): void {
    this.#socket.destroy()
  }

  protected stop(): void {
    this.#socket.off('data', this.#look).off('end', this.#left)
    this.#socket.pause()
    this.#socket.unshift(this.bytes)
  }
}

interface RawHandle extends NetHandle {
  onread: (this: RawHandle, bytes?: ArrayBuffer) => void
  reading: boolean
  readStart(): number
  [GUEST]?: HandleGuest
}

interface Inside {
  _peername: object | undefined
}

const GUEST = Symbol('guest')

/** One that comes as a handle: with TLS there is no socket but TLS's own. */
export class HandleGuest extends Guest {
  readonly #handle: RawHandle
  readonly #server: Server
  readonly #peer: { address?: string } | undefined
  /** What has been made of the handle. */
  #socket: Socket | undefined

  constructor(host: Host, handle: NetHandle, server: Server) {
    super(host)
    this.#handle = handle as RawHandle
    this.#server = server
    handle.setNoDelay?.(true)
    const peer = {}
    this.#peer = this.#handle.getpeername?.(peer) === 0 ? peer : undefined
  }

  get remoteAddress(): string | undefined {
    return this.#peer?.address
  }

  read(): void {
    const handle = this.#handle
    // reset already; what was sent before would be from nobody
    if (handle.getpeername && this.#peer === undefined) return this.destroy()
    handle[GUEST] = this
    handle.onread = onRead
    handle.reading = true
    if (handle.readStart() !== 0) this.destroy()
  }

  toSocket(): Socket {
    const options = { handle: this.#handle, allowHalfOpen: true, pauseOnCreate: true }
    const socket = new Socket(options as unknown as ConstructorParameters<typeof Socket>[0])
    socket.on('error', ignore)
    socket.unshift(this.bytes)
    return this.#become(socket)
  }

  toSecure(terms: Terms): SecureSocket {
    const socket = this.#become(new SecureSocket(this, this.#handle, terms))
    const { bytes } = this
    this.bytes = NOTHING
    socket.begin(bytes)
    return socket
  }

  destroy(): void {
    if (this.#socket) this.#socket.destroy()
    else {
      this.#handle.onread = ignore
      this.#handle.close(() => this.host.gone(this))
    }
  }

  protected stop(): void {
    this.#handle.onread = ignore
  }

  receive(piece: Buffer): void {
    this.take(piece)
  }

  #become<S extends Socket>(socket: S): S {
    this.#socket = socket
    ;(socket as unknown as Inside)._peername = this.#peer
    countIn(this.#server, socket)
    socket.on('close', () => this.host.gone(this))
    return socket
  }
}

/** Without bytes: the client has left. */
function onRead(this: RawHandle, bytes?: ArrayBuffer): void {
  const guest = this[GUEST] as HandleGuest
  if (bytes) guest.receive(Buffer.from(bytes))
  else guest.destroy()
}

const NOTHING = Buffer.alloc(0)

const ignore = () => {}
