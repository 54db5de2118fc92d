/** What a header says besides addresses: a type and its value. */
export interface Tlv {
  readonly type: number
  readonly value: Buffer
}

export const ALPN = 0x01
export const AUTHORITY = 0x02
export const CRC32C = 0x03
export const UNIQUE_ID = 0x05
export const SSL = 0x20

/** @returns undefined where one does not end within the bytes. */
export function readTlvs(bytes: Buffer): Tlv[] | undefined {
  const tlvs: Tlv[] = []
  let at = 0
  while (at < bytes.length) {
    if (at + 3 > bytes.length) return undefined
    const start = at + 3
    const end = start + bytes.readUInt16BE(at + 1)
    if (end > bytes.length) return undefined
    tlvs.push({ type: bytes[at] as number, value: bytes.subarray(start, end) })
    at = end
  }
  return tlvs
}
