import { EventEmitter } from 'node:events'
import { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Environ, Input } from './application.ts'
import { fieldsOfEnviron } from './fetch-adapter.ts'

/** What frameworks ask the connection for. There is none here: the front has it. */
class NoSocket extends EventEmitter {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  readonly encrypted: boolean
  readonly readable = false
  readonly writable = true
  readonly destroyed = false
  readonly readableHighWaterMark = 65_536

  constructor(environ: Environ) {
    super()
    this.remoteAddress = (environ.REMOTE_ADDR as string | undefined) ?? ''
    this.remotePort = Number(environ.REMOTE_PORT ?? 0)
    this.localAddress = environ.SERVER_NAME
    this.localPort = Number(environ.SERVER_PORT)
    this.encrypted = environ['wsgi.url_scheme'] === 'https'
  }

  setTimeout(): this {
    return this
  }
  setNoDelay(): this {
    return this
  }
  setKeepAlive(): this {
    return this
  }
  cork(): void {}
  uncork(): void {}
  destroy(): this {
    return this
  }
}

/** A request as node:http gives it, from an environ. */
export class EnvironRequest extends IncomingMessage {
  readonly #input: Input
  #iterator: AsyncIterator<Uint8Array> | undefined

  constructor(environ: Environ) {
    super(new NoSocket(environ) as unknown as Socket)
    this.#input = environ['wsgi.input']
    this.method = environ.REQUEST_METHOD
    this.url = environ.RAW_URI
    this.httpVersion = environ.SERVER_PROTOCOL.slice('HTTP/'.length)
    const [major, minor] = this.httpVersion.split('.').map(Number)
    this.httpVersionMajor = major ?? 1
    this.httpVersionMinor = minor ?? 1
    const fields = fieldsOfEnviron(environ)
    this.rawHeaders = fields.flat()
    this.headers = Object.fromEntries(fields)
    this.complete = true
  }

  override _read(): void {
    // as node:http does, which waits with reading until somebody asks
    const { _readableState: state } = this as unknown as {
      _readableState: { readingMore: boolean }
    }
    state.readingMore = false
    this.#iterator ??= this.#input[Symbol.asyncIterator]()
    this.#iterator.next().then(
      ({ done, value }) => this.push(done ? null : value),
      (error) => this.destroy(error),
    )
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    process.nextTick(done, this.listenerCount('error') === 0 ? null : error)
  }
}
