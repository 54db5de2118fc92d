// HTTP/2 without TLS in this process, and clients for it: Node's, and one that sends frames by hand.
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  type IncomingHttpHeaders,
} from 'node:http2'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { suite } from 'uvu'
import type { EngineResponse } from '../../http/door.ts'
import type { EngineOptions } from '../../http/limits.ts'
import { Http2Server, type Http2Settings } from '../server.ts'

export type Handler = (request: IncomingMessage, response: EngineResponse) => void

const SETTINGS: Http2Settings = {
  maxConcurrentStreams: 100,
  initialWindowSize: 65_535,
  maxFrameSize: 16_384,
  maxHeaderListSize: 65_536,
}

export interface Served {
  readonly http2: Http2Server
  readonly port: number
  /** Status and reason of each. */
  readonly refusals: string[]
  open(): Promise<ClientHttp2Session>
  raw(): Promise<RawClient>
}

export interface Context {
  serve(
    handler: Handler,
    limits?: EngineOptions,
    settings?: Partial<Http2Settings>,
  ): Promise<Served>
}

export function http2Suite(name: string) {
  const made = suite<Context>(name)
  const undo: (() => void)[] = []
  made.before((context) => {
    context.serve = (...all) => serve(undo, ...all)
  })
  made.after.each(() => {
    for (const each of undo.splice(0).reverse()) each()
  })
  return made
}

async function serve(
  undo: (() => void)[],
  handler: Handler,
  limits: EngineOptions & { keepAlive?: number } = {},
  settings: Partial<Http2Settings> = {},
): Promise<Served> {
  const refusals: string[] = []
  const door = {
    serve: handler,
    takesUpgrades: () => false,
    upgrade() {},
    keepAlive: limits.keepAlive ?? 75_000,
    refused: (status: number, reason: string) => void refusals.push(`${status} ${reason}`),
  }
  const http2 = new Http2Server(door, limits, { ...SETTINGS, ...settings })
  const server: Server = createServer((socket) => http2.accept(socket.on('error', () => {})))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  undo.push(() => {
    http2.closeAllConnections()
    server.close()
  })
  return {
    http2,
    port,
    refusals,
    async open() {
      const session = connectHttp2(`http://127.0.0.1:${port}`).on('error', () => {})
      undo.push(() => session.destroy())
      await once(session, 'connect')
      return session
    },
    async raw() {
      const socket = connect(port, '127.0.0.1')
      undo.push(() => socket.destroy())
      await once(socket, 'connect')
      return new RawClient(socket)
    },
  }
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export type Fields = Record<string, string | string[]>

/** One request, answered. */
export async function ask(
  session: ClientHttp2Session,
  fields: Fields = {},
  body?: string | Buffer,
): Promise<Answer> {
  const stream = send(session, fields, body)
  const [headers] = await once(stream, 'response')
  return { status: headers[':status'], headers, body: await text(stream) }
}

export function send(
  session: ClientHttp2Session,
  fields: Fields = {},
  body?: string | Buffer,
): ClientHttp2Stream {
  const stream = session.request(
    { ':method': body === undefined ? 'GET' : 'POST', ':path': '/', ...fields },
    { endStream: body === undefined },
  )
  if (body !== undefined) stream.end(body)
  return stream.on('error', () => {}) // once() rejects
}

/** Waits for its end, whatever that is. */
export const closed = (stream: ClientHttp2Stream) =>
  new Promise<void>((resolve) => stream.once('close', resolve).resume())

export const FRAME = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  continuation: 9,
}
export const FLAG = { endStream: 1, ack: 1, endHeaders: 4 }

export function frame(type: number, flags: number, stream: number, payload = Buffer.alloc(0)) {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** HPACK without a table: literals that are not indexed. Names and values of less than 127 bytes. */
export const block = (fields: readonly (readonly [string, string])[]) =>
  Buffer.concat(
    fields.map(([name, value]) =>
      Buffer.concat([
        Buffer.from([0, name.length]),
        Buffer.from(name, 'latin1'),
        Buffer.from([value.length]),
        Buffer.from(value, 'latin1'),
      ]),
    ),
  )

export const GET: readonly (readonly [string, string])[] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'localhost'],
  [':path', '/'],
]

/** Sends frames as they are given, and collects those that come. */
export class RawClient {
  readonly socket: Socket
  readonly frames: { type: number; flags: number; stream: number; payload: Buffer }[] = []
  #rest = Buffer.alloc(0)
  #heard: () => void = () => {}

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => {}) // 'close' follows
    socket.on('data', (bytes: Buffer) => this.#take(bytes))
    socket.on('close', () => this.#heard())
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    socket.write(frame(FRAME.settings, 0, 0))
  }

  /** Waits until one has come. */
  async frame(type: number): Promise<Buffer> {
    for (;;) {
      const found = this.frames.find((each) => each.type === type)
      if (found) return found.payload
      if (this.socket.closed)
        throw new Error(`the connection ended without a frame of type ${type}`)
      await new Promise<void>((resolve) => {
        this.#heard = resolve
      })
    }
  }

  /** Waits for GOAWAY. @returns its error code. */
  async farewell(): Promise<number> {
    return (await this.frame(FRAME.goaway)).readUInt32BE(4)
  }

  async closed(): Promise<void> {
    if (!this.socket.closed) await once(this.socket, 'close')
  }

  /** Whether a write found the connection open. */
  write(bytes: Buffer): Promise<boolean> {
    if (this.socket.destroyed) return Promise.resolve(false)
    return new Promise((resolve) => this.socket.write(bytes, (error) => resolve(!error)))
  }

  #take(bytes: Buffer): void {
    let rest = Buffer.concat([this.#rest, bytes])
    while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
      const size = rest.readUIntBE(0, 3)
      const [type, flags] = [rest[3] as number, rest[4] as number]
      const payload = Buffer.from(rest.subarray(9, 9 + size))
      this.frames.push({ type, flags, stream: rest.readUInt32BE(5), payload })
      rest = rest.subarray(9 + size)
    }
    this.#rest = Buffer.from(rest)
    this.#heard()
  }
}
