import { openSync, writeSync } from 'node:fs'
import { CannotOpenLog } from '../errors.ts'
import { hasCode, reasonOf } from './text.ts'

/** Opens a log for appending: its owner may write, its group may read. */
export function openLogFile(path: string): number {
  try {
    return openSync(path, 'a', 0o640)
  } catch (cause) {
    throw new CannotOpenLog(path, reasonOf(cause), { cause })
  }
}

const EAGAIN_PAUSE_MS = 5
const EAGAIN_TRIES = 200
const pause = new Int32Array(new SharedArrayBuffer(4))

/**
 * Writes all of it before it returns. Another process can make the pipe behind stderr non-blocking
 * for us all: then this waits for the pipe's reader, for a second at most.
 */
export function writeWhole(fd: number, text: string): void {
  let rest = Buffer.from(text)
  for (let tries = 0; rest.length > 0; ) {
    try {
      rest = rest.subarray(writeSync(fd, rest))
    } catch (error) {
      tries += 1
      if (!hasCode(error, 'EAGAIN') || tries > EAGAIN_TRIES) throw error
      Atomics.wait(pause, 0, 0, EAGAIN_PAUSE_MS)
    }
  }
}
