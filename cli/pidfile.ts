import {
  closeSync,
  fchmodSync,
  ftruncateSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { resolve } from 'node:path'
import { PidfileFailed, PidfileInUse } from '../core/errors.ts'

/**
 * The file that tells where the server runs. It never holds half a number and never another
 * server's.
 */
export interface Pidfile {
  /** Absolute, so that a later change of folder does not matter. */
  readonly path: string
  /** Removes the file if it still holds this process. */
  unlink(): void
  /** Moves it, as gunicorn does for an upgrade. If the new path is taken, the old file stays. */
  rename(path: string): void
}

/** Writes this process's pid; replaces a stale file; refuses one of another live process. */
export function createPidfile(path: string): Pidfile {
  let current = resolve(path)
  let descriptor: number | undefined = claim(current)
  return {
    get path() {
      return current
    },
    unlink: () => {
      const held = descriptor
      descriptor = undefined // closed once, whatever fails
      release(current, held)
    },
    rename: (next) => {
      const [old, held] = [current, descriptor]
      const target = resolve(next)
      if (target === old) return
      descriptor = claim(target)
      current = target
      release(old, held)
    },
  }
}

/** @returns a descriptor, which serves also a process that may no longer write here. */
function claim(path: string): number {
  refuseFolder(path)
  refuseOther(path)
  const temporary = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}`
  let descriptor: number | undefined
  try {
    descriptor = openSync(temporary, 'wx') // not the published path: by then it may lead elsewhere
    writeFileSync(descriptor, `${process.pid}\n`)
    fchmodSync(descriptor, 0o644) // whatever the umask says: others must find the server
    publish(temporary, path)
    return descriptor
  } catch (cause) {
    if (descriptor !== undefined) closeSync(descriptor)
    if (cause instanceof PidfileInUse) throw cause
    throw new PidfileFailed(path, messageOf(cause), { cause })
  } finally {
    rmSync(temporary, { force: true })
  }
}

// A link fails where a file has appeared meanwhile, so that of two servers that start at once one
// yields.
function publish(temporary: string, path: string): void {
  try {
    linkSync(temporary, path)
  } catch (error) {
    // EEXIST: stale, or just written. Others: a file system without links.
    if (codeOf(error) === 'EEXIST') refuseOther(path)
    renameSync(temporary, path)
  }
}

function refuseFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    throw new PidfileFailed(path, 'it is a folder')
  }
}

function refuseOther(path: string): void {
  const pid = readPid(path)
  if (pid !== null && pid !== process.pid && isAlive(pid)) throw new PidfileInUse(path, pid)
}

function release(path: string, descriptor: number | undefined): void {
  if (descriptor === undefined) return
  try {
    if (readPid(path) === process.pid) unlinkSync(path)
  } catch (cause) {
    // Root made it, and the server is another user now: a file without a number is next best.
    if (NO_RIGHT.has(codeOf(cause))) ftruncateSync(descriptor)
    else if (codeOf(cause) !== 'ENOENT') throw new PidfileFailed(path, messageOf(cause), { cause })
  } finally {
    closeSync(descriptor)
  }
}

const NO_RIGHT = new Set<unknown>(['EACCES', 'EPERM'])

/** Null: no file, or nothing in it that can be a process, which gunicorn takes for stale too. */
export function readPid(path: string): number | null {
  try {
    const text = readFileSync(path, 'latin1').trim()
    return /^[1-9]\d{0,9}$/.test(text) ? Number(text) : null
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return null
    throw new PidfileFailed(path, messageOf(cause), { cause })
  }
}

/** Whether a process with this id runs, ours or another's. */
export function isAlive(pid: number): boolean {
  if (pid > LARGEST_PID) return false
  try {
    process.kill(pid, 0)
    return !isZombie(pid)
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false
    return true // EPERM: it lives, and belongs to somebody else
  }
}

/** Dead, but its parent has not asked how: as process 1 of a container often does not. */
function isZombie(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.startsWith('Z', stat.lastIndexOf(') ') + 2)
  } catch {
    return false // gone in the meantime, or no Linux
  }
}

const LARGEST_PID = 0x7fffffff

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error)
const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined
