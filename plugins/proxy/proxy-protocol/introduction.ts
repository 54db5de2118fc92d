import type { Introduction, Refused } from '../../../core/index.ts'
import type { Relay } from '../relay.ts'
import { type ProxyHeader, refuse } from './header.ts'
import { ALPN, AUTHORITY, readTlvs, SSL, type Tlv, UNIQUE_ID } from './tlv.ts'

type Variable = readonly [name: string, value: string]

/** What a header means for its connection; `peer` has sent it. */
export function toIntroduction(header: ProxyHeader, peer: string): Introduction | Refused {
  const { length, protocol, source, destination, tlvs } = header
  if (protocol === 'LOCAL') return { length, info: { peer, isUnknown: false, variables: [] } }
  const ssl = readSsl(tlvs)
  if (ssl === undefined) return refuse('malformed')
  const variables: Variable[] = [
    ['PROXY_PROTOCOL', protocol],
    ...destinationVariables(header),
    ['wsgi_core.peer_addr', peer],
    ...tlvs.flatMap(textVariable),
    ...ssl.variables,
  ]
  const isUnknown = source === undefined
  const relay: Relay = { peer, isUnknown, scheme: ssl.isOn ? 'https' : undefined, variables }
  // over UNKNOWN the connection's own addresses count (§2.1); who is at a Unix socket has none
  if (protocol === 'UNKNOWN') return { length, info: relay }
  return { length, ends: { remote: source, local: destination }, info: relay }
}

/** gunicorn's names. */
const destinationVariables = ({ destination }: ProxyHeader): Variable[] =>
  destination === undefined
    ? []
    : [
        ['PROXY_ADDR', destination.address],
        ['PROXY_PORT', String(destination.port)],
      ]

const NAMES: ReadonlyMap<number, string> = new Map([
  [ALPN, 'PROXY_ALPN'],
  [AUTHORITY, 'PROXY_AUTHORITY'],
  [UNIQUE_ID, 'PROXY_UNIQUE_ID'],
])

function textVariable({ type, value }: Tlv): Variable[] {
  const name = NAMES.get(type)
  if (name === undefined) return []
  if (type === UNIQUE_ID) return [[name, asText(value) ?? value.toString('hex')]]
  const text = asText(value)
  return text === undefined ? [] : [[name, text]]
}

/** Of visible characters; UTF-8 stays bytes, as in all of an environ. */
function asText(value: Buffer): string | undefined {
  const text = value.toString('latin1')
  return /^[\x20-\x7e\x80-\xff]{1,255}$/.test(text) ? text : undefined
}

const SSL_NAMES: ReadonlyMap<number, string> = new Map([
  [0x21, 'SSL_PROTOCOL'],
  [0x22, 'SSL_CLIENT_S_DN_CN'],
  [0x23, 'SSL_CIPHER'],
])

const CLIENT_SSL = 0x01
const CLIENT_CERTIFICATE = 0x06

/** The client's TLS, which the proxy has ended (§2.2.6); names are those of Apache's mod_ssl. undefined: malformed. */
function readSsl(tlvs: readonly Tlv[]): { isOn: boolean; variables: Variable[] } | undefined {
  const ssl = tlvs.find(({ type }) => type === SSL)?.value
  if (ssl === undefined) return { isOn: false, variables: [] }
  if (ssl.length < 5) return undefined
  const flags = ssl[0] as number
  const inner = readTlvs(ssl.subarray(5))
  if (!inner) return undefined
  if ((flags & CLIENT_SSL) === 0) return { isOn: false, variables: [] }
  const variables: Variable[] = [['SSL_CLIENT_VERIFY', verdict(flags, ssl.readUInt32BE(1))]]
  for (const { type, value } of inner) {
    const name = SSL_NAMES.get(type)
    const text = asText(value)
    if (name !== undefined && text !== undefined) variables.push([name, text])
  }
  return { isOn: true, variables }
}

function verdict(flags: number, code: number): string {
  if ((flags & CLIENT_CERTIFICATE) === 0) return 'NONE'
  return code === 0 ? 'SUCCESS' : `FAILED:${code}`
}
