import { once } from 'node:events'
import { linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { LONGEST_PATH } from './address.ts'
import { AddressInUse, CannotListen } from './errors.ts'

/** A Unix socket on its way to its path. */
export interface SocketClaim {
  /** Where to bind. The system's library removes this name, not the final one, when it closes the socket. */
  readonly place: string
  /** Puts the bound socket at its path in one step: whoever connects finds the old one or the new one. */
  publish(): void
}

/**
 * Makes ready for a Unix socket at `path`. A socket file that nobody answers at is what a crashed server left, and is
 * replaced, as gunicorn does.
 * @throws WSGI_CORE_ADDRESS_IN_USE, WSGI_CORE_CANNOT_LISTEN
 */
export async function claimSocket(path: string): Promise<SocketClaim> {
  const { randomBytes } = await import('node:crypto') // only here: it takes a while to load
  const isStale = await holdsStaleSocket(path)
  const place = join(dirname(path), `.${process.pid}-${randomBytes(4).toString('hex')}`)
  if (Buffer.byteLength(place) > LONGEST_PATH) {
    if (isStale) unlinkSync(path)
    return { place: path, publish() {} }
  }
  const publish = () => (isStale ? renameSync(place, path) : link(place, path))
  return { place, publish }
}

/** Unlike a rename it fails where a file has appeared meanwhile: of two servers that start at once one yields. */
function link(place: string, path: string): void {
  try {
    linkSync(place, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw new AddressInUse(`unix:${path}`)
    return renameSync(place, path) // a file system without links
  } finally {
    removeName(place)
  }
}

async function holdsStaleSocket(path: string): Promise<boolean> {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (!stat) return false
  if (!stat.isSocket()) throw new CannotListen(`unix:${path}`, 'the file exists and is no socket')
  if (await answers(path)) throw new AddressInUse(`unix:${path}`)
  return true
}

async function answers(path: string): Promise<boolean> {
  const socket = connect(path)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false // refused: no process listens
  } finally {
    socket.destroy()
  }
}

/** Which file is at the path now; undefined: none. */
export const fileAt = (path: string): number | undefined =>
  lstatSync(path, { throwIfNoEntry: false })?.ino

/** Removes the socket's file where it is still that one. */
export function removeSocket(path: string, file: number | undefined): void {
  if (file !== undefined && fileAt(path) === file) removeName(path)
}

function removeName(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    // gone already; or its folder was root's, and the server is another user now: it stays, as a stale one
    const { code = '' } = error as NodeJS.ErrnoException
    if (!['ENOENT', 'EACCES', 'EPERM'].includes(code)) throw error
  }
}
