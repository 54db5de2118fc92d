import { type AccessEntry, compileAccessFormat, DEFAULT_ACCESS_FORMAT } from './access-format.ts'
import { LineSink } from './line-sink.ts'

export interface AccessLogOptions {
  /** A path, which is appended to, or `-` for stdout. */
  readonly file: string
  readonly format?: string
  /** Called when lines get lost (full disk, slow or closed pipe), at most once a minute. */
  readonly onError?: (error: Error) => void
}

/** Never throws into a request: lines that cannot be written are dropped and reported. */
export interface AccessLog {
  write(entry: AccessEntry): void
  /** Opens the file anew after a rotation. If that throws, lines go on into the old one. */
  reopen(): void
  /** For an exit that cannot wait. */
  flushSync(): void
  /** Writes what is left and closes the file; gives up on a reader that stalls. */
  close(): Promise<void>
}

export function createAccessLog(options: AccessLogOptions): AccessLog {
  const format = compileAccessFormat(options.format ?? DEFAULT_ACCESS_FORMAT)
  const sink = new LineSink(
    options.file,
    options.onError ?? ((error) => process.emitWarning(error)),
  )
  return {
    write: (entry) => sink.write(`${format(entry)}\n`),
    reopen: () => sink.reopen(),
    flushSync: () => sink.flushSync(),
    close: () => sink.close(),
  }
}
