import { closeSync } from 'node:fs'
import { resolve } from 'node:path'
import { isatty } from 'node:tty'
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { Configuration } from '../config/load.ts'
import type { CoreOptions } from '../config/schema.ts'
import type { Finished } from '../hooks.ts'
import type { AccessRequest, AccessResponse } from './access-format.ts'
import { type AccessLog, createAccessLog } from './access-log.ts'
import { createLog, type Log, type LogFormat } from './error-log.ts'
import { openLogFile } from './log-file.ts'
import { Syslog } from './syslog/syslog.ts'
import { wantsColor } from './terminal.ts'

/** What a new configuration makes of the logs: nothing before `commit`. */
export interface LogChange {
  commit(): Promise<void>
  discard(): Promise<void>
}

/** The logs of a server. They outlive generations; a reload goes over to others where the settings say so. */
export class Logs {
  readonly #log: Log
  #settings: Settings
  #accessLog: AccessLog | undefined
  #syslog: Syslog | undefined

  /** Opens the error log; the others come with the first `prepare`. @throws WSGI_CORE_CANNOT_OPEN_LOG */
  constructor(configuration: Configuration) {
    this.#settings = { ...settingsOf(configuration), access: null, syslog: null }
    this.#log = createLog(this.#settings)
  }

  get logger(): Logger {
    return this.#log.logger
  }

  /** One line of the access log; none where there is no such log. */
  write(request: AccessRequest, response: AccessResponse, finished: Finished): void {
    this.#accessLog?.write(request, response, finished)
  }

  /**
   * Opens what a new configuration wants. What throws here has changed nothing.
   * @throws WSGI_CORE_CANNOT_OPEN_LOG, WSGI_CORE_BAD_LOG_FORMAT
   */
  prepare(configuration: Configuration): LogChange {
    const next = settingsOf(configuration)
    const old = { accessLog: this.#accessLog, syslog: this.#syslog, settings: this.#settings }
    if (next.file !== old.settings.file) refuseUnwritable(next.file)
    const isOtherSyslog = !isDeepStrictEqual(next.syslog, old.settings.syslog)
    const isOtherAccess = isOtherSyslog || !isDeepStrictEqual(next.access, old.settings.access)
    const syslog = isOtherSyslog ? this.#createSyslog(next.syslog) : old.syslog
    const accessLog = isOtherAccess ? this.#openAccessLog(next.access, syslog) : old.accessLog
    return {
      commit: async () => {
        this.#settings = next
        this.#log.setLevel(next.level)
        this.#log.setFormat(next.format)
        this.#log.setSyslog(syslog)
        this.#syslog = syslog
        this.#accessLog = accessLog
        this.reopen()
        if (isOtherAccess) await old.accessLog?.close()
        if (isOtherSyslog) await old.syslog?.close()
      },
      discard: async () => {
        if (isOtherAccess) await accessLog?.close()
        if (isOtherSyslog) await syslog?.close()
      },
    }
  }

  /** Opens the files anew, after a rotation. Where that fails, lines go on into the old ones and the log says so. */
  reopen(): void {
    this.#attempt(() => this.#log.reopen(this.#settings.file))
    this.#attempt(() => this.#accessLog?.reopen())
    this.#syslog?.reopen()
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
    await this.#syslog?.close()
    this.#log.setSyslog(undefined)
    await this.#log.close()
  }

  #openAccessLog(settings: Settings['access'], syslog: Syslog | undefined): AccessLog | undefined {
    if (settings === null) return undefined
    const forward = (line: string) => syslog?.write('access', 'info', Date.now(), line)
    return createAccessLog({
      file: settings.file,
      format: settings.format,
      ...(settings.toSyslog && { forward }),
      lost: ({ message }) => this.logger.error(message),
      recovered: (lines) => this.logger.warn({ lines }, 'lines of the access log were lost'),
    })
  }

  #createSyslog(settings: Settings['syslog']): Syslog | undefined {
    if (settings === null) return undefined
    return new Syslog({
      ...settings,
      away: ({ message }) =>
        this.#log.withoutSyslog(() => {
          this.logger.warn({ reason: message }, 'the syslog cannot be reached; messages are kept')
        }),
      lost: ({ message }) => this.#log.withoutSyslog(() => this.logger.error(message)),
      recovered: (lines) => {
        const { address } = settings
        const tell = () => this.logger.warn({ lines, address }, 'lines for the syslog were lost')
        this.#log.withoutSyslog(tell)
      },
    })
  }
}

/** Whether there is an access log of any kind. */
export function hasAccessLog(core: CoreOptions): boolean {
  return core.accessLogfile !== null || goesToSyslog(core)
}

const goesToSyslog = (core: CoreOptions) => core.logSyslog && !core.disableRedirectAccessToSyslog

function refuseUnwritable(file: string): void {
  if (file !== '-') closeSync(openLogFile(file))
}

type Settings = ReturnType<typeof settingsOf>

function settingsOf({ core, cwd }: Configuration) {
  const path = (file: string) => (file === '-' ? file : resolve(cwd, file))
  const accessFile = core.accessLogfile === null ? null : path(core.accessLogfile)
  const access = { file: accessFile, format: core.accessLogformat, toSyslog: goesToSyslog(core) }
  const syslog = {
    address: core.logSyslogTo,
    facility: core.logSyslogFacility,
    name: core.logSyslogPrefix ?? 'wsgi-core',
  }
  return {
    level: core.logLevel,
    file: path(core.errorLogfile),
    format: formatOf(core.logFormat, core.errorLogfile === '-'),
    access: hasAccessLog(core) ? access : null,
    syslog: core.logSyslog ? syslog : null,
  }
}

const STDERR = 2

function formatOf(wanted: 'text' | 'json' | 'auto', isStandard: boolean): LogFormat {
  if (wanted === 'json' || (wanted === 'auto' && !(isStandard && isatty(STDERR)))) return 'json'
  return isStandard && wantsColor(STDERR) ? 'color' : 'text'
}
