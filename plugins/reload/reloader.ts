import type { FastifyReply } from 'fastify'
import { type Core, errors } from '../../core/index.ts'
import { parseGlob, pythonBelow } from './globs.ts'
import { tracebackPage } from './page.ts'
import { Watcher } from './watcher.ts'

const name = 'reload'
/** An editor that saves all, or formats what it saves, writes several times; in milliseconds. */
const QUIET = 50
/** How often a file may change while the application is loaded before that counts as the application's doing. */
const MOST_RESTLESS = 3

/** What generations of one server hand on to each other. */
interface Kept {
  readonly current: Reloader
  /** Files that changed while the application was loaded, in how many generations on end. */
  readonly restless: ReadonlyMap<string, number>
}

/** Watches the files of a generation, and has the server reload when one changes. */
export class Reloader {
  readonly #core: Core
  readonly #log: ReturnType<Core['logger']>
  readonly #watcher: Watcher
  readonly #changed = new Set<string>()
  #timer: NodeJS.Timeout | undefined
  #phase: 'starting' | 'serving' | 'reloading' = 'starting'
  #page: string | undefined
  #failure: Error | undefined

  constructor(core: Core, extraFiles: readonly string[]) {
    this.#core = core
    const log = core.logger(name)
    this.#log = log
    this.#watcher = new Watcher(Date.now(), {
      changed: (path) => this.#onChange(path),
      unwatchable: (folder, err) =>
        log.warn({ err, folder }, 'cannot be watched; its files are looked at every second'),
    })
    core.defer(name, () => this.close())
    core.hooks.prepare.tap(name, () => this.#watchSettings(extraFiles))
    core.hooks.handle.tap(name, (_, reply) => this.#answer(reply))
    core.hooks.afterListen.tap(name, () => this.#takeOver())
    core.hooks.beforeRetire.tap(name, () => this.#admit())
  }

  /** Files that the application consists of. */
  watch(files: readonly string[]): void {
    for (const file of files) this.#watcher.addFile(file)
  }

  /** The application cannot be loaded: its traceback is shown in its place, until a file below these folders changes. */
  show(error: Error, folders: readonly string[]): void {
    const { traceback = '' } = error as { traceback?: string }
    this.#log.error({ ...(traceback && { traceback }) }, error.message)
    this.#failure = error
    this.#page = tracebackPage('The application cannot be loaded', traceback, error.message)
    for (const folder of folders) this.#watcher.addPattern(pythonBelow(folder))
  }

  /** For a request that the application failed to answer. */
  errorPage(traceback: string): string {
    return tracebackPage('The request failed', traceback)
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#watcher.close()
  }

  #watchSettings(extraFiles: readonly string[]): void {
    const { files, cwd, generation } = this.#core
    if (generation === 1) {
      this.#log.warn('watching files, and showing tracebacks to every client: for development only')
    }
    this.watch(files)
    for (const text of extraFiles) {
      const count = this.#watcher.addPattern(parseGlob(text, cwd))
      if (count === 0) this.#log.warn(`--reload-extra-file '${text}' names no file yet`)
    }
  }

  #answer(reply: FastifyReply): true | undefined {
    if (this.#page === undefined) return undefined
    reply.code(500).header('cache-control', 'no-store').type('text/html; charset=utf-8')
    reply.send(this.#page)
    return true
  }

  /** From here on this generation watches alone. */
  #takeOver(): void {
    const { kept } = this.#core
    const before = kept.get(name) as Kept | undefined
    before?.current.close()
    const counts = [...this.#changed].map((path) => [path, (before?.restless.get(path) ?? 0) + 1])
    const restless = new Map(counts as [string, number][])
    kept.set(name, { current: this, restless } satisfies Kept)
    this.#phase = 'serving'
    for (const [path, count] of restless) {
      if (count < MOST_RESTLESS) continue
      this.#changed.delete(path)
      this.#log.warn(`${path} changes whenever the application is loaded; not reloading for that`)
    }
    if (this.#changed.size > 0) this.#schedule()
  }

  /** `--check-config` listens nowhere, and is to fail with the application. */
  #admit(): void {
    if (this.#phase === 'starting' && this.#failure) throw this.#failure
  }

  #onChange(path: string): void {
    this.#changed.add(path)
    if (this.#phase === 'serving') this.#schedule()
  }

  #schedule(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#reload(), QUIET)
  }

  async #reload(): Promise<void> {
    const [first, ...others] = this.#changed
    const more = others.length > 0 ? ` and ${others.length} more` : ''
    this.#changed.clear()
    this.#phase = 'reloading'
    this.#log.info(`Reloading: ${first}${more} changed`)
    try {
      await this.#core.reload()
      if (!(this.#core.kept.get(name) as Kept).current.#failure) this.#log.info('Reloaded')
    } catch (err) {
      if (err instanceof errors.Stopped || err instanceof errors.BadState) return
      this.#log.error({ err }, 'the reload failed; the server goes on as it was')
      this.#phase = 'serving'
      if (this.#changed.size > 0) this.#schedule()
    }
  }
}
