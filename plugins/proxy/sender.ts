import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { introductionOf, type Origin } from '../../core/index.ts'
import type { Heard } from './heard.ts'
import type { Node } from './node-name.ts'
import { isAmong, nameOf, peerOf } from './peer.ts'
import type { Relay } from './relay.ts'
import type { Settings } from './settings.ts'

/** What is the same for all requests of a connection. */
export interface Sender {
  readonly node: Node
  readonly isTrusted: boolean
  /** For logs. */
  readonly name: string
  readonly scheme: Origin['scheme']
  /** Of requests that bring no word of others; undefined: the socket tells. */
  readonly origin: Origin | undefined
  /** What was said on the connection, to be told again quickly: the last first. */
  heard: readonly Heard[]
  /** What the connection itself adds to the environ. */
  readonly variables: Origin['variables']
  /** The same, for requests of others that it hands on. */
  readonly variablesOfOthers: Origin['variables']
}

export function senderOf(socket: Socket, { trusted }: Settings): Sender {
  const relay = introductionOf(socket) as Relay | undefined
  const peer = peerOf(socket)
  const scheme = relay?.scheme ?? ((socket as TLSSocket).encrypted ? 'https' : 'http')
  const variables = relay ? variablesOf(relay, socket) : []
  const node = { address: peer.address, port: portOf(socket) }
  return {
    node,
    isTrusted: !relay?.isUnknown && isAmong(trusted, peer),
    name: nameOf(peer),
    scheme,
    origin: relay && relayedOrigin({ ...relay, variables }, node, scheme),
    heard: [],
    variables,
    variablesOfOthers: [...variables, ['wsgi_core.peer_addr', peer.address]],
  }
}

/** What is known of TLS here is known better than what a proxy says of TLS before it. */
const variablesOf = ({ variables }: Relay, socket: Socket): Origin['variables'] =>
  (socket as TLSSocket).encrypted
    ? variables.filter(([name]) => !name.startsWith('SSL_'))
    : variables

const portOf = ({ remotePort }: Socket) => (remotePort ? String(remotePort) : '')

function relayedOrigin(relay: Relay, node: Node, scheme: Origin['scheme']): Origin {
  const { serverName, serverPort, rootPath, protocol, variables } = relay
  const { address, port } = node
  const hops = [address]
  const known = { serverName, serverPort, rootPath, protocol, variables }
  return { address, port, scheme, hops, ...known }
}
