import { isIPv4, isIPv6 } from 'node:net'
import { canonicalAddress, type End } from '../../../core/index.ts'
import { type ReadHeader, refuse } from './header.ts'

/** With its line end (§2.1). */
const LONGEST = 107
const START = Buffer.from('PROXY ')
const LF = 10

/** The line of text. */
export function readV1(bytes: Buffer): ReadHeader {
  const begun = Math.min(bytes.length, START.length)
  if (bytes.compare(START, 0, begun, 0, begun) !== 0) return refuse('missing')
  const end = bytes.subarray(0, LONGEST).indexOf(LF)
  if (end < 0) return bytes.length < LONGEST ? bytes.length + 1 : refuse('line too long')
  return parseLine(bytes.toString('latin1', 0, end + 1)) ?? refuse('malformed')
}

const LINE = /^PROXY (TCP4|TCP6) ([\d.]+|[\da-fA-F:.]+) ([\d.]+|[\da-fA-F:.]+) (\d+) (\d+)\r\n$/

function parseLine(line: string): ReadHeader | undefined {
  const { length } = line
  // what follows the word is to be passed over
  if (/^PROXY UNKNOWN(?: [ -~]*)?\r\n$/.test(line)) return { length, protocol: 'UNKNOWN', tlvs: [] }
  const [, protocol, from = '', to = '', fromPort = '', toPort = ''] = LINE.exec(line) ?? []
  const isAddress = protocol === 'TCP4' ? isIPv4 : isIPv6
  if (protocol === undefined || !isAddress(from) || !isAddress(to)) return undefined
  const source = end(from, fromPort)
  const destination = end(to, toPort)
  if (!source || !destination) return undefined
  return { length, protocol: protocol as 'TCP4' | 'TCP6', source, destination, tlvs: [] }
}

function end(address: string, port: string): End | undefined {
  if (!/^(?:0|[1-9]\d{0,4})$/.test(port) || Number(port) > 65_535) return undefined
  return { address: canonicalAddress(address) as string, port: Number(port) }
}
