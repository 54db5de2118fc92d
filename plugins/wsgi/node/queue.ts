import { constants, openSync } from 'node:fs'
import { Socket } from 'node:net'
import { SLOT_SIZE } from './protocol.ts'

/** The reading end of the queue: one slot at a time, and only while this worker has room for a request. */
export class Queue {
  readonly #socket: Socket
  #paused = true

  /**
   * `take` is called with each slot, valid during the call only; @returns whether it takes another now. Without blocking:
   * the event loop is the application's too.
   */
  constructor(path: string, take: (slot: Buffer) => boolean, ended: () => void) {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const buffer = Buffer.allocUnsafeSlow(SLOT_SIZE)
    const callback = (length: number) => {
      if (length !== SLOT_SIZE) throw new Error(`a slot of ${length} bytes`)
      this.#paused = !take(buffer)
      return !this.#paused
    }
    this.#socket = new Socket({
      fd,
      readable: true,
      writable: false,
      onread: { buffer, callback },
    } as ConstructorParameters<typeof Socket>[0])
    this.#socket.on('end', ended)
    this.#socket.on('error', ended)
  }

  /** Reads again. */
  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#socket.resume()
  }

  close(): void {
    this.#socket.destroy()
  }
}
