import type { Kind } from './pace.ts'

/** A request's body on its way to a worker. Large ones lie in a file of the runtime directory. */
export type Body =
  | { readonly kind: 'none' }
  | { readonly kind: 'memory'; readonly bytes: Buffer }
  /** As in memory, but the bytes are somebody else's once it is dispatched. */
  | { readonly kind: 'lent'; readonly bytes: Buffer }
  /** In `bodies`: so the pool has it while a worker may want it. */
  | { readonly kind: 'placed'; readonly position: number; readonly length: number }
  | { readonly kind: 'file'; readonly path: string; readonly length: number }
  | { readonly kind: 'onDemand'; readonly length: number | undefined }

/** @returns a body that lasts. */
export const keepBody = (body: Body): Body =>
  body.kind === 'lent' ? { kind: 'memory', bytes: Buffer.from(body.bytes) } : body

/** Why a request got no answer from a worker. */
export type Failure =
  /** The queue is full. */
  | 'overloaded'
  /** The worker died while it executed the request. */
  | 'died'
  /** The disk for what does not fit into a slot is full. */
  | 'storage'
  /** The worker took longer than `timeout`. */
  | 'timeout'
  /** The server stops. */
  | 'stopping'

/** A file that a worker hands over, open in that process. */
export interface HandedFile {
  readonly pid: number
  readonly descriptor: number
  readonly offset: number
  readonly length: number
}

/**
 * One request for a worker, and the receiver of its answer. What comes is either one `whole`, or a `head`, then
 * `data` and an `end` (or a `file`); or, at any moment, an `abort` or a `fail`, after which nothing follows.
 */
export interface Job {
  /** `KEY\0VALUE\0…`, latin-1. */
  readonly environ: string
  /** As it came: by its first segments the pool learns which requests are slow. */
  readonly url: string
  readonly method: string
  /** The pool changes where it is, not what it is. */
  body: Body
  /** `performance.now()` when the head was read. */
  readonly headTime: number
  readonly bodyMicroseconds: number
  /** Set by the pool while the job is dispatched; 0 else. */
  id: number
  /** Set by the pool. */
  kind: Kind | undefined
  isSlow: boolean
  /**
   * Whether it may be executed once more, its worker having died: its method is safe (RFC 9110 §9.2.1), nothing of an
   * answer was seen, and somebody waits for it.
   */
  readonly isRepeatable: boolean
  /** Set by the pool when that was done: it is not done again. */
  wasRepeated: boolean
  /** A whole answer: `bytes[start..end)` is the body, valid during the call only. `failed`: make the error page. */
  whole(head: string, bytes: Buffer, start: number, end: number, failed: boolean): void
  head(head: string): void
  /**
   * `left`, where given, is called once the bytes are needed no more; it need not be.
   * @returns false to be spared more until `source.resume()`.
   */
  data(bytes: Buffer, source: Source, left?: () => void): boolean
  end(): void
  /** Whether all bytes given so far have left for the kernel, so that their buffers can be used again. */
  readonly flushed: boolean
  /** Until `uncork`, what comes is gathered and leaves at once. */
  cork(): void
  uncork(): void
  information(head: string): void
  /** A file to send as the rest of the answer. @returns whether it could be opened. */
  file(file: HandedFile): Promise<boolean>
  /** The next body bytes, at most `max`, for a body on demand. `last` with the last ones. */
  pull(max: number): Promise<{ bytes: Buffer; last: boolean; gone: boolean }>
  /** The app failed after its head. */
  abort(): void
  fail(failure: Failure, cause?: Error): void
}

/** The connection that an answer comes over. */
export interface Source {
  pause(): void
  resume(): void
}
