import type { Application, Body, Environ, Header, StartResponse } from './application.ts'
import { checkHead, type Head, show } from './head.ts'

/** Where an answer goes: to the client's response, or in frames to the front. */
export interface Outlet {
  /** Whether nobody waits for the answer any more. */
  readonly gone: boolean
  /** Also when nobody waits any more. */
  whole(head: Head, body: Uint8Array): void
  head(head: Head): void
  /** @returns a promise where the receiver does not keep up: of room, or of its end. */
  data(chunk: Uint8Array): Promise<void> | undefined
  end(): void
  /** `103 Early Hints`, before the head. */
  hints(head: Head): void
  /** The app failed; after its head the answer is broken off. `undefined`: the client has left. */
  fail(error: Error | undefined, headSent: boolean): void
  /** Something for the error log. */
  report(level: 'warning' | 'error', message: string, error?: Error): void
  /** Everything about this request is over. Called once, last. */
  done(): void
}

/** The app did not keep to what it announced; no stack would tell more. */
export class BrokenAnswer extends Error {}

const EMPTY = new Uint8Array(0)

/**
 * The answer to one request: `startResponse` and `write` for the app, what it returns for the outlet. The rules are those
 * of PEP 3333. Once it is done nothing of it reaches the wire: what the app keeps is harmless.
 */
export class Answer {
  readonly #outlet: Outlet
  readonly #isHead: boolean
  #head: Head | undefined
  #headSent = false
  #bodiless = false
  /** Bytes that the announced length still allows. */
  #left = Number.POSITIVE_INFINITY
  #excess = false
  #done = false
  #result: unknown
  #iterator: Iterator<unknown> | AsyncIterator<unknown> | undefined
  #aborter: AbortController | undefined

  constructor(outlet: Outlet, isHead: boolean) {
    this.#outlet = outlet
    this.#isHead = isHead
  }

