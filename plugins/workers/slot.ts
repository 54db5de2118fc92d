/** The layout of a slot: docs/worker-protocol.md, "Slots". */

export const SLOT_SIZE = 4096
export const SLOT_HEADER = 40
/** Room for environ and body within a slot. */
export const SLOT_ROOM = SLOT_SIZE - SLOT_HEADER
/** Size of a block in the `bodies` file. */
export const BLOCK_SIZE = 65_536

export const KIND = { request: 0, stop: 1, wake: 2, mark: 3 } as const
export const BODY = { none: 0, inline: 1, block: 2, file: 3, onDemand: 4 } as const
/** Flag: the environ is in the block. */
export const ENVIRON_IN_BLOCK = 1

/** Milliseconds of CLOCK_MONOTONIC at the zero of `performance.now()`: all processes share that clock. */
const CLOCK_OFFSET = Number(process.hrtime.bigint()) / 1e6 - performance.now()

/** Writes a number of bytes or nanoseconds below 2⁵³ as u64. */
export function writeU64(buffer: Buffer, value: number, offset: number): void {
  const high = Math.floor(value / 0x1_0000_0000)
  buffer.writeUInt32LE(value - high * 0x1_0000_0000, offset)
  buffer.writeUInt32LE(high, offset + 4)
}

/** A time of `performance.now()` in nanoseconds of CLOCK_MONOTONIC. */
export const monotonicNanoseconds = (now: number) => (now + CLOCK_OFFSET) * 1e6

export interface SlotFields {
  readonly kind: number
  readonly flags: number
  readonly body: number
  readonly front: number
  readonly id: number
  readonly environLength: number
  readonly block: number
  /** undefined: not known. */
  readonly bodyLength: number | undefined
  /** `performance.now()` when the head was read. */
  readonly headTime: number
  readonly bodyMicroseconds: number
}

/** Writes the 40-byte header of a slot. Its rest keeps what an earlier slot left there: the lengths bound it. */
export function writeSlotHeader(stage: Buffer, at: number, slot: SlotFields): void {
  stage.writeUInt32LE(
    (slot.kind | (slot.flags << 8) | (slot.body << 16) | (slot.front << 24)) >>> 0,
    at,
  )
  stage.writeUInt32LE(slot.id, at + 4)
  stage.writeUInt32LE(slot.environLength, at + 8)
  stage.writeUInt32LE(slot.block, at + 12)
  if (slot.bodyLength === undefined) stage.fill(0xff, at + 16, at + 24)
  else writeU64(stage, slot.bodyLength, at + 16)
  writeU64(stage, monotonicNanoseconds(slot.headTime), at + 24)
  stage.writeUInt32LE(slot.bodyMicroseconds, at + 32)
  stage.writeUInt32LE(0, at + 36)
}
