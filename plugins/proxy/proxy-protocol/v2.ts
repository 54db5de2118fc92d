import { canonicalAddress, formatV6 } from '../../../core/index.ts'
import { crc32c } from './crc32c.ts'
import { type ProxyHeader, type ReadHeader, refuse } from './header.ts'
import { CRC32C, readTlvs, type Tlv } from './tlv.ts'

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const HEAD = 16
/** Address block and TLVs; proxies send some hundred bytes. */
const LONGEST = 4096
const LOCAL = 0x20
const PROXY = 0x21

/** The binary header (§2.2). */
export function readV2(bytes: Buffer): ReadHeader {
  const begun = Math.min(bytes.length, SIGNATURE.length)
  if (bytes.compare(SIGNATURE, 0, begun, 0, begun) !== 0) return refuse('missing')
  if (bytes.length < SIGNATURE.length) return bytes.length + 1
  if (bytes.length < HEAD) return HEAD
  const command = bytes[12]
  if (command !== LOCAL && command !== PROXY) return refuse('unknown version or command')
  const size = bytes.readUInt16BE(14)
  if (size > LONGEST) return refuse('too long')
  const length = HEAD + size
  if (bytes.length < length) return length
  const block = bytes.subarray(HEAD, length)
  const addresses = readAddresses(bytes[13] as number, block, length)
  if ('refused' in addresses) return addresses
  const tlvs = readTlvs(block.subarray(addresses.size))
  if (!tlvs || !isIntact(bytes, length, tlvs)) return refuse('malformed')
  if (command === LOCAL) return { length, protocol: 'LOCAL', tlvs: [] }
  return { ...addresses.header, tlvs }
}

type Addresses = { readonly size: number; readonly header: Omit<ProxyHeader, 'tlvs'> }

/** Family and transport in one byte; datagrams bring no HTTP. */
function readAddresses(kind: number, block: Buffer, length: number) {
  const size = SIZES.get(kind)
  if (size === undefined) return refuse('unknown address family')
  if (block.length < size) return refuse('address block too short')
  return { size, header: parseAddresses(kind, block, length) } satisfies Addresses
}

const SIZES: ReadonlyMap<number, number> = new Map([
  [0x00, 0],
  [0x11, 12],
  [0x21, 36],
  [0x31, 216],
])

function parseAddresses(kind: number, block: Buffer, length: number): Addresses['header'] {
  if (kind === 0x00) return { length, protocol: 'UNKNOWN' }
  if (kind === 0x31) return { length, protocol: 'UNIX' }
  const width = kind === 0x11 ? 4 : 16
  const text = (at: number) => {
    const address = block.subarray(at, at + width)
    if (width === 4) return `${address[0]}.${address[1]}.${address[2]}.${address[3]}`
    return canonicalAddress(formatV6(address)) as string
  }
  const end = (index: number) => ({
    address: text(index * width),
    port: block.readUInt16BE(2 * width + 2 * index),
  })
  const protocol = width === 4 ? 'TCP4' : 'TCP6'
  return { length, protocol, source: end(0), destination: end(1) }
}

/** Where a checksum is sent it must be right (§2.2.3); it was made with zeros in its own place. */
function isIntact(bytes: Buffer, length: number, tlvs: readonly Tlv[]): boolean {
  const sums = tlvs.filter(({ type }) => type === CRC32C)
  const [sum] = sums
  if (sum === undefined) return true
  if (sums.length > 1 || sum.value.length !== 4) return false
  const at = sum.value.byteOffset - bytes.byteOffset
  const zeros = new Uint8Array(4)
  const found = crc32c(bytes.subarray(0, at), zeros, bytes.subarray(at + 4, length))
  return found === sum.value.readUInt32BE(0)
}
