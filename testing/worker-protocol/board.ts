/** A scoreboard entry: docs/worker-protocol.md, "Scoreboard". */
export const readBoard = (bytes: Buffer) => ({
  pid: Number(bytes.readBigUInt64LE(0)),
  state: Number(bytes.readBigUInt64LE(8)),
  /** Id of the request that is executed, 0 for none. */
  request: Number(bytes.readBigUInt64LE(16) & 0xffff_ffffn),
  busy: bytes.readBigUInt64LE(16) >> 63n === 1n,
  /** Nanoseconds of CLOCK_MONOTONIC. */
  began: bytes.readBigUInt64LE(24),
  served: Number(bytes.readBigUInt64LE(32)),
})
