// One connection in memory: bytes go in, frames come out, as many turns of the event loop as that takes.
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { EngineResponse } from '../../http/door.ts'
import type { EngineOptions } from '../../http/limits.ts'
import { HpackDecoder } from '../hpack-decoder.ts'
import { FLAG, FRAME, LEAST_FRAME_SIZE } from '../protocol.ts'
import { Http2Server, type Http2Settings } from '../server.ts'

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

/** What a client has seen of a stream. */
export interface Seen {
  status: number
  body: string
  isWhole: boolean
  reset: number | undefined
  trailers: Record<string, string> | undefined
  readonly headers: Record<string, string>
}

export class MemorySocket extends Duplex {
  readonly bytesRead = 0
  bytesWritten = 0
  readonly written: Buffer[] = []

  constructor() {
    super({ allowHalfOpen: true })
  }

  setNoDelay(): void {}

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.written.push(Buffer.from(chunk))
    this.bytesWritten += chunk.length
    callback()
  }
}

export const SETTINGS: Http2Settings = {
  maxConcurrentStreams: 100,
  initialWindowSize: 65_535,
  maxFrameSize: 16_384,
  maxHeaderListSize: 65_536,
}

export type Answer = (request: IncomingMessage, response: EngineResponse) => void

/** Says what it was asked. */
export const echo: Answer = async (request, response) => {
  request.on('error', () => {}) // it is the client's
  const body = await text(request).catch(() => undefined)
  if (body !== undefined) response.end(`${request.method} ${request.url} ${body}`)
}

/** A server for connections in memory. */
export class Site {
  readonly server: Http2Server
  readonly refusals: string[] = []
  started = 0

  constructor(answer: Answer = echo, limits: EngineOptions = {}, settings = {}) {
    const serve: Answer = (request, response) => {
      this.started++
      answer(request, response)
    }
    const door = {
      serve,
      takesUpgrades: () => false,
      upgrade() {},
      keepAlive: 75_000,
      refused: (status: number, reason: string) => void this.refusals.push(`${status} ${reason}`),
    }
    this.server = new Http2Server(door, limits, { ...SETTINGS, ...settings })
  }

  open(): Client {
    const socket = new MemorySocket()
    this.server.accept(socket as unknown as Socket)
    return new Client(socket)
  }

  close(): void {
    this.server.closeAllConnections()
  }
}

export class Client {
  readonly socket: MemorySocket
  readonly #decoder = new HpackDecoder()
  readonly #seen = new Map<number, Seen>()
  readonly frames: Frame[] = []
  goaway: number | undefined
  #rest = Buffer.alloc(0)

  constructor(socket: MemorySocket) {
    this.socket = socket
    socket.on('error', () => {})
  }

  receive(bytes: Buffer): void {
    if (!this.socket.destroyed) this.socket.emit('data', Buffer.from(bytes))
  }

  /** All that has come up to now. */
  async settle(turns = 6): Promise<this> {
    for (let turn = 0; turn < turns; turn++) await new Promise((done) => setImmediate(done))
    let rest = Buffer.concat([this.#rest, ...this.socket.written.splice(0)])
    while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
      const size = rest.readUIntBE(0, 3)
      const [type, flags] = [rest[3] as number, rest[4] as number]
      this.#take({ type, flags, stream: rest.readUInt32BE(5), payload: rest.subarray(9, 9 + size) })
      rest = rest.subarray(9 + size)
    }
    this.#rest = rest
    return this
  }

  of(stream: number): Seen {
    const seen = this.#seen.get(stream) ?? {
      status: 0,
      body: '',
      isWhole: false,
      reset: undefined,
      trailers: undefined,
      headers: {},
    }
    this.#seen.set(stream, seen)
    return seen
  }

  #take(frame: Frame): void {
    const { type, flags, stream, payload } = frame
    this.frames.push(frame)
    if (payload.length > LEAST_FRAME_SIZE) throw new Error('a frame is too large')
    if (type === FRAME.goaway) this.goaway = payload.readUInt32BE(4)
    if (stream === 0) return
    const seen = this.of(stream)
    if (type === FRAME.reset) seen.reset = payload.readUInt32BE(0)
    if (type === FRAME.data) seen.body += payload.toString('latin1')
    if (type === FRAME.headers) this.#head(seen, payload)
    const ends = (flags & FLAG.endStream) !== 0 && (type === FRAME.data || type === FRAME.headers)
    if (!ends) return
    if (seen.isWhole) throw new Error('a stream ends twice')
    seen.isWhole = true
  }

  #head(seen: Seen, block: Buffer): void {
    if (!this.#decoder.decode(block, 0, block.length, 1_000_000, 1000)) throw new Error('HPACK')
    const isTrailers = seen.status >= 200
    if (isTrailers) seen.trailers = {}
    for (const { name, value } of this.#decoder.fields) {
      if (name === ':status') seen.status = Number(value)
      else if (isTrailers) (seen.trailers as Record<string, string>)[name] = value
      else seen.headers[name] = value
    }
  }
}
