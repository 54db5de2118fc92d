import { close, constants, fstat, open, readlink, realpath, type Stats, stat } from 'node:fs'
import { promisify } from 'node:util'
import type { Location } from './locations.ts'
import { areLinksOwnedBy } from './symlinks.ts'

const openDescriptor = promisify(open)
const statDescriptor = promisify(fstat)
export const closeDescriptor = promisify(close)
const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW } = constants

/** What stands at a path. */
export type Opened =
  | { readonly kind: 'file'; readonly fd: number; readonly stats: Stats; readonly path: string }
  | { readonly kind: 'folder'; readonly path: string }
  | { readonly kind: 'none'; readonly status: 403 | 404 }

const MISSING: Opened = { kind: 'none', status: 404 }
const FORBIDDEN: Opened = { kind: 'none', status: 403 }

/**
 * Opens a file of a location first and checks what was opened then, so that nothing can be put in its place in between.
 * Never waits for a FIFO or a device. `suffix` is for a file beside the one that is named.
 */
export async function openFile(
  location: Location,
  segments: readonly string[],
  suffix = '',
): Promise<Opened> {
  const path = [location.folder.path, ...segments].join('/') + suffix || '/'
  let fd: number
  try {
    fd = await openDescriptor(path, O_RDONLY | O_NONBLOCK | finalFlag(location))
  } catch (error) {
    return absence(error as NodeJS.ErrnoException)
  }
  try {
    const opened = await check(location, fd, path)
    if (opened.kind !== 'file') await closeDescriptor(fd)
    return opened
  } catch (error) {
    await closeDescriptor(fd)
    return absence(error as NodeJS.ErrnoException)
  }
}

/** Another process may have changed the last name to a link just now. */
const finalFlag = ({ options }: Location) => (options.followSymlinks === 'never' ? O_NOFOLLOW : 0)

async function check(location: Location, fd: number, path: string): Promise<Opened> {
  const stats = await statDescriptor(fd)
  if (!stats.isFile() && !stats.isDirectory()) return MISSING // no FIFO, no socket, no device
  if (!(await isAllowed(location, fd, stats, path))) return FORBIDDEN
  return stats.isFile() ? { kind: 'file', fd, stats, path } : { kind: 'folder', path }
}

async function isAllowed(
  { folder, options: { followSymlinks } }: Location,
  fd: number,
  stats: Stats,
  path: string,
): Promise<boolean> {
  if (followSymlinks === 'always') return true
  const base = await folder.real()
  const real = await realPathOf(fd, stats, path)
  const expected = base + path.slice(folder.path.length)
  if (real === (expected || '/')) return true
  if (followSymlinks === 'inside') return real.startsWith(`${base}/`)
  return followSymlinks === 'owner' && areLinksOwnedBy(stats.uid, folder.path, path)
}

const readLink = promisify(readlink)
const realPath = promisify(realpath)
const statPath = promisify(stat)

/** Where a descriptor's file is: by the kernel's own word, or else by a path that still leads to the same file. */
async function realPathOf(fd: number, { dev, ino }: Stats, path: string): Promise<string> {
  if (process.platform === 'linux') return readLink(`/proc/self/fd/${fd}`)
  const real = await realPath(path)
  const found = await statPath(real)
  return found.dev === dev && found.ino === ino ? real : ''
}

/** @throws what is no matter of the path, as too few descriptors. */
function absence(error: NodeJS.ErrnoException): Opened {
  switch (error.code) {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'ENAMETOOLONG':
    case 'ELOOP':
    case 'ENXIO':
      return MISSING
    case 'EACCES':
    case 'EPERM':
      return FORBIDDEN
    case 'EMFILE':
    case 'ENFILE':
      throw Object.assign(error, { statusCode: 503 })
    default:
      throw error
  }
}
