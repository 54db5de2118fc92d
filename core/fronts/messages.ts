import type { ListenerSpec } from '../listeners.ts'

/** What the supervisor says to a front. */
export type Order =
  /** Bring this configuration to life, beside the one that serves; then wait. */
  | {
      order: 'build'
      generation: number
      /** What the supervisor knows this front by, and how many there are to be. */
      front: number
      count: number
      cwd: string
      values: Readonly<Record<string, unknown>>
    }
  /** A listening handle; it comes along with this message. */
  | { order: 'handle'; handle: number }
  /** All are ready: serve it at these handles, one for each listener; then wait. */
  | { order: 'serve'; generation: number; handles: readonly number[] }
  /** All serve it: let the one before go. */
  | { order: 'commit'; generation: number }
  /** Some other has failed: go back. */
  | { order: 'abandon'; generation: number }
  | { order: 'close'; quick: boolean }
  | { order: 'reopenLogs' }
  | PluginMessage

/** What a front says to the supervisor. */
export type Report =
  /** It takes orders. */
  | { report: 'up' }
  /** A plugin wants a reload. */
  | { report: 'reload' }
  | { report: 'built'; generation: number; listeners: readonly PlainSpec[] }
  | { report: 'serving'; generation: number }
  | { report: 'failed'; generation: number; error: PlainError }
  /** Nothing of this generation is left in the front. */
  | { report: 'retired'; generation: number }
  | PluginMessage

/** From a plugin to itself in the other process. */
export interface PluginMessage {
  readonly plugin: string
  readonly generation: number
  readonly body: unknown
}

export type PlainSpec = Pick<ListenerSpec, 'address' | 'scheme'>

/** An error on its way to another process. */
export interface PlainError {
  readonly name: string
  readonly message: string
  readonly stack?: string | undefined
  readonly code?: unknown
  readonly exitCode?: unknown
  readonly traceback?: unknown
  readonly cause?: PlainError | undefined
}

export function toPlain(error: unknown): PlainError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) }
  const { name, message, stack, code, exitCode, traceback, cause } = error as PlainError
  const behind = cause instanceof Error ? toPlain(cause) : undefined
  return { name, message, stack, code, exitCode, traceback, cause: behind }
}

export function fromPlain({ cause, ...plain }: PlainError): Error {
  const error = cause
    ? new Error(plain.message, { cause: fromPlain(cause) })
    : new Error(plain.message)
  for (const [key, value] of Object.entries(plain)) {
    if (value === undefined) continue
    Object.defineProperty(error, key, {
      value,
      configurable: true,
      writable: true,
      enumerable: OWN.has(key),
    })
  }
  return error
}

const OWN = new Set(['code', 'exitCode', 'traceback'])
