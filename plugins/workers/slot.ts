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
function setU64(view: DataView, value: number, offset: number): void {
  const high = Math.floor(value / 0x1_0000_0000)
  view.setUint32(offset, value - high * 0x1_0000_0000, true)
  view.setUint32(offset + 4, high, true)
}

/** A length that is not known. */
const UNKNOWN = 0xffff_ffff_ffff_ffffn

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
export function writeSlotHeader(stage: DataView, at: number, slot: SlotFields): void {
  const { kind, flags, body, front, bodyLength } = slot
  stage.setUint32(at, kind | (flags << 8) | (body << 16) | (front << 24), true)
  stage.setUint32(at + 4, slot.id, true)
  stage.setUint32(at + 8, slot.environLength, true)
  stage.setUint32(at + 12, slot.block, true)
  if (bodyLength === undefined) stage.setBigUint64(at + 16, UNKNOWN, true)
  else setU64(stage, bodyLength, at + 16)
  setU64(stage, monotonicNanoseconds(slot.headTime), at + 24)
  stage.setUint32(at + 32, slot.bodyMicroseconds, true)
  stage.setUint32(at + 36, 0, true)
}
