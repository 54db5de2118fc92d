import { type FSWatcher, realpathSync, statSync, watch } from 'node:fs'
import { dirname, join } from 'node:path'
import { entriesOf, foldersBelow, type Pattern } from './globs.ts'

/** Between two looks at folders that cannot be watched, in milliseconds. */
const LOOK_EVERY = 1000
/** So far the clock of file times may be behind the other one, in milliseconds; and it has fractions. */
const CLOCK_STEP = 10

export interface WatcherEvents {
  /** A file is new, or is not what it was. */
  changed(path: string): void
  /** A folder cannot be watched; its files are looked at every second. Told once. */
  unwatchable(folder: string, error: Error): void
}

/**
 * Sees files change. It watches their folders, not the files: an editor that saves by renaming puts another file in
 * the place of the one that was watched.
 */
export class Watcher {
  readonly #events: WatcherEvents
  /** Changes from then on count, also those before the file was watched. */
  readonly #since: number
  readonly #files = new Map<string, string>()
  readonly #patterns: Pattern[] = []
  /** undefined: it is not there now, or cannot be watched. */
  readonly #folders = new Map<string, WatchedFolder | undefined>()
  #timer: NodeJS.Timeout | undefined
  #told = false
  #closed = false

  constructor(since: number, events: WatcherEvents) {
    this.#since = since
    this.#events = events
  }

  /** Where the path is a link, what it leads to is watched too. */
  addFile(path: string): void {
    if (this.#closed || this.#files.has(path)) return
    this.#watchFolder(dirname(path))
    this.#meet(path)
    const real = realPathOf(path)
    if (real !== undefined && real !== path) this.addFile(real)
  }

  /** @returns how many files match it now. */
  addPattern(pattern: Pattern): number {
    if (this.#closed) return 0
    this.#patterns.push(pattern)
    return foldersBelow(pattern.base, pattern.depth).reduce(
      (count, folder) => count + this.#enter(folder),
      0,
    )
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#timer)
    for (const watched of this.#folders.values()) watched?.watcher.close()
    this.#folders.clear()
  }

  /** Watches a folder for patterns. @returns how many of its files they match. */
  #enter(folder: string): number {
    this.#watchFolder(folder)
    const found = entriesOf(folder)
      .filter((entry) => !entry.isDirectory())
      .map(({ name }) => join(folder, name))
      .filter((path) => this.#isMatched(path))
    for (const path of found) this.#meet(path)
    return found.length
  }

  #isMatched(path: string): boolean {
    return this.#patterns.some((pattern) => pattern.matches(path))
  }

  /** The first look at a file. */
  #meet(path: string): void {
    if (this.#files.has(path)) return
    const found = stateOf(path)
    this.#files.set(path, found?.state ?? '')
    if (found && this.#isNew(found.time)) this.#events.changed(path)
  }

  /** Neither from before, nor from a clock that is ahead of ours. */
  #isNew(time: number): boolean {
    return time > this.#since - CLOCK_STEP && time < Date.now() + CLOCK_STEP
  }

  #watchFolder(folder: string): void {
    if (this.#folders.get(folder)) return
    try {
      const watcher = watch(folder, { persistent: false }, (_, name) => this.#hear(folder, name))
      watcher.on('error', () => this.#lose(folder))
      this.#folders.set(folder, { watcher, inode: inodeOf(folder) })
    } catch (error) {
      this.#lose(folder)
      const { code } = error as NodeJS.ErrnoException
      if (this.#told || code === 'ENOENT') return
      this.#told = true
      this.#events.unwatchable(folder, error as Error)
    }
  }

  /** A folder that is gone may come back; one that cannot be watched can be looked at. */
  #lose(folder: string): void {
    this.#folders.get(folder)?.watcher.close()
    this.#folders.set(folder, undefined)
    this.#timer ??= setInterval(() => this.#lookAgain(), LOOK_EVERY).unref()
  }

  #lookAgain(): void {
    for (const [folder, watched] of this.#folders) if (!watched) this.#lookAtLost(folder)
  }

  #lookAtLost(folder: string): void {
    this.#watchFolder(folder)
    this.#lookAtAll(folder)
  }

  #lookAtAll(folder: string): void {
    const known = [...this.#files.keys()].filter((path) => dirname(path) === folder)
    const present = entriesOf(folder).map(({ name }) => join(folder, name))
    for (const path of new Set([...known, ...present])) this.#look(path)
  }

  #hear(folder: string, name: string | null): void {
    if (this.#closed) return
    if (name === null) this.#lookAtAll(folder)
    else this.#look(join(folder, name))
    if (inodeOf(folder) === this.#folders.get(folder)?.inode) return
    this.#lose(folder) // what is watched is no longer there
    this.#lookAtLost(folder)
  }

  #look(path: string): void {
    const known = this.#files.get(path)
    if (known === undefined && this.#patterns.length === 0) return
    const found = stateOf(path)
    if (!found || found.state === known) return // gone: perhaps for a moment only
    if (found.isFolder) return this.#discover(path)
    if (known === undefined && !this.#isMatched(path)) return
    this.#files.set(path, found.state)
    this.#events.changed(path)
  }

  /** A new folder in which patterns may match. */
  #discover(path: string): void {
    const inside = this.#patterns.filter(
      ({ base, depth }) => path.startsWith(base) && depthOf(path) - depthOf(base) <= depth,
    )
    if (inside.length === 0) return
    const [parent] = foldersBelow(dirname(path), 1).filter((folder) => folder === path)
    if (parent === undefined) return // one that is left out
    for (const folder of foldersBelow(path, Number.POSITIVE_INFINITY)) this.#enter(folder)
  }
}

interface WatchedFolder {
  readonly watcher: FSWatcher
  readonly inode: number | undefined
}

const inodeOf = (folder: string) => statOf(folder)?.ino

const depthOf = (path: string) => path.split('/').length

function realPathOf(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch {
    return undefined // not there yet
  }
}

function statOf(path: string) {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch {
    return undefined // not for us to look at
  }
}

/** What tells one save from another. */
function stateOf(path: string): { state: string; time: number; isFolder: boolean } | undefined {
  const found = statOf(path)
  if (!found) return undefined
  const { mtimeMs, size, ino } = found
  return { state: `${mtimeMs} ${size} ${ino}`, time: mtimeMs, isFolder: found.isDirectory() }
}
