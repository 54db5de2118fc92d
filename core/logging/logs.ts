import { closeSync } from 'node:fs'
import { resolve } from 'node:path'
import { isatty } from 'node:tty'
import type { Logger } from 'pino'
import type { Configuration } from '../config/load.ts'
import type { AccessFormat } from './access-format.ts'
import { type AccessLog, createAccessLog } from './access-log.ts'
import { createLog, type Log, type LogFormat } from './error-log.ts'
import { openLogFile } from './log-file.ts'
import { wantsColor } from './terminal.ts'

/** What a new configuration makes of the logs: nothing before `commit`. */
export interface LogChange {
  commit(): Promise<void>
  discard(): Promise<void>
}

/** The log files of a server. They outlive generations; a reload goes over to others where the settings say so. */
export class Logs {
  readonly #log: Log
  #settings: Settings
  #accessLog: AccessLog | undefined

  /** Opens the error log; the access log comes with the first `prepare`. @throws WSGI_CORE_CANNOT_OPEN_LOG */
  constructor(configuration: Configuration) {
    this.#settings = { ...settingsOf(configuration), accessFile: null }
    this.#log = createLog(this.#settings)
  }

  get logger(): Logger {
    return this.#log.logger
  }

  /** One line of the access log; none where there is no such log. */
  write(...[request, response, finished]: Parameters<AccessFormat>): void {
    this.#accessLog?.write(request, response, finished)
  }

  /**
   * Opens what a new configuration wants. What throws here has changed nothing.
   * @throws WSGI_CORE_CANNOT_OPEN_LOG, WSGI_CORE_BAD_LOG_FORMAT
   */
  prepare(configuration: Configuration): LogChange {
    const next = settingsOf(configuration)
    const { accessFile, accessFormat } = this.#settings
    const isNew = next.accessFile !== accessFile || next.accessFormat !== accessFormat
    if (next.file !== this.#settings.file) refuseUnwritable(next.file)
    const opened = isNew ? this.#openAccessLog(next) : undefined
    return {
      commit: async () => {
        const old = this.#accessLog
        this.#settings = next
        this.#log.setLevel(next.level)
        this.#log.setFormat(next.format)
        if (isNew) this.#accessLog = opened
        this.reopen()
        if (isNew) await old?.close()
      },
      discard: async () => opened?.close(),
    }
  }

  /** Opens the files anew, after a rotation. Where that fails, lines go on into the old ones and the log says so. */
  reopen(): void {
    this.#attempt(() => this.#log.reopen(this.#settings.file))
    this.#attempt(() => this.#accessLog?.reopen())
  }

  #attempt(reopen: () => void): void {
    try {
      reopen()
    } catch (err) {
      this.logger.error({ err }, 'a log cannot be opened anew; its lines go on into the old file')
    }
  }

  flushSync(): void {
    this.#accessLog?.flushSync()
    this.#log.flushSync()
  }

  async close(): Promise<void> {
    await this.#accessLog?.close()
    await this.#log.close()
  }

  #openAccessLog({ accessFile, accessFormat }: Settings): AccessLog | undefined {
    if (accessFile === null) return undefined
    return createAccessLog({
      file: accessFile,
      format: accessFormat,
      lost: ({ message }) => this.logger.error(message),
      recovered: (lines) => {
        this.logger.warn({ lines }, 'the access log is written again; lines are missing')
      },
    })
  }
}

function refuseUnwritable(file: string): void {
  if (file !== '-') closeSync(openLogFile(file))
}

type Settings = ReturnType<typeof settingsOf>

function settingsOf({ core, cwd }: Configuration) {
  const path = (file: string) => (file === '-' ? file : resolve(cwd, file))
  return {
    level: core.logLevel,
    file: path(core.errorLogfile),
    format: formatOf(core.logFormat, core.errorLogfile === '-'),
    accessFile: core.accessLogfile === null ? null : path(core.accessLogfile),
    accessFormat: core.accessLogformat,
  }
}

const STDERR = 2

function formatOf(wanted: 'text' | 'json' | 'auto', isStandard: boolean): LogFormat {
  if (wanted === 'json' || (wanted === 'auto' && !(isStandard && isatty(STDERR)))) return 'json'
  return isStandard && wantsColor(STDERR) ? 'color' : 'text'
}
