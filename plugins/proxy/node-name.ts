import { canonicalAddress } from '../../core/index.ts'

/** Who stands at one place of a chain. */
export interface Node {
  readonly address: string
  /** '' where it is not said. */
  readonly port: string
}

/** The proxy does not know, or does not tell (RFC 7239 §6.2, §6.3). */
export const HIDDEN = 'hidden'
/** No address, and nothing else that may stand there. */
export const MALFORMED = 'malformed'

export type NodeName = Node | typeof HIDDEN | typeof MALFORMED

/** In X-Forwarded-For: an address, `ADDRESS:PORT`, `[IPV6]`, `[IPV6]:PORT`, `unknown`, `_hidden`. */
export function parseHop(text: string): NodeName {
  const plain = canonicalAddress(text)
  if (plain !== undefined) return { address: plain, port: '' }
  return parseNode(text)
}

const NODE = /^(?:\[([\da-f:.]{2,45})\]|([\d.]{7,15}))(?::(\d{1,5}|_[\w.-]+))?$/i
const HIDDEN_NODE = /^(?:unknown|_[\w.-]+)(?::(?:\d{1,5}|_[\w.-]+))?$/i

/** A `node` of RFC 7239 §6, without quotes: IPv6 has its brackets. */
export function parseNode(text: string): NodeName {
  if (text.length > 256) return MALFORMED
  const [, v6, v4, port = ''] = NODE.exec(text) ?? []
  const found = v6 ?? v4
  if (found === undefined) return HIDDEN_NODE.test(text) ? HIDDEN : MALFORMED
  const address = canonicalAddress(found)
  const isOfItsKind = v6 === undefined || v6.includes(':')
  if (address === undefined || !isOfItsKind) return MALFORMED
  if (port.startsWith('_')) return { address, port: '' }
  return port === '' || isPort(port) ? { address, port } : MALFORMED
}

export const isPort = (text: string) => /^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65_535
