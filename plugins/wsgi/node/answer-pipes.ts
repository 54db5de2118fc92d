import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'

/** Milliseconds between two looks for a front that is not ready yet. */
const FRONT_POLL = 20
/** A front that lives says nothing in this time on a connection that says nothing. */
const PROBE_MS = 1000

/** The pipes for small answers, one for each front. */
export class AnswerPipes {
  readonly #directory: string
  readonly #pipes = new Map<number, number>()

  constructor(directory: string) {
    this.#directory = directory
  }

  /** Opens a front's pipe once that reads. @returns false where the front is gone. */
  async open(front: number): Promise<boolean> {
    const path = join(this.#directory, `answers-${front}`)
    for (;;) {
      try {
        const probe = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK) // somebody reads
        this.#pipes.set(front, openSync(path, constants.O_WRONLY)) // waits where the pipe is full
        closeSync(probe)
        return true
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error
      }
      if (await isDead(this.#directory, front)) return false
      await new Promise((resolve) => setTimeout(resolve, FRONT_POLL))
    }
  }

  /** A front that came later gets its own with the first answer to it. */
  write(front: number, frame: Uint8Array, length = frame.length): void {
    let pipe = this.#pipes.get(front)
    if (pipe === undefined) {
      pipe = openSync(join(this.#directory, `answers-${front}`), constants.O_WRONLY)
      this.#pipes.set(front, pipe)
    }
    writeSync(pipe, frame, 0, length)
  }
}

export const frontSocket = (directory: string, front: number) =>
  join(directory, `front-${front}.sock`)

/**
 * Whether nobody listens at a front's socket. One that is about to be gone may still take a connection, but ends it.
 * A dead one leaves its socket's file: who removes that has removed more, and the front may live.
 */
export function isDead(directory: string, front: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(frontSocket(directory, front))
    const settle = (dead: boolean) => {
      clearTimeout(timer)
      probe.destroy()
      resolve(dead)
    }
    const timer = setTimeout(settle, PROBE_MS, false)
    probe.on('error', ({ code }: NodeJS.ErrnoException) => settle(code !== 'ENOENT'))
    probe.on('end', () => settle(true))
    probe.resume()
  })
}
