import type { Socket } from 'node:net'
import { FRAME, FRAME_HEADER, PACE_SHIFT, TAKEN_REFUSED } from '../../plugins/workers/frames.ts'

export { FRAME, TAKEN_REFUSED }

/** One frame from a worker, and the way it came. */
export interface Frame {
  readonly way: 'answers' | Socket
  readonly type: number
  readonly request: number
  /** Without the bits of the pace. */
  readonly flags: number
  readonly pace: number
  readonly entry: number
  /** All bytes of it, header included. */
  readonly size: number
  readonly payload: Buffer
  readonly status: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
}

/** Cuts what comes over one way into frames. */
export class FrameReader {
  readonly #way: Frame['way']
  #rest: Buffer = Buffer.alloc(0)

  constructor(way: Frame['way']) {
    this.#way = way
  }

  feed(bytes: Buffer): Frame[] {
    this.#rest = Buffer.concat([this.#rest, bytes])
    const frames: Frame[] = []
    while (this.#rest.length >= FRAME_HEADER) {
      const end = FRAME_HEADER + this.#rest.readUInt32LE(0)
      if (this.#rest.length < end) break
      frames.push(this.#frame(this.#rest.subarray(0, end)))
      this.#rest = this.#rest.subarray(end)
    }
    return frames
  }

  #frame(bytes: Buffer): Frame {
    const headLength = bytes.readUInt32LE(12)
    const payload = bytes.subarray(FRAME_HEADER)
    const [status = '', ...fields] = payload.toString('latin1', 0, headLength).split('\0')
    const flags = bytes[9] as number
    return {
      way: this.#way,
      type: bytes[8] as number,
      request: bytes.readUInt32LE(4),
      flags: flags & ((1 << PACE_SHIFT) - 1),
      pace: flags >> PACE_SHIFT,
      entry: bytes.readUInt16LE(10),
      size: bytes.length,
      payload,
      status,
      headers: pairs(fields),
      body: payload.toString('latin1', headLength),
    }
  }
}

function pairs(fields: readonly string[]): [string, string][] {
  const found: [string, string][] = []
  for (let at = 0; at + 1 < fields.length; at += 2) {
    found.push([fields[at] as string, fields[at + 1] as string])
  }
  return found
}