  /** Executes the app; what goes wrong goes to the outlet. */
  run(app: Application, environ: Environ): void {
    environ['wsgi.early_hints'] = this.#hints
    environ['wsgi_core.client_gone'] = this.#isGone
    environ['wsgi_core.signal'] = this.#signal
    let result: Body | Promise<Body>
    try {
      result = app(environ, this.#startResponse)
      if (isThenable(result)) {
        result.then(
          (body) => this.#take(body),
          (error) => this.#fail(asError(error)),
        )
        return
      }
    } catch (error) {
      return this.#fail(asError(error))
    }
    this.#take(result)
  }

  /** The client has left: the app is stopped as soon as it can be. */
  cancel(): void {
    if (this.#done) return
    this.#aborter?.abort(new Error('the client has left'))
    if (this.#result === undefined) return // the app has not returned; told with its first chunk
    this.#fail(undefined)
  }

  readonly #startResponse: StartResponse = (status, headers, error) => {
    if (this.#done) throw new Error('startResponse() is called after its request')
    if (error !== undefined) {
      if (this.#headSent) throw error
    } else if (this.#head) throw new Error('startResponse() is called again without an error')
    this.#head = this.#check(status, headers)
    return this.#write
  }

  readonly #write = (chunk: Uint8Array): Promise<void> => {
    const written = this.#push(chunk)
    written.catch((error) => this.#fail(error)) // the app need not wait for it
    return written
  }

  async #push(chunk: Uint8Array): Promise<void> {
    if (this.#done) throw new Error('write() is called after its request')
    await this.#send(chunk)
  }

  readonly #hints = (headers: readonly Header[]): void => {
    if (this.#done) throw new Error('early hints come after their request')
    const head = this.#check('103 Early Hints', headers)
    if (!this.#headSent && !this.#outlet.gone) this.#outlet.hints(head)
  }

  readonly #isGone = (): boolean => this.#outlet.gone

  readonly #signal = (): AbortSignal => {
    this.#aborter ??= new AbortController()
    if (this.#outlet.gone) this.#aborter.abort(new Error('the client has left'))
    return this.#aborter.signal
  }

  #check(status: string, headers: readonly Header[]): Head {
    return checkHead(status, headers, (text) => this.#outlet.report('warning', text))
  }

  /** What the app returned. */
  #take(result: unknown): void {
    if (this.#done) return void this.#close(result)
    this.#result = result ?? null
    if (this.#headSent || !(result instanceof Uint8Array || Array.isArray(result))) {
      return void this.#stream(result)
    }
    try {
      this.#sendWhole(join(result))
    } catch (error) {
      return this.#fail(asError(error))
    }
    if ('close' in result) void this.#release()
  }

  #sendWhole(body: Uint8Array): void {
    const head = this.#head
    if (!head) throw new Error('the app returned without calling startResponse()')
    const size = body.length
    const bodiless = head.bodiless || this.#isHead
    if (head.length === undefined && !head.bodiless && (size > 0 || !this.#isHead)) {
      head.fields.push('Content-Length', String(size))
    } else if (!bodiless && head.length !== undefined && size < head.length) {
      throw new BrokenAnswer(`app gave ${size} of the ${head.length} bytes of its Content-Length`)
    }
    let sent = bodiless ? EMPTY : body
    if (!bodiless && head.length !== undefined && size > head.length) {
      this.#reportExcess(head.length)
      sent = body.subarray(0, head.length)
    }
    this.#done = true
    this.#outlet.whole(head, sent)
    this.#outlet.done()
  }

  /** Chunk by chunk, as fast as the receiver takes them. `close()` is called in any case (PEP 3333). */
  async #stream(result: unknown): Promise<void> {
    try {
      this.#iterator = iterate(result)
      // nothing of the body is wanted where the head is known to forbid one
      if (!(this.#head && (this.#head.bodiless || this.#isHead))) await this.#pump(this.#iterator)
      await this.#finish()
    } catch (error) {
      this.#fail(asError(error))
    }
  }

  async #pump(iterator: Iterator<unknown> | AsyncIterator<unknown>): Promise<void> {
    for (;;) {
      const step = iterator.next()
      const { done, value } = isThenable(step) ? await step : step
      if (this.#done) return
      if (done) {
        this.#iterator = undefined
        return
      }
      const room = this.#send(value)
      if (room) await room
      if (this.#done || this.#bodiless) return
    }
  }

  /** Sends a chunk at once, the head before the first that is not empty. */
  #send(chunk: unknown): Promise<void> | undefined {
    checkChunk(chunk)
    if (this.#outlet.gone) throw new ClientGone()
    if (chunk.length === 0) return undefined
    if (!this.#headSent) this.#sendHead()
    if (this.#bodiless) return undefined
    const wanted = chunk.length > this.#left ? this.#bound(chunk) : chunk
    this.#left -= wanted.length
    return wanted.length > 0 ? this.#outlet.data(wanted) : undefined
  }

  #sendHead(): void {
    const head = this.#head
    if (!head) throw new Error('the app gave data before calling startResponse()')
    this.#bodiless = head.bodiless || this.#isHead
    if (head.length !== undefined) this.#left = head.length
    this.#outlet.head(head)
    this.#headSent = true
  }

  #bound(chunk: Uint8Array): Uint8Array {
    this.#reportExcess(this.#head?.length ?? 0)
    return chunk.subarray(0, this.#left)
  }

  #reportExcess(length: number): void {
    if (this.#excess) return
    this.#excess = true
    const text = `app gave more bytes than its Content-Length of ${length}; the excess is dropped`
    this.#outlet.report('error', text)
  }

  /** The app gave its last chunk. */
  async #finish(): Promise<void> {
    if (this.#done) return
    if (this.#headSent) {
      const length = this.#head?.length
      if (!this.#bodiless && length !== undefined && this.#left > 0) {
        const given = length - this.#left
        throw new BrokenAnswer(`app gave ${given} of the ${length} bytes of its Content-Length`)
      }
      this.#done = true
      this.#outlet.end()
      this.#outlet.done()
    } else this.#sendWhole(EMPTY)
    await this.#release()
  }

  #fail(error: Error | undefined): void {
    if (this.#done) return void this.#release()
    this.#done = true
    const gone = error === undefined || error instanceof ClientGone || this.#outlet.gone
    this.#outlet.fail(gone ? undefined : error, this.#headSent)
    this.#outlet.done()
    void this.#release()
  }

  /** Lets go of what the app returned: an iterator that is not at its end is told, and `close()` called. */
  async #release(): Promise<void> {
    const iterator = this.#iterator
    const result = this.#result
    this.#iterator = undefined
    this.#result = undefined
    try {
      const returned = iterator?.return?.()
      if (isThenable(returned)) await returned
    } catch (error) {
      const text = 'the application failed while its answer was stopped'
      this.#outlet.report('error', text, asError(error))
    }
    await this.#close(result)
  }

  async #close(result: unknown): Promise<void> {
    try {
      const close = (result as { close?: unknown } | null | undefined)?.close
      if (typeof close === 'function' && !isStream(result)) await close.call(result)
    } catch (error) {
      this.#outlet.report('error', 'close() of the application failed', asError(error))
    }
  }
}

class ClientGone extends Error {}

/** Anything can be thrown, also what cannot even be looked at. */
function asError(thrown: unknown): Error {
  try {
    return thrown instanceof Error ? thrown : new Error(String(thrown))
  } catch {
    return new Error('what the application has thrown cannot be shown')
  }
}

/** A Node stream's `close` is no matter of ours: its iterator destroys it. */
const isStream = (value: unknown) =>
  typeof (value as { pipe?: unknown } | null | undefined)?.pipe === 'function'

export const isThenable = <T>(value: T | PromiseLike<T>): value is Promise<T> =>
  typeof (value as { then?: unknown } | null | undefined)?.then === 'function'

function checkChunk(chunk: unknown): asserts chunk is Uint8Array {
  if (!(chunk instanceof Uint8Array)) {
    throw new TypeError(`the body must be made of Uint8Array or Buffer, not ${show(chunk)}`)
  }
}

function join(result: Uint8Array | readonly unknown[]): Uint8Array {
  if (result instanceof Uint8Array) return result
  for (const chunk of result) checkChunk(chunk)
  const chunks = result as readonly Uint8Array[]
  return chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks)
}

function iterate(result: unknown): Iterator<unknown> | AsyncIterator<unknown> {
  if (typeof result === 'string') {
    throw new TypeError('the app returned a string, whose bytes are not known; return a Buffer')
  }
  if (result instanceof Uint8Array) return [result][Symbol.iterator]()
  const source = result as (Iterable<unknown> & AsyncIterable<unknown>) | null | undefined
  if (typeof source?.[Symbol.asyncIterator] === 'function') return source[Symbol.asyncIterator]()
  if (typeof source?.[Symbol.iterator] === 'function') return source[Symbol.iterator]()
  throw new TypeError(`the app returned ${show(result)}, not bytes or an iterable of bytes`)
}
