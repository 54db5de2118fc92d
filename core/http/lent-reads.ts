import type { Socket } from 'node:net'
import { connectionOf } from './connection-of.ts'

/**
 * The option `onread` of sockets that all read into one buffer: an engine's connection gets what has come without a
 * copy. What is of no engine, or no longer, goes into the socket's stream.
 */
export function lentReads(length: number) {
  return {
    buffer: Buffer.allocUnsafeSlow(length),
    callback(this: Socket, size: number, buffer: Buffer): boolean {
      const connection = connectionOf(this)
      if (connection === undefined || connection.isRaw) {
        return this.push(Buffer.from(buffer.subarray(0, size)))
      }
      connection.receive(buffer, 0, size)
      return true
    },
  }
}
