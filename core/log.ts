import { closeSync, openSync, writeSync } from 'node:fs'
import { type Logger, pino, stdSerializers } from 'pino'
import { CannotOpenLog, LogLinesLost } from './errors.ts'

/** gunicorn's words for `--log-level`, the most talkative first. */
export const LOG_LEVELS = ['debug', 'info', 'warning', 'error', 'critical'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export interface LogOptions {
  readonly level: LogLevel
  /** A path, which is appended to, or `-` for stderr. */
  readonly file: string
}

/** The server's own log. Each line is written before the call returns, so an exit loses none. */
export interface Log {
  readonly logger: Logger
  /** Opens the file anew after a rotation, or another one. If that throws, lines go on into the old one. */
  reopen(file?: string): void
  /** Also for child loggers that have no level of their own. */
  setLevel(level: LogLevel): void
  /** Closes the file; what is logged later goes to stderr. */
  close(): Promise<void>
}

export function createLog({ level, file }: LogOptions): Log {
  const sink = new LogSink(file)
  const options = {
    level: PINO_LEVELS[level],
    base: null,
    redact: { paths: SECRETS.flatMap((name) => [`["${name}"]`, `*["${name}"]`]), censor: CENSOR },
    serializers: { err: stdSerializers.err, error: stdSerializers.err },
    hooks: { streamWrite: formatLine },
  }
  const logger = pino(options, sink)
  return {
    logger,
    reopen: (next) => sink.reopen(next),
    setLevel: (next) => {
      logger.level = PINO_LEVELS[next]
    },
    close: async () => sink.close(),
  }
}

/** Opens a log for appending: its owner may write, its group may read. */
export function openLogFile(path: string): number {
  try {
    return openSync(path, 'a', 0o640)
  } catch (cause) {
    throw new CannotOpenLog(path, reasonOf(cause), { cause })
  }
}

/** `+0130`: how far the local time of that moment is from UTC. */
export function utcOffset(date: Date): string {
  const minutes = -date.getTimezoneOffset()
  const size = Math.abs(minutes)
  return `${minutes < 0 ? '-' : '+'}${pad(Math.trunc(size / 60))}${pad(size % 60)}`
}

export const pad = (number: number): string => String(number).padStart(2, '0')

const STDERR = 2
const PINO_LEVELS = {
  debug: 'debug',
  info: 'info',
  warning: 'warn',
  error: 'error',
  critical: 'fatal',
} as const
const LEVEL_NAMES = new Map([
  [10, 'DEBUG'],
  [20, 'DEBUG'],
  [30, 'INFO'],
  [40, 'WARNING'],
  [50, 'ERROR'],
  [60, 'CRITICAL'],
])

const CENSOR = '[redacted]'
const SECRETS = [
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  'password',
  'passphrase',
  'secret',
  'token',
  'key',
  'pfx',
]
const SECRET_NAMES = new Set(SECRETS)

// Not pino's destination (sonic-boom 4.2.1): a reopen that failed makes the next one close the old
// descriptor twice, and a line after the end throws into whoever logs.
class LogSink {
  #file: string
  #fd: number
  #failing = false
  #closed = false

  constructor(file: string) {
    this.#file = file
    this.#fd = file === '-' ? STDERR : openLogFile(file)
  }

  write(text: string): void {
    try {
      writeWhole(this.#fd, text)
      this.#failing = false
    } catch (cause) {
      this.#rescue(text, cause)
    }
  }

  reopen(file = this.#file): void {
    if (this.#closed) return
    const old = this.#fd
    this.#fd = file === '-' ? STDERR : openLogFile(file)
    this.#file = file
    if (old !== STDERR) closeSync(old)
  }

  close(): void {
    this.#closed = true
    if (this.#fd === STDERR) return
    const old = this.#fd
    this.#fd = STDERR
    closeSync(old)
  }

  #rescue(text: string, cause: unknown): void {
    if (this.#fd === STDERR) return
    const report = this.#failing ? '' : `${new LogLinesLost(this.#file, reasonOf(cause)).message}\n`
    this.#failing = true
    try {
      writeWhole(STDERR, report + text)
    } catch {
      // Neither the file nor stderr takes the line: there is no third place to say so.
    }
  }
}

const EAGAIN_PAUSE_MS = 5
const EAGAIN_TRIES = 200
const pause = new Int32Array(new SharedArrayBuffer(4))

/**
 * Writes all of it before it returns. Another process can make the pipe behind stderr non-blocking
 * for us all: then this waits for the pipe's reader, for a second at most.
 */
export function writeWhole(fd: number, text: string): void {
  let rest = Buffer.from(text)
  for (let tries = 0; rest.length > 0; ) {
    try {
      rest = rest.subarray(writeSync(fd, rest))
    } catch (error) {
      tries += 1
      if (!hasCode(error, 'EAGAIN') || tries > EAGAIN_TRIES) throw error
      Atomics.wait(pause, 0, 0, EAGAIN_PAUSE_MS)
    }
  }
}

// pino's JSON becomes gunicorn's line here, after serializers and child bindings have had their
// say.
function formatLine(json: string): string {
  const [, level, time] = /^\{"level":(\d+),"time":(\d+)/.exec(json) ?? []
  const entry = parseEntry(json)
  const name = LEVEL_NAMES.get(Number(level)) ?? 'INFO'
  const stamp = formatStamp(time === undefined ? Date.now() : Number(time))
  let line = `[${stamp}] [${process.pid}] [${name}] ${escapeControls(String(entry.msg ?? ''))}`
  let below = ''
  for (const [key, value] of Object.entries(entry)) {
    if (key === 'msg' || (key === 'level' && String(value) === level)) continue
    if (key === 'time' && String(value) === time) continue
    if (key === 'traceback' && typeof value === 'string') below += indent(value)
    else if (hasStack(value)) below += formatError(value)
    else line += ` ${formatText(key === 'pid' ? 'worker' : key)}=${formatValue(value)}`
  }
  return `${line}\n${below}`
}

function parseEntry(json: string): Record<string, unknown> {
  try {
    return JSON.parse(json, (name, value) =>
      SECRET_NAMES.has(name.toLowerCase()) ? CENSOR : value,
    )
  } catch (error) {
    // Logging must not throw: show what a foreign serializer made.
    return { msg: 'unreadable log entry', reason: reasonOf(error), entry: json.trimEnd() }
  }
}

interface ErrorRecord {
  readonly stack: string
  readonly code?: unknown
  readonly aggregateErrors?: unknown
}

const hasStack = (value: unknown): value is ErrorRecord =>
  typeof value === 'object' && value !== null && 'stack' in value && typeof value.stack === 'string'

function formatError(error: ErrorRecord): string {
  const code = typeof error.code === 'string' && !error.stack.includes(error.code) ? error.code : ''
  const parts = Array.isArray(error.aggregateErrors) ? error.aggregateErrors : []
  const text = code === '' ? error.stack : `${code}: ${error.stack}`
  return indent(text) + parts.filter(hasStack).map(formatError).join('')
}

const indent = (text: string): string =>
  `${text
    .trimEnd()
    .split('\n')
    .map((line) => `  ${escapeControls(line)}\n`)
    .join('')}`

function formatValue(value: unknown): string {
  if (typeof value === 'string') return formatText(value)
  return escapeControls(JSON.stringify(value))
}

function formatText(text: string): string {
  if (/^[^\s"'=\\{}[\]]+$/.test(text) && escapeControls(text) === text) return text
  return `"${escapeControls(text.replace(/["\\]/g, '\\$&'))}"`
}

// C0, DEL and C1, line separators, and what turns the direction of text.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
const CONTROLS = /[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g
const SHORT = new Map([
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
])

const escapeControls = (text: string): string =>
  text.replace(CONTROLS, (character) => {
    const hex = character.charCodeAt(0).toString(16)
    return SHORT.get(character) ?? (hex.length > 2 ? `\\u${hex}` : `\\x${hex.padStart(2, '0')}`)
  })

let stampSecond = Number.NaN
let stampText = ''

function formatStamp(time: number): string {
  const second = Math.floor(time / 1000)
  if (second === stampSecond) return stampText
  const date = new Date(time)
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`
  const clock = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`
  stampSecond = second
  stampText = `${day} ${clock} ${utcOffset(date)}`
  return stampText
}

export const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code

export const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error)
