import { type AccessFormat, compileAccessFormat, DEFAULT_ACCESS_FORMAT } from './access-format.ts'
import { LineSink } from './line-sink.ts'
import type { LossReports } from './losses.ts'

export interface AccessLogOptions extends Partial<LossReports> {
  /** A path, which is appended to, or `-` for stdout; null for none. */
  readonly file: string | null
  readonly format?: string
  /** Takes each line as well. */
  forward?(line: string): void
}

/** Never throws into a request: lines that cannot be written are dropped and reported. */
export interface AccessLog {
  write(...request: Parameters<AccessFormat>): void
  /** Opens the file anew after a rotation. If that throws, lines go on into the old one. */
  reopen(): void
  /** For an exit that cannot wait. */
  flushSync(): void
  /** Writes what is left and closes the file; gives up on a reader that stalls. */
  close(): Promise<void>
}

/** The longest that a line waits to be written together with others. */
const DELAY_MS = 1000

export function createAccessLog(options: AccessLogOptions): AccessLog {
  const format = compileAccessFormat(options.format ?? DEFAULT_ACCESS_FORMAT)
  const sink = options.file === null ? undefined : openSink(options.file, options)
  return {
    write(request, response, finished) {
      const line = format(request, response, finished)
      sink?.write(`${line}\n`)
      options.forward?.(line)
    },
    reopen: () => sink?.reopen(),
    flushSync: () => sink?.flushSync(),
    close: async () => sink?.close(),
  }
}

const openSink = (file: string, options: AccessLogOptions): LineSink =>
  new LineSink({
    file,
    standard: 1,
    delay: DELAY_MS,
    lost: options.lost ?? ((error) => process.emitWarning(error)),
    recovered: options.recovered ?? (() => {}),
  })
