const POLYNOMIAL = 0x82f63b78

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1
  return value
})

/** CRC-32C (RFC 4960, appendix B), over several pieces. */
export function crc32c(...pieces: readonly Uint8Array[]): number {
  let value = 0xffffffff
  for (const piece of pieces) {
    for (const byte of piece) value = (TABLE[(value ^ byte) & 0xff] as number) ^ (value >>> 8)
  }
  return (value ^ 0xffffffff) >>> 0
}
