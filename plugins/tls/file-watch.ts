import { createHash } from 'node:crypto'
import { type FSWatcher, readFileSync, realpathSync, watch } from 'node:fs'
import { basename, dirname } from 'node:path'

/** From a change until it is looked at: certificate and key are seldom written at once. In milliseconds. */
const DEBOUNCE = 500
/** For folders that cannot be watched, such as those of other machines. */
const LOOK_EVERY = 30_000

/** Says that the content of files has changed. It watches their folders, as files are replaced by renaming. */
export class FileWatch {
  readonly #files: readonly string[]
  readonly #changed: () => void
  readonly #watchers = new Map<string, FSWatcher>()
  readonly #timer: NodeJS.Timeout
  #names: ReadonlySet<string> = new Set()
  #pending: NodeJS.Timeout | undefined
  #seen: string

  /** @param seen the fingerprint of what is known: a change since then counts, too. */
  constructor(files: readonly string[], seen: string, changed: () => void) {
    this.#files = files
    this.#changed = changed
    this.#seen = seen
    this.#watchFolders()
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY).unref()
    this.#hear()
  }

  close(): void {
    clearInterval(this.#timer)
    clearTimeout(this.#pending)
    for (const watcher of this.#watchers.values()) watcher.close()
  }

  /** Those of links and of what they lead to. */
  #watchFolders(): void {
    const places = this.#files.flatMap((file) => [file, realPathOf(file)])
    this.#names = new Set(places.map((place) => basename(place)))
    for (const folder of new Set(places.map((place) => dirname(place)))) {
      if (!this.#watchers.has(folder)) this.#watch(folder)
    }
  }

  #watch(folder: string): void {
    const lose = () => {
      this.#watchers.get(folder)?.close()
      this.#watchers.delete(folder)
    }
    try {
      const watcher = watch(folder, { persistent: false }, (event, name) => {
        // what is renamed may be a link on the way to a file
        if (event === 'rename' || name === null || this.#names.has(name)) this.#hear()
      })
      watcher.on('error', lose)
      this.#watchers.set(folder, watcher)
    } catch {
      lose() // it is looked at from time to time
    }
  }

  #hear(): void {
    clearTimeout(this.#pending)
    this.#pending = setTimeout(() => this.#look(), DEBOUNCE).unref()
  }

  #look(): void {
    const now = fingerprint(this.#files)
    if (now === this.#seen) return
    this.#seen = now
    this.#watchFolders()
    this.#changed()
  }
}

/** Of what these files hold now. */
export function fingerprint(files: readonly string[]): string {
  const hash = createHash('sha256')
  for (const file of files) hash.update(contentOf(file)).update('\0')
  return hash.digest('hex')
}

function contentOf(file: string): Buffer | string {
  try {
    return readFileSync(file)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? '' // gone for a moment, perhaps
  }
}

function realPathOf(file: string): string {
  try {
    return realpathSync(file)
  } catch {
    return file // not there now
  }
}
