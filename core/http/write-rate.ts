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

/** Bytes that the kernel has taken. */
function sentBytes(socket: Socket): number {
  const handle = (socket as unknown as { _handle: { writeQueueSize?: number } | null })._handle
  return socket.bytesWritten - Math.max(socket.writableLength, handle?.writeQueueSize ?? 0)
}
