import type { Socket } from 'node:net'
import type { PeerSet, Preamble } from '../../../core/index.ts'
import { isAmong, peerOf } from '../peer.ts'
import { toIntroduction } from './introduction.ts'
import { readV1 } from './v1.ts'
import { readV2 } from './v2.ts'

export type Version = 'v1' | 'v2' | 'auto'

/** As v2 begins; nothing of v1 does. */
const CARRIAGE_RETURN = 13

/** The PROXY protocol (haproxy's `proxy-protocol.txt`, 2.3): each connection has to begin with it, from these peers. */
export function proxyPreamble(version: Version, peers: PeerSet): Preamble {
  return {
    name: 'PROXY header',
    refuses(socket) {
      if (isAmong(peers, peerOf(socket))) return undefined
      return 'the PROXY protocol is not taken from this peer (--proxy-allow-ips)'
    },
    read: (bytes: Buffer, socket: Socket) => {
      const read = reader(version, bytes)
      const result = read(bytes)
      if (typeof result === 'number' || 'refused' in result) return result
      return toIntroduction(result, peerOf(socket).address)
    },
  }
}

function reader(version: Version, bytes: Buffer): typeof readV1 | typeof readV2 {
  if (version === 'auto') return bytes[0] === CARRIAGE_RETURN ? readV2 : readV1
  return version === 'v1' ? readV1 : readV2
}
