import { type Logger, pino, stdSerializers } from 'pino'
import { formatJson } from './json-format.ts'
import { LineSink } from './line-sink.ts'
import { type LogLevel, type LogRecord, parseRecord } from './record.ts'
import { CENSOR, SECRETS } from './redaction.ts'
import type { Syslog } from './syslog/syslog.ts'
import { formatMessage, formatText } from './text-format.ts'

export interface LogOptions {
  readonly level: LogLevel
  /** A path, which is appended to, or `-` for stderr. */
  readonly file: string
  readonly format?: LogFormat
}

/** `color`: text with coloured levels. */
export type LogFormat = 'text' | 'color' | 'json'

/**
 * The server's own log. No call waits for a disk or a reader; to a pipe or a terminal that has room, the line is
 * written before the call returns.
 */
export interface Log {
  readonly logger: Logger
  /** Opens the file anew after a rotation, or another one. If that throws, lines go on into the old one. */
  reopen(file?: string): void
  /** Also for child loggers that have no level of their own. */
  setLevel(level: LogLevel): void
  setFormat(format: LogFormat): void
  /** Where each entry goes as well. */
  setSyslog(syslog: Syslog | undefined): void
  /** What is logged meanwhile does not go to the syslog: it is about that. */
  withoutSyslog(log: () => void): void
  /** For an exit that cannot wait. */
  flushSync(): void
  /** Closes the file; what is logged later goes to stderr. */
  close(): Promise<void>
}

export function createLog({ level, file, format = 'text' }: LogOptions): Log {
  const output = new Output(file, format)
  const options = {
    level: PINO_LEVELS[level],
    base: null,
    redact: { paths: SECRETS.flatMap((name) => [`["${name}"]`, `*["${name}"]`]), censor: CENSOR },
    serializers: { err: stdSerializers.err, error: stdSerializers.err },
  }
  const logger = pino(options, output)
  output.onRecovered = (lines) => {
    logger.warn({ lines }, 'lines of the error log were lost')
  }
  return {
    logger,
    reopen: (next) => output.sink.reopen(next),
    setLevel: (next) => {
      logger.level = PINO_LEVELS[next]
    },
    setFormat: (next) => {
      output.format = next
    },
    setSyslog: (next) => {
      output.syslog = next
    },
    withoutSyslog(log) {
      const { syslog } = output
      output.syslog = undefined
      log()
      output.syslog = syslog
    },
    flushSync: () => output.sink.flushSync(),
    close: () => output.close(),
  }
}

const PINO_LEVELS = {
  debug: 'debug',
  info: 'info',
  warning: 'warn',
  error: 'error',
  critical: 'fatal',
} as const

const FORMATS: Readonly<Record<LogFormat, (record: LogRecord) => string>> = {
  text: (record) => formatText(record),
  color: (record) => formatText(record, true),
  json: formatJson,
}

const PLACE = { standard: 2, delay: 0 } as const

/** What pino writes to. */
class Output {
  readonly sink: LineSink
  format: LogFormat
  syslog: Syslog | undefined
  onRecovered: (lines: number) => void = () => {}
  #stderr: LineSink | undefined
  #isClosed = false

  constructor(file: string, format: LogFormat) {
    this.format = format
    const lost = (error: Error) => this.#rescue(`${error.message}\n`)
    const recovered = (lines: number) => this.onRecovered(lines)
    const rescue = (text: string) => this.#rescue(text)
    this.sink = new LineSink({ file, ...PLACE, lost, recovered, rescue })
  }

  write(json: string): void {
    const record = parseRecord(json)
    const line = FORMATS[this.format](record)
    if (this.#isClosed) this.#rescue(line)
    else this.sink.write(line)
    const { level, time } = record
    // syslog has a head of its own
    const text = this.format === 'json' || !this.syslog ? line : formatMessage(record)
    this.syslog?.write('error', level, time, text)
  }

  /** For `logger.flush()`. */
  flush(done?: () => void): void {
    this.sink.flushSync()
    done?.()
  }

  close(): Promise<void> {
    this.#isClosed = true
    return this.sink.close()
  }

  /** What the log does not take goes to stderr. There is no third place. */
  #rescue(text: string): void {
    this.#stderr ??= new LineSink({ file: '-', ...PLACE, lost() {}, recovered() {} })
    this.#stderr.write(text)
  }
}
