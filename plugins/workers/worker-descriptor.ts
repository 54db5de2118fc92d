import { constants, openSync } from 'node:fs'

/** Opens for reading what a worker has open. @returns undefined where that process's descriptors are not for us. */
export function openDescriptor(pid: number, descriptor: number): number | undefined {
  try {
    return openSync(`/proc/${pid}/fd/${descriptor}`, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch {
    return undefined
  }
}
