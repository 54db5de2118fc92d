import { type IncomingMessage, ServerResponse } from 'node:http'

type Callback = (error: Error | null | undefined) => void

/** node:http's response, which in addition counts the body bytes handed to it. */
export class CountedResponse extends ServerResponse<IncomingMessage> {
  /** Body bytes that went, or go, to the client. */
  bodyBytes = 0
  /** When the head of the request was parsed, in `performance.now()` milliseconds; 0 where nobody measures. */
  startedAt = 0
  /** Told once, when the answer is out (`true`) or the client has left before. Spares a listener per request. */
  owner: { closed(completed: boolean): void } | undefined = undefined

  override write(
    chunk: unknown,
    encoding?: BufferEncoding | Callback,
    callback?: Callback,
  ): boolean {
    this.#count(chunk, encoding)
    return super.write(chunk, encoding as BufferEncoding, callback)
  }

  override end(chunk?: unknown, encoding?: unknown, callback?: () => void): this {
    this.#count(chunk, encoding)
    return super.end(chunk, encoding as BufferEncoding, callback)
  }

  #count(chunk: unknown, encoding: unknown): void {
    if (chunk === undefined || this.#isBodyless()) return
    if (typeof chunk === 'string') this.bodyBytes += byteLength(chunk, encoding)
    else if (chunk instanceof Uint8Array) this.bodyBytes += chunk.byteLength
  }

  /** HEAD, 204 and 304 have no body (RFC 9110 §6.4.1), whatever is written. */
  #isBodyless(): boolean {
    return this.req.method === 'HEAD' || this.statusCode === 204 || this.statusCode === 304
  }
}

const byteLength = (text: string, encoding: unknown) =>
  encoding === 'latin1' ? text.length : Buffer.byteLength(text, encoding as BufferEncoding)
