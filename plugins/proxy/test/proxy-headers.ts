// Headers of the PROXY protocol, as proxies send them.
import { crc32c } from '../proxy-protocol/crc32c.ts'

export const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')

export interface V2 {
  readonly command?: number
  readonly family?: number
  /** Source and destination, as numbers. */
  readonly addresses?: Uint8Array
  readonly tlvs?: readonly Buffer[]
}

export const TCP4 = block([203, 0, 113, 9], [192, 0, 2, 80], 50_123, 443)
const V6 = [0x20, 0x01, 0x0d, 0xb8, ...Array.from({ length: 11 }, () => 0)]
export const TCP6 = block([...V6, 7], [...V6, 8], 50_123, 443)

export function block(from: number[], to: number[], fromPort: number, toPort: number): Buffer {
  const ports = Buffer.alloc(4)
  ports.writeUInt16BE(fromPort)
  ports.writeUInt16BE(toPort, 2)
  return Buffer.concat([Buffer.from(from), Buffer.from(to), ports])
}

export function v2({
  command = 0x21,
  family = 0x11,
  addresses = TCP4,
  tlvs = [],
}: V2 = {}): Buffer {
  const body = Buffer.concat([addresses, ...tlvs])
  const head = Buffer.from([command, family, body.length >> 8, body.length & 255])
  return Buffer.concat([SIGNATURE, head, body])
}

export function tlv(type: number, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([Buffer.from([type, bytes.length >> 8, bytes.length & 255]), bytes])
}

/** A header that ends with its checksum. */
export function summed(options: V2 = {}): Buffer {
  const header = v2({ ...options, tlvs: [...(options.tlvs ?? []), tlv(3, Buffer.alloc(4))] })
  header.writeUInt32BE(crc32c(header), header.length - 4)
  return header
}

/** The client's TLS, which the proxy has ended. */
export const ssl = (flags: number, verify: number, ...inner: Buffer[]) =>
  tlv(0x20, Buffer.concat([Buffer.from([flags, 0, 0, 0, verify]), ...inner]))
