import type { Socket } from 'node:net'
import type { Limits } from './limits.ts'

/** How quickly a client takes its answers, from when some of them began to wait. */
export class WriteRate {
  /** Bytes that had left at the beginning of the period. */
  #sent: number
  #time: number

  constructor(socket: Socket, now: number) {
    this.#sent = sentBytes(socket)
    this.#time = now
  }

  /** Whether the client has taken too few over the time that counts. */
  isTooSlow(socket: Socket, now: number, { rateTime, readRate }: Limits): boolean {
    const time = now - this.#time
    if (time < rateTime) return false
    const sent = sentBytes(socket)
    if (sent - this.#sent < (readRate * time) / 1000) return true
    this.#sent = sent
    this.#time = now
    return false
  }
}

interface Queue {
  readonly writeQueueSize?: number
  /** That which TLS writes to. */
  readonly _parent?: Queue
}

interface Internals {
  /** Bytes of all pieces that have been handed to the handle, be they written or not. */
  readonly _bytesDispatched?: number
  readonly _handle: Queue | null
}

/**
 * Bytes that the kernel has taken, give or take a constant. A piece may be large and take long: `writableLength` has all
 * of it until the last of its bytes has left.
 */
function sentBytes(socket: Socket): number {
  const { _bytesDispatched: dispatched, _handle: handle } = socket as unknown as Internals
  const queued = (handle?._parent ?? handle)?.writeQueueSize
  if (dispatched === undefined || queued === undefined) {
    return socket.bytesWritten - socket.writableLength
  }
  return dispatched - queued
}
