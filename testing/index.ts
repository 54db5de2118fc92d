/** Helpers for the tests of plugins: a server over real sockets, its log kept. */
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { type IncomingHttpHeaders, type RequestOptions, request as sendRequest } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import inject, { type Response as InjectedResponse, type InjectOptions } from 'light-my-request'
import { createServer, type Plugin, type PluginUse, type Server } from '../core/index.ts'

export interface TestServerOptions {
  readonly plugins?: readonly (Plugin | PluginUse)[]
  /** Shaped like the config file; `bind` is 127.0.0.1 with a free port where absent. */
  readonly config?: Readonly<Record<string, unknown>>
  /** Called before the start: to tap hooks and to make routes. */
  readonly setup?: (server: Server) => unknown
}

export interface TestResponse {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A server that listens, in this process. */
export interface TestServer {
  readonly server: Server
  /** Its first address, for example `http://127.0.0.1:40123`. */
  readonly url: string
  /** What stands in the error log. */
  log(): string
  /** The same as records, where `config` has `logFormat: 'json'`. */
  records(): Record<string, unknown>[]
  /** A request that is made up in memory: no socket, no parser, all hooks. */
  inject(options: InjectOptions | string): Promise<InjectedResponse>
  /** One request on a connection of its own. */
  request(
    path: string,
    options?: RequestOptions & { body?: string | Buffer },
  ): Promise<TestResponse>
  /** A connection to send bytes over, and to read bytes from. */
  connect(): Promise<TestConnection>
  /** Sends these bytes and gives back everything up to the end of the connection. */
  raw(bytes: string | Buffer): Promise<string>
  /** Closes connections made here, stops the server, removes its log. */
  close(): Promise<void>
}

/** Starts a server with these plugins. What its start throws comes through. */
export async function createTestServer({
  plugins = [],
  config = {},
  setup,
}: TestServerOptions = {}): Promise<TestServer> {
  const folder = mkdtempSync(join(tmpdir(), 'wsgi-core-test-'))
  const logfile = join(folder, 'error.log')
  const server = createServer({ bind: ['127.0.0.1:0'], errorLogfile: logfile, ...config })
  for (const plugin of plugins) server.use(plugin)
  await setup?.(server)
  const discard = () => rmSync(folder, { recursive: true, force: true })
  await server.listen().catch((error) => {
    discard()
    throw error
  })
  const url = server.addresses[0] as string
  const connections = new Set<TestConnection>()
  const open = async () => {
    const connection = await openConnection(url)
    connections.add(connection)
    return connection
  }
  const readLog = () => {
    server.log?.flush()
    return readFileSync(logfile, 'utf8')
  }
  return {
    server,
    url,
    log: readLog,
    records() {
      return readLog().split('\n').filter(Boolean).map(parseRecord)
    },
    inject: (options) => inject(server.handle, options),
    request: (path, options) => request(new URL(path, url), options),
    connect: open,
    async raw(bytes) {
      const connection = await open()
      connection.send(bytes)
      return connection.rest()
    },
    async close() {
      for (const connection of connections) connection.destroy()
      await server.close({ quick: true })
      discard()
    },
  }
}

function parseRecord(line: string): Record<string, unknown> {
  try {
    return JSON.parse(line)
  } catch {
    throw new Error("the log has lines, not records; set logFormat: 'json' in the config")
  }
}

async function request(
  url: URL,
  { body, ...options }: RequestOptions & { body?: string | Buffer } = {},
): Promise<TestResponse> {
  const outgoing = sendRequest(url, { ...options, agent: false }).end(body)
  const [incoming] = await once(outgoing, 'response')
  const { statusCode, headers } = incoming
  return { status: statusCode, headers, body: await text(incoming) }
}

/** Bytes out, bytes in, as latin-1. */
export class TestConnection {
  readonly socket: Socket
  #received = ''
  #read: () => void = () => {}

  constructor(socket: Socket) {
    this.socket = socket.setEncoding('latin1')
    socket.on('data', (chunk) => {
      this.#received += chunk
      this.#read()
    })
    socket.on('error', () => {}) // a reset is an end too: 'close' follows
    socket.on('close', () => this.#read())
  }

  send(bytes: string | Buffer): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  }

  /** Waits until what has come, and was not read yet, matches; reads up to the end of the match. */
  receive(pattern: RegExp): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#read = () => {
        const match = pattern.exec(this.#received)
        if (match) resolve(this.#take(match.index + match[0].length))
        else if (this.socket.closed) reject(new Error(`ended, with: ${this.#received}`))
      }
      this.#read()
    })
  }

  /** Everything that comes until the other side ends the connection. */
  async rest(): Promise<string> {
    if (!this.socket.closed) await new Promise((resolve) => this.socket.once('close', resolve)) // once() rejects at a reset
    return this.#take(this.#received.length)
  }

  destroy(): void {
    this.socket.destroy()
  }

  #take(length: number): string {
    const taken = this.#received.slice(0, length)
    this.#received = this.#received.slice(length)
    this.#read = () => {}
    return taken
  }
}

/** Connects to `http://HOST:PORT` or `unix:PATH`. */
export async function openConnection(url: string): Promise<TestConnection> {
  const { hostname, port } = url.startsWith('unix:') ? { hostname: '', port: 0 } : new URL(url)
  const socket = hostname
    ? connect(Number(port), hostname.replace(/^\[|\]$/g, ''))
    : connect(url.slice('unix:'.length))
  await once(socket, 'connect')
  return new TestConnection(socket)
}

export { FakeClock } from './fake-clock.ts'
export { ValidationError, validator } from './validator.ts'
export {
  type DoubleAnswer,
  type DoubleHandler,
  type DoubleRequest,
  workerDouble,
} from './worker-double.ts'
export { type Check, workerConformance } from './worker-protocol/conformance.ts'
export { FakeFront, type WorkerUnderTest } from './worker-protocol/fake-front.ts'
