import { type BodySink, ChunkDecoder } from './chunked.ts'
import type { Limits } from './limits.ts'
import type { Head } from './parser.ts'

/** The body of a request while it comes: where it ends, how quickly it comes, and whether anybody wants it. */
export class IncomingBody implements BodySink {
  /** All of it is here. */
  done = false
  /** The client waits for `100 Continue` before it sends anything. */
  owesContinue = false
  /** The answer is out and nobody reads: what comes is passed over. */
  draining = false
  /** What came since. */
  drained = 0
  readonly #sink: BodySink
  /** Bytes that are still to come; -1 where it is chunked. */
  #left = 0
  #chunks: ChunkDecoder | undefined = undefined
  #size = 0
  /** Size and moment from which on its rate is measured. */
  #mark = 0
  #markTime = 0

  constructor(sink: BodySink) {
    this.#sink = sink
  }

  /** The next request's. */
  begin({ length, expectation }: Head, limits: Limits, now: number): void {
    this.done = false
    this.owesContinue = expectation === 'continue'
    this.draining = false
    this.drained = 0
    this.#left = length
    this.#chunks = length < 0 ? new ChunkDecoder(limits) : undefined
    this.#size = 0
    this.measure(now)
  }

  /** Bytes that are announced and have not come; -1 where that is not known. */
  get left(): number {
    return this.#left
  }

  /** Not 0: refused, with the reason. */
  get status(): number {
    return this.#chunks === undefined ? 0 : this.#chunks.status
  }

  get reason(): string {
    return this.#chunks === undefined ? '' : this.#chunks.reason
  }

  get trailers(): string[] {
    return this.#chunks === undefined ? [] : this.#chunks.trailers
  }

  /** @returns how far it got: the end of the body, or `end`. */
  read(bytes: Buffer, start: number, end: number): number {
    this.owesContinue = false
    const chunks = this.#chunks
    if (chunks !== undefined) {
      const at = chunks.decode(bytes, start, end, this)
      this.done = chunks.done
      return at
    }
    const stop = Math.min(end, start + this.#left)
    this.#left -= stop - start
    this.data(bytes, start, stop)
    this.done = this.#left === 0
    return stop
  }

  /** Takes it as read where all of it lies between `start` and `end`. @returns where it ends; -1: it does not. */
  pass(start: number, end: number): number {
    if (this.#left < 0 || this.#left > end - start) return -1
    const stop = start + this.#left
    this.owesContinue = false
    this.#left = 0
    this.done = true
    return stop
  }

  /** A piece of it, without framing. */
  data(bytes: Buffer, start: number, end: number): void {
    this.#size += end - start
    if (this.draining) this.drained += end - start
    else this.#sink.data(bytes, start, end)
  }

  /** Its rate is measured from now on. */
  measure(now: number): void {
    this.#mark = this.#size
    this.#markTime = now
  }

  /** Whether too little has come over the time that counts. */
  isTooSlow(now: number, { rateTime, bodyRate }: Limits): boolean {
    const time = now - this.#markTime
    if (time < rateTime) return false
    if (this.#size - this.#mark < (bodyRate * time) / 1000) return true
    this.measure(now)
    return false
  }
}
