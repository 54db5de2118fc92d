/** The layout of frames: docs/worker-protocol.md, "Frames". */

export const FRAME_HEADER = 16

export const FRAME = {
  response: 1,
  head: 2,
  data: 3,
  end: 4,
  abort: 5,
  information: 6,
  file: 7,
  pull: 8,
  mark: 9,
  hello: 10,
  memory: 11,
  stored: 12,
  pipe: 13,
  splice: 14,
  spliced: 15,
  body: 16,
  taken: 17,
  freed: 18,
} as const

/** Flag of a response: the app failed before its head. */
export const FAILED = 1
/** From this bit on the flags of the frame that ends an answer say how long the app took. */
export const PACE_SHIFT = 2
export const BODY_LAST = 1
export const BODY_GONE = 2
export const TAKEN_REFUSED = 1
/** Flag of SPLICED: the worker waits for FREED. */
export const ASKS_FREED = 1

/** A frame from the front to a worker. */
export function encodeFrame(type: number, id: number, flags: number, payload?: Buffer): Buffer {
  const length = payload?.length ?? 0
  const frame = Buffer.allocUnsafe(FRAME_HEADER + length)
  frame.writeUInt32LE(length, 0)
  frame.writeUInt32LE(id, 4)
  frame[8] = type
  frame[9] = flags
  frame.fill(0, 10, FRAME_HEADER)
  payload?.copy(frame, FRAME_HEADER)
  return frame
}
