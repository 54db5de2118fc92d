import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { Door } from '../door.ts'
import { createEngineServer, type EngineOptions, type EngineServer } from '../engine.ts'
import type { LeanResponse } from '../lean-response.ts'

export type Handler = (request: IncomingMessage, response: LeanResponse) => void

export interface Refusal {
  readonly status: number
  readonly reason: string
}

/** A door that keeps what was refused. */
export class TestDoor implements Door {
  keepAlive = 60_000
  readonly refusals: Refusal[] = []
  onUpgrade: Door['upgrade'] | undefined
  readonly #handler: Handler

  constructor(handler: Handler) {
    this.#handler = handler
  }

  serve(request: IncomingMessage, response: unknown): void {
    this.#handler(request, response as LeanResponse)
  }

  takesUpgrades(): boolean {
    return this.onUpgrade !== undefined
  }

  upgrade(...args: Parameters<Door['upgrade']>): void {
    this.onUpgrade?.(...args)
  }

  refused(status: number, reason: string): void {
    this.refusals.push({ status, reason })
  }
}

/** An engine on a port of its own, and the clients that a test connects to it. */
export class Stage {
  readonly door: TestDoor
  readonly server: EngineServer
  readonly #clients: Client[] = []

  private constructor(door: TestDoor, server: EngineServer) {
    this.door = door
    this.server = server
  }

  static async open(handler: Handler, options: EngineOptions = {}): Promise<Stage> {
    const door = new TestDoor(handler)
    const server = createEngineServer(door, options)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new Stage(door, server)
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  async connect(localAddress = '127.0.0.1'): Promise<Client> {
    const client = new Client(connect({ port: this.port, host: '127.0.0.1', localAddress }))
    this.#clients.push(client)
    await client.connected
    return client
  }

  /** Sends this on a connection of its own. @returns all that comes until the server ends it. */
  async exchange(text: string): Promise<string> {
    const client = await this.connect()
    client.send(text)
    return client.rest()
  }

  /** Waits until so many connections are open. */
  async connections(count: number): Promise<void> {
    const open = () =>
      new Promise<number>((resolve) => this.server.getConnections((_, number) => resolve(number)))
    while ((await open()) !== count) await sleep(5)
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.socket.destroy()
    this.server.closeAllConnections()
    await new Promise<void>((resolve) => this.server.close(() => resolve()))
  }
}

/** A client that knows nothing of HTTP. Text is latin-1: a character is a byte. */
export class Client {
  readonly socket: Socket
  readonly connected: Promise<unknown>
  text = ''
  ended = false
  #changed: () => void = () => {}

  constructor(socket: Socket) {
    this.socket = socket
    this.connected = once(socket, 'connect')
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      this.text += text
      this.#changed()
    })
    socket.on('error', () => {})
    for (const event of ['end', 'close']) {
      socket.on(event, () => {
        this.ended = true
        this.#changed()
      })
    }
  }

  send(text: string): void {
    this.socket.write(text, 'latin1')
  }

  /** Waits until what has come has this in it, and takes it out, up to its end. */
  async until(pattern: RegExp | string): Promise<string> {
    for (;;) {
      const end = endOf(this.text, pattern)
      if (end >= 0) {
        const found = this.text.slice(0, end)
        this.text = this.text.slice(end)
        return found
      }
      if (this.ended) throw new Error(`the connection ended with: ${JSON.stringify(this.text)}`)
      await this.#change()
    }
  }

  /** All that comes until the server ends the connection. */
  async rest(): Promise<string> {
    while (!this.ended) await this.#change()
    return this.text
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#changed = resolve
    })
  }
}

function endOf(text: string, pattern: RegExp | string): number {
  if (typeof pattern === 'string') {
    const index = text.indexOf(pattern)
    return index < 0 ? -1 : index + pattern.length
  }
  const match = pattern.exec(text)
  return match ? match.index + match[0].length : -1
}

export const get = (path = '/', fields = '') => `GET ${path} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`

export const post = (body: string, fields = '', path = '/') =>
  `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n${fields}\r\n${body}`

/** One answer with its body, where that is framed by Content-Length. */
export interface Answer {
  readonly status: number
  readonly reason: string
  readonly headers: Record<string, string>
  readonly body: string
}

export function parseAnswer(text: string): Answer {
  const end = text.indexOf('\r\n\r\n')
  const [line = '', ...lines] = text.slice(0, end).split('\r\n')
  const [, status, reason = ''] = /^HTTP\/1\.1 (\d{3}) (.*)$/.exec(line) ?? []
  const headers: Record<string, string> = {}
  for (const each of lines) {
    const colon = each.indexOf(':')
    const name = each.slice(0, colon).toLowerCase()
    const value = each.slice(colon + 1).trim()
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value
  }
  return { status: Number(status), reason, headers, body: text.slice(end + 4) }
}

/** A socket in memory, whose bytes arrive just as a test cuts them. */
export class MemorySocket extends Duplex {
  text = ''
  constructor() {
    super({ allowHalfOpen: true })
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.text += chunk.toString('latin1')
    callback()
  }

  receive(text: string): void {
    this.emit('data', Buffer.from(text, 'latin1'))
  }

  resetAndDestroy(): void {
    this.destroy()
  }
}

/** Until all that was scheduled up to now is done. */
export const settled = () =>
  new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)))

export const sleep = (milliseconds: number) =>
  new Promise<void>((resolve) => setTimeout(resolve, milliseconds))
