import { lutimes, mkdtempSync, readdir, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { NoRuntimeDirectory } from './errors.ts'
import { markOwner, PREFIX, removeLeftovers } from './leftovers.ts'

/** The path of a Unix socket in the folder must fit into `sun_path`, 108 bytes with its end. */
const LONGEST = 70

/** Milliseconds; what cleans folders for temporary files takes what is some days old. */
const REFRESH_EVERY = 3_600_000

/** Where this process has looked for what crashed servers left. */
const cleaned = new Set<string>()

export interface Folder {
  readonly path: string
  file(name: string): string
}

/** The same folder in another process than that which has made it. */
export const folderAt = (path: string): Folder => ({ path, file: (name) => join(path, name) })

/**
 * A private folder: 0700, a name of its own. For a pool in the folder for temporary files or, where that is deep,
 * /tmp. The first in a place removes those of servers that are gone.
 */
export class RuntimeDirectory implements Folder {
  readonly path: string
  readonly #timer = setInterval(() => this.refresh(), REFRESH_EVERY).unref()

  constructor(parent = defaultParent()) {
    try {
      if (!cleaned.has(parent)) removeLeftovers(parent)
      cleaned.add(parent)
      this.path = mkdtempSync(join(resolve(parent), PREFIX)) // mkdtemp makes it 0700
    } catch (error) {
      clearInterval(this.#timer)
      throw noFolder(parent, error)
    }
    this.fill(() => markOwner(this.path))
  }

  /** Makes what belongs into it; where the disk is full, for example, nothing of it stays. */
  fill<Made>(make: () => Made): Made {
    try {
      return make()
    } catch (error) {
      this.remove()
      throw noFolder(dirname(this.path), error)
    }
  }

  file(name: string): string {
    return join(this.path, name)
  }

  /** All of it is in use, however long it lies there. */
  refresh(): void {
    const now = new Date()
    readdir(this.path, (_, names = []) => {
      for (const name of ['', ...names]) lutimes(this.file(name), now, now, () => {})
    })
  }

  remove(): void {
    clearInterval(this.#timer)
    rmSync(this.path, { recursive: true, force: true })
  }
}

const noFolder = (parent: string, error: unknown) =>
  new NoRuntimeDirectory(parent, (error as Error).message)

const defaultParent = () => (Buffer.byteLength(tmpdir()) <= LONGEST ? tmpdir() : '/tmp')
