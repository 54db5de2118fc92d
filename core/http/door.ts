import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { PreparedAnswer, PreparedHead } from './prepared-head.ts'

/** Who makes an answer. */
export interface Owner {
  /** Told once, when the answer is out (`true`) or the client has left before. */
  closed(completed: boolean): void
  /** A variable of the environ that it made for the request, by name in lower case: for the access log. */
  variable?(name: string): string | undefined
}

/** A request of the engine: node:http's, and what spares a stream where the body is here already. */
export interface EngineRequest extends IncomingMessage {
  /** @returns the body where all of it is here and nobody has begun to read it; it is the caller's then. */
  takeBody?(): Buffer | undefined
  /** Nobody reads on once the answer is out: the rest of the body is passed over then, as if none of it had been read. */
  leaveBody?(): void
  /**
   * @returns the body where all of it came along with its head and nobody has begun to read it. It is only lent, until
   * whom the request is handed to returns, and nobody else gets it.
   */
  lendBody?(): Buffer | undefined
}

/** A response of the engine: node:http's, and what spares a listener and a wrapper for each request. */
export interface EngineResponse extends ServerResponse<IncomingMessage> {
  /** What it answers, whatever `req` has been set to. */
  readonly request: IncomingMessage
  /** Body bytes that went, or go, to the client. */
  readonly bodyBytes: number
  /** When the head of the request was parsed, in `performance.now()` milliseconds; 0 where nobody measures. */
  startedAt: number
  owner: Owner | undefined
  /** Has this called before the listeners of 'close' are, without being one of them: for whom each response concerns. */
  whenClosed?(closed: (this: EngineResponse) => void): void
  /** Sends a whole answer whose head was rendered before; text is latin-1. */
  sendPrepared?(head: PreparedHead, body?: string | Uint8Array): void
  /** No line in the access log: for probes, which say nothing about visitors. */
  isUnlogged?: boolean
}

/** The head of a request, of which nothing else has been made. It is only lent: the next one is written over it. */
export interface ParsedHead {
  readonly method: string
  readonly url: string
  /** Names and values in turn, as sent, without names that have an underscore. */
  readonly fields: readonly string[]
  /** Those; undefined: there are none. */
  readonly dropped: readonly string[] | undefined
}

/** Takes a request. */
export type Handler = (request: IncomingMessage, response: EngineResponse) => void

/** Where a listener hands its requests in. What stands behind it changes with each generation. */
export interface Door {
  serve(request: IncomingMessage, response: EngineResponse): void
  /** @returns the answer to a request without a body, where it is ready; nobody hears of the request then. */
  ready?(head: ParsedHead): PreparedAnswer | undefined
  /** Whether anybody takes `Connection: upgrade`; otherwise such a request is served as if it had not asked. */
  takesUpgrades(): boolean
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  /** Idle time of a kept connection in milliseconds; 0: none is kept. */
  readonly keepAlive: number
  /** A request or a connection was refused with this status; 0: ended without an answer. */
  refused?(status: number, reason: string, socket: Socket): void
}
