import { closeSync } from 'node:fs'
import { type Logger, pino, stdSerializers } from 'pino'
import { LogLinesLost } from '../errors.ts'
import { openLogFile, writeWhole } from './log-file.ts'
import { CENSOR, SECRETS } from './redaction.ts'
import { reasonOf } from './text.ts'
import { formatLine } from './text-format.ts'

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

const STDERR = 2
const PINO_LEVELS = {
  debug: 'debug',
  info: 'info',
  warning: 'warn',
  error: 'error',
  critical: 'fatal',
} as const
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
