import {
  canonicalAddress,
  type Introduction,
  isHost,
  type PeerSet,
  type Preamble,
  type Refused,
} from '../../../core/index.ts'
import { isPort } from '../node-name.ts'
import { isAmong, peerOf } from '../peer.ts'
import type { Relay } from '../relay.ts'
import { type Translated, translate } from './head.ts'
import { readPacket } from './packet.ts'

/** The uwsgi protocol, as nginx's `uwsgi_pass` speaks it: one request a connection, from these peers. */
export function uwsgiPreamble(peers: PeerSet): Preamble {
  return {
    name: 'uwsgi packet',
    refuses(socket) {
      if (isAmong(peers, peerOf(socket))) return undefined
      return 'uwsgi is not spoken with this peer (--uwsgi-allow-ips)'
    },
    read(bytes, socket) {
      const packet = readPacket(bytes)
      if (typeof packet === 'number' || 'refused' in packet) return packet
      const request = translate(packet)
      if ('refused' in request) return request
      return toIntroduction(packet.length, request, peerOf(socket).address)
    },
  }
}

function toIntroduction(
  length: number,
  { head, variables, rootPath }: Translated,
  peer: string,
): Introduction | Refused {
  const address = canonicalAddress(variables.get('REMOTE_ADDR') ?? '')
  const port = variables.get('REMOTE_PORT') ?? ''
  const remote =
    address === undefined ? undefined : { address, port: isPort(port) ? Number(port) : 0 }
  const info: Relay = {
    peer,
    isUnknown: remote === undefined,
    scheme: schemeOf(variables),
    ...serverOf(variables),
    rootPath,
    variables: passed(variables, peer),
  }
  return { length, head: Buffer.from(head, 'latin1'), ends: { remote, local: undefined }, info }
}

function schemeOf(variables: ReadonlyMap<string, string>): 'http' | 'https' {
  const said = variables.get('UWSGI_SCHEME') ?? variables.get('REQUEST_SCHEME')
  return said === 'https' || /^(?:on|1|true)$/i.test(variables.get('HTTPS') ?? '')
    ? 'https'
    : 'http'
}

function serverOf(variables: ReadonlyMap<string, string>) {
  const name = variables.get('SERVER_NAME') ?? ''
  const port = variables.get('SERVER_PORT') ?? ''
  const protocol = variables.get('SERVER_PROTOCOL') ?? ''
  return {
    serverName: isHost(name) ? name : undefined,
    serverPort: isPort(port) ? port : undefined,
    protocol: /^HTTP\/\d(?:\.\d)?$/.test(protocol) ? protocol : undefined,
  }
}

/** The environ has them from the request. What begins with UWSGI_ tells uWSGI what to load. */
const MADE_ANEW =
  /^(?:REQUEST_METHOD|QUERY_STRING|PATH_INFO|SCRIPT_NAME|SERVER_(?:NAME|PORT|PROTOCOL|SOFTWARE)|REMOTE_(?:ADDR|PORT)|(?:HTTP_)?CONTENT_(?:TYPE|LENGTH)|UWSGI_.*)$/

function passed(variables: ReadonlyMap<string, string>, peer: string): Relay['variables'] {
  const kept = [...variables].filter(([name]) => !MADE_ANEW.test(name))
  const uri = variables.get('REQUEST_URI')
  const raw = uri === undefined ? [] : [['RAW_URI', uri] as const]
  return [...kept, ...raw, ['wsgi_core.peer_addr', peer]]
}
