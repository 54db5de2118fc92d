import type { Socket } from 'node:net'
import { type PeerSet, unmapped } from '../../core/index.ts'

/** Who is at the other end of a connection. */
export interface Peer {
  /** '' where it has none, or it has left. */
  readonly address: string
  readonly isUnix: boolean
}

/** A socket that is gone has no address either, and must not pass for one that never has any. */
export function peerOf(socket: Socket): Peer {
  const { remoteAddress } = socket
  if (remoteAddress !== undefined) return { address: unmapped(remoteAddress), isUnix: false }
  return { address: '', isUnix: !socket.destroyed && socket.localAddress === undefined }
}

export const isAmong = (peers: PeerSet, { address, isUnix }: Peer): boolean =>
  isUnix ? peers.has(undefined) : address !== '' && peers.has(address)

/** For logs. */
export const nameOf = ({ address, isUnix }: Peer): string =>
  isUnix ? 'a Unix socket' : address || 'who has left'
