import type { IncomingMessage } from 'node:http'
import type { EngineRequest } from '../../core/index.ts'
import type { BodyFault, BodyOptions } from './request-body.ts'

/** A request's body that stays with the client until the worker asks for it. */
export class PulledBody {
  readonly #stream: EngineRequest
  readonly #options: Pick<BodyOptions, 'timeout' | 'limit'>
  /** Bytes that the worker has. */
  #pulled = 0

  constructor(stream: EngineRequest, options: Pick<BodyOptions, 'timeout' | 'limit'>) {
    this.#stream = stream
    this.#options = options
    stream.leaveBody?.() // a worker is done with the body when it has answered
  }

  /** The next bytes, at most `max`; a number is the status for a client that is too slow or sends too much. */
  async read(max: number): Promise<{ bytes: Buffer; last: boolean; gone: boolean } | BodyFault> {
    const stream = this.#stream
    if (!(await readable(stream, this.#options.timeout))) return 408
    const bytes = (stream.read(Math.min(max, stream.readableLength)) ?? Buffer.alloc(0)) as Buffer
    this.#pulled += bytes.length
    if (this.#pulled > this.#options.limit) return 413
    return {
      bytes,
      last: stream.readableEnded || (stream.complete && stream.readableLength === 0),
      gone: stream.destroyed && !stream.complete,
    }
  }
}

/** Resolves to true when the stream has bytes, has ended or is gone; to false when none of it came in time. */
function readable(stream: IncomingMessage, timeout: number): Promise<boolean> {
  if (stream.readableLength > 0 || stream.readableEnded || stream.destroyed)
    return Promise.resolve(true)
  return new Promise((resolve) => {
    const settle = (came: boolean) => {
      clearTimeout(timer)
      for (const event of EVENTS) stream.off(event, done)
      resolve(came)
    }
    const done = () => settle(true)
    const timer = setTimeout(settle, timeout, false)
    for (const event of EVENTS) stream.on(event, done)
    stream.read(0)
  })
}

const EVENTS = ['readable', 'end', 'close', 'error'] as const
