import type { Socket } from 'node:net'
import { type BodySource, LeanRequest } from '../http/lean-request.ts'
import type { RequestHead } from './head.ts'

/** What a request over HTTP/2 needs of its stream. */
export interface StreamSource extends BodySource {
  /** Has 'timeout' come when nothing has gone over the stream for so long. */
  setTimeout(milliseconds: number): void
}

/** A request that came over HTTP/2: to whom it is handed it is like any other. */
export class Http2Request extends LeanRequest {
  override readonly httpVersionMajor: number = 2
  readonly #stream: StreamSource

  constructor({ method, url, fields, dropped }: RequestHead, socket: Socket, stream: StreamSource) {
    super(method, url, 0, fields, socket, stream, dropped)
    this.#stream = stream
  }

  /** As nginx and gunicorn write it. */
  override get httpVersion(): string {
    return '2.0'
  }

  override setTimeout(milliseconds: number, callback?: () => void): this {
    if (callback) (this as unknown as NodeJS.EventEmitter).on('timeout', callback)
    this.#stream.setTimeout(milliseconds)
    return this
  }
}
