import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Configuration } from './config/load.ts'
import type { Core, Life } from './core.ts'
import type { EngineResponse, ParsedHead } from './http/door.ts'
import type { PreparedAnswer } from './http/prepared-head.ts'
import type { Listen, ListenerSpec, Listeners } from './listeners.ts'
import type { Logs } from './logging/logs.ts'

/** One configuration brought to life, as a server sees it. */
export interface AnyGeneration {
  readonly core: Core
  readonly configuration: Configuration
  /** Requests whose answer is not out yet. */
  readonly active: number
  serve: (request: IncomingMessage, response: EngineResponse) => void
  ready: (head: ParsedHead) => PreparedAnswer | undefined
  takesUpgrades(): boolean
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  writeAccessLog(logs: Logs): void
  build(bind?: (specs: ListenerSpec[]) => Promise<void>): Promise<ListenerSpec[]>
  /** Lets in the requests that had to wait. */
  admit(): void
  activate(listeners: Listeners): Promise<unknown>
  abort(): void
  abandon(): Promise<Error[]>
  retire(hurry: Promise<unknown>): Promise<Error[]>
}

/** What a server does otherwise where it is one of several processes. */
export interface Role {
  /** Tells what happens to all of them; the others are silent about that. */
  readonly speaks: boolean
  readonly listen: Listen
  createGeneration(configuration: Configuration, life: Omit<Life, 'signal'>): AnyGeneration
  reopenLogs(): void
  /** The server has stopped. */
  close(): Promise<void>
}
