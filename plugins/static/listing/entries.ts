import type { Dirent } from 'node:fs'
import { opendir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Location } from '../locations.ts'
import { closeDescriptor, openFile } from '../open-file.ts'
import { isHidden, isSafeSegment } from '../target.ts'

/** What a listing shows of a file or a folder. */
export interface Entry {
  readonly name: string
  readonly kind: 'directory' | 'file'
  readonly size: number
  readonly modified: Date
}

/** A page with more is of no use, and makes work. */
const MOST_ENTRIES = 10_000
/** Files that are looked at, at the same time. */
const AT_ONCE = 16

/** What of a folder may be served: nothing hidden, nothing special, no link that must not be followed. */
export async function readEntries(
  folder: string,
  location: Location,
  segments: readonly string[],
): Promise<{ entries: Entry[]; isCut: boolean }> {
  const found: Dirent[] = []
  let isCut = false
  for await (const entry of await opendir(folder)) {
    const { name } = entry
    if (!isSafeSegment(name) || (!location.options.dotfiles && isHidden(name))) continue
    if (!entry.isFile() && !entry.isDirectory() && !entry.isSymbolicLink()) continue
    if (found.length === MOST_ENTRIES) {
      isCut = true
      break
    }
    found.push(entry)
  }
  const entries: Entry[] = []
  const look = async () => {
    for (let entry = found.pop(); entry; entry = found.pop()) {
      const seen = await describe(entry, folder, location, segments)
      if (seen) entries.push(seen)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, look))
  return { entries, isCut }
}

async function describe(
  entry: Dirent,
  folder: string,
  location: Location,
  segments: readonly string[],
): Promise<Entry | undefined> {
  const { name } = entry
  if (entry.isSymbolicLink() && !(await isServed(location, [...segments, name]))) return undefined
  const stats = await stat(join(folder, name)).catch(() => undefined) // gone meanwhile
  if (stats === undefined || !(stats.isFile() || stats.isDirectory())) return undefined
  const kind = stats.isFile() ? 'file' : 'directory'
  return { name, kind, size: stats.size, modified: stats.mtime }
}

async function isServed(location: Location, segments: readonly string[]): Promise<boolean> {
  const opened = await openFile(location, segments)
  if (opened.kind === 'file') await closeDescriptor(opened.fd)
  return opened.kind !== 'none'
}
