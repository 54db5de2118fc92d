import { ServerResponse, STATUS_CODES } from 'node:http'
import type { Body, Environ, Header, StartResponse } from './application.ts'
import type { EnvironRequest } from './environ-request.ts'

type Callback = (error?: Error | null) => void
type HeaderValue = number | string | readonly string[]

/**
 * A response as node:http gives it, whose head and body go to `startResponse`. What `end` is given at once travels as a
 * whole, what is written in pieces as a stream.
 */
export class EnvironResponse extends ServerResponse {
  readonly #environ: Environ
  readonly #start: StartResponse
  #pieces: Uint8Array[] = []
  #wake: (() => void) | undefined
  #settle!: (body: Body) => void
  #refuse!: (error: unknown) => void
  #settled = false
  #broken: unknown
  #waiting = 0
  /** What the application returns. */
  readonly body: Promise<Body> = new Promise((resolve, reject) => {
    this.#settle = resolve
    this.#refuse = reject
  })

  constructor(request: EnvironRequest, environ: Environ, start: StartResponse) {
    super(request)
    this.#environ = environ
    this.#start = start
    Object.assign(this, { socket: request.socket })
  }

  /** The handler has failed. */
  fail(error: unknown): void {
    if (this.finished) return this.#environ['wsgi.errors'].write(`${describe(error)}\n`)
    this.#broken = error ?? new Error('the handler failed')
    if (!this.#settled) {
      this.#settled = true
      this.#refuse(this.#broken)
    }
    this.#wake?.()
  }

  override writeHead(status: number, ...rest: unknown[]): this {
    const reason = typeof rest[0] === 'string' ? (rest.shift() as string) : undefined
    if (this.headersSent) throw new Error('Cannot write headers after they are sent to the client')
    this.statusCode = status
    this.statusMessage = reason ?? this.statusMessage ?? STATUS_CODES[status] ?? ''
    this.#add(rest[0] as Record<string, HeaderValue> | readonly unknown[] | undefined)
    ;(this as unknown as { _header: string })._header = 'given' // so it counts as sent, and is final
    this.#start(`${status} ${this.statusMessage}`, this.#fields())
    return this
  }

  override write(chunk: unknown, encoding?: unknown, callback?: unknown): boolean {
    const done = [encoding, callback].find((each) => typeof each === 'function') as Callback
    if (this.finished) throw new Error('write after end')
    if (!this.headersSent) this.writeHead(this.statusCode)
    this.#push(toBytes(chunk, encoding))
    if (done) process.nextTick(done)
    if (!this.#settled) this.#stream()
    return this.#waiting < this.writableHighWaterMark
  }

  // biome-ignore lint/suspicious/noExplicitAny: node:http has five signatures
  override end(chunk?: any, encoding?: any, callback?: any): this {
    const done = [chunk, encoding, callback].find((each) => typeof each === 'function')
    if (this.finished) return this
    if (done) this.once('finish', done)
    if (!this.headersSent) this.writeHead(this.statusCode)
    this.finished = true
    const body = chunk === undefined || chunk === null || chunk === done ? undefined : chunk
    if (body !== undefined) this.#push(toBytes(body, encoding))
    if (!this.#settled) {
      this.#settled = true
      this.#settle(this.#pieces)
    }
    this.#wake?.()
    process.nextTick(() => {
      this.emit('finish')
      this.emit('close')
    })
    return this
  }

  override flushHeaders(): void {
    if (!this.headersSent) this.writeHead(this.statusCode)
  }

  override writeEarlyHints(hints: Record<string, string | string[]>): void {
    const fields = Object.entries(hints).flatMap(([name, values]) =>
      [values].flat().map((value): Header => [name, value]),
    )
    this.#environ['wsgi.early_hints'](fields)
  }

  override writeContinue(): void {} // the front has seen to it
  override writeProcessing(): void {}

  override destroy(error?: Error): this {
    if (!this.finished) this.fail(error ?? new Error('the response was destroyed'))
    this.destroyed = true
    return this
  }

  #push(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#pieces.push(bytes)
    this.#waiting += bytes.length
    this.#wake?.()
  }

  #stream(): void {
    this.#settled = true
    this.#settle(this.#iterate())
  }

  async *#iterate(): AsyncGenerator<Uint8Array, void> {
    try {
      for (;;) {
        while (this.#pieces.length > 0) yield this.#take()
        if (this.#broken !== undefined) throw this.#broken
        if (this.finished) return
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    } finally {
      if (!this.finished) this.#left()
    }
  }

  /** Nobody waits for the rest. */
  #left(): void {
    this.destroyed = true
    this.emit('close')
  }

  #take(): Uint8Array {
    const piece = this.#pieces.shift() as Uint8Array
    const before = this.#waiting
    this.#waiting -= piece.length
    const mark = this.writableHighWaterMark
    if (before >= mark && this.#waiting < mark) process.nextTick(() => this.emit('drain'))
    return piece
  }

  #add(given: Record<string, HeaderValue> | readonly unknown[] | undefined): void {
    if (!given) return
    if (!Array.isArray(given)) {
      for (const [name, value] of Object.entries(given)) {
        if (value !== undefined) this.setHeader(name, value as HeaderValue)
      }
      return
    }
    const flat = Array.isArray(given[0]) ? given.flat() : given
    for (let index = 0; index < flat.length; index += 2) {
      this.appendHeader(flat[index] as string, flat[index + 1] as string)
    }
  }

  #fields(): Header[] {
    const { getRawHeaderNames } = this as unknown as { getRawHeaderNames(): string[] }
    return getRawHeaderNames
      .call(this)
      .flatMap((name) =>
        [this.getHeader(name) as HeaderValue].flat().map((value): Header => [name, String(value)]),
      )
  }
}

const describe = (error: unknown) => (error instanceof Error ? error.stack : String(error))

function toBytes(chunk: unknown, encoding: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk
  if (typeof chunk !== 'string') {
    throw new TypeError('The "chunk" argument must be of type string or an instance of Buffer')
  }
  return Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8')
}
