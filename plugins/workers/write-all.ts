import { writeSync } from 'node:fs'

/** Writes all of it at `position`: one write alone stops, without an error, where the disk is full. */
export function writeAll(descriptor: number, bytes: Buffer, position: number): void {
  for (let at = 0; at < bytes.length; ) {
    at += writeSync(descriptor, bytes, at, bytes.length - at, position + at)
  }
}
