import { close, constants, fstatSync, openSync, type Stats, statSync, writeSync } from 'node:fs'
import { CannotOpenLog } from '../errors.ts'
import { hasCode, reasonOf } from './text.ts'

/** Where the lines of a log go. */
export interface Target {
  readonly fd: number
  /** Ours to close; standard output and error are not. */
  readonly isOwn: boolean
  /** A write never waits, so it need not be left to another thread. */
  readonly isDirect: boolean
  /** The most bytes of one write: up to here what several processes write stays whole. */
  readonly batch: number
  /** Where it is a regular file: its size once all writes that were begun are done. */
  size: number | undefined
}

// PIPE_BUF. Longer ones stay whole while the pipe has room.
const PIPE_BATCH = 4096
// A Unix stream socket takes a write as a whole; journald reads from one.
const SOCKET_BATCH = 16_384

const { O_APPEND, O_CREAT, O_NOCTTY, O_NONBLOCK, O_RDWR, O_WRONLY } = constants
const STANDARD = new Map([
  ['/dev/stdout', 1],
  ['/dev/stderr', 2],
])

/**
 * Opens a log: a path, which is appended to, or `-` for the standard descriptor that is given.
 * @throws WSGI_CORE_CANNOT_OPEN_LOG
 */
export function openTarget(file: string, standard: number): Target {
  const fd = file === '-' ? standard : STANDARD.get(file)
  return fd === undefined ? describe(openLogFile(file), true) : openStandard(file, fd)
}

/** Opens a log for appending: its owner may write, its group may read. */
export function openLogFile(path: string): number {
  try {
    const mode = isPipe(path) ? O_RDWR : O_WRONLY | O_APPEND | O_CREAT
    return openSync(path, mode | O_NONBLOCK | O_NOCTTY, 0o640)
  } catch (cause) {
    throw new CannotOpenLog(path, reasonOf(cause), { cause })
  }
}

/** Open for reading too, a pipe is never without a reader: what we write waits there while the true one is away. */
const isPipe = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isFIFO() ?? false

/**
 * A pipe or terminal is opened once more, for ourselves: so that our writes do not wait for its reader, while those of
 * the workers, which share the descriptor, do as ever.
 */
function openStandard(file: string, fd: number): Target {
  const stats = statOf(file, fd)
  if (stats.isFIFO() || stats.isCharacterDevice()) {
    try {
      const own = openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY)
      return describe(own, true)
    } catch {
      // no /proc, or it belongs to another user: another thread does the waiting
    }
  }
  return { ...describe(fd, false), isDirect: false }
}

function statOf(file: string, fd: number): Stats {
  try {
    return fstatSync(fd)
  } catch (cause) {
    throw new CannotOpenLog(file, reasonOf(cause), { cause })
  }
}

function describe(fd: number, isOwn: boolean): Target {
  const stats = fstatSync(fd)
  const isDirect = stats.isFIFO() || stats.isCharacterDevice()
  const small = stats.isSocket() ? SOCKET_BATCH : PIPE_BATCH
  const isFile = stats.isFile()
  return {
    fd,
    isOwn,
    isDirect,
    batch: isFile ? Number.POSITIVE_INFINITY : small,
    size: isFile ? stats.size : undefined,
  }
}

export function closeTarget({ fd, isOwn }: Target): void {
  if (isOwn) close(fd, () => {}) // NFS may tell only now of a disk that is full: nobody can do anything about it
}

const PAUSE_MS = 5
const TRIES = 200
const pause = new Int32Array(new SharedArrayBuffer(4))

/** Writes all of it before it returns; where nobody takes it, gives up after a second. */
export function writeWhole(fd: number, bytes: Buffer): void {
  let rest = bytes
  for (let tries = 0; rest.length > 0; ) {
    try {
      rest = rest.subarray(writeSync(fd, rest))
    } catch (error) {
      tries += 1
      if (!hasCode(error, 'EAGAIN') || tries > TRIES) throw error
      Atomics.wait(pause, 0, 0, PAUSE_MS)
    }
  }
}

/** Waits, for a second at most, until the file has what another thread is writing to it. */
export function awaitSize({ fd, size = 0 }: Target): void {
  for (let tries = 0; tries < TRIES && fstatSync(fd).size < size; tries++) {
    Atomics.wait(pause, 0, 0, PAUSE_MS)
  }
}
