import type { PeerSet } from '../../core/index.ts'
import { BROKEN, type Element, ListReader, parseElement } from './forwarded.ts'
import { HIDDEN, MALFORMED, type Node, type NodeName, parseHop, parseNode } from './node-name.ts'

/** How far proxies may be believed, and what the farthest of them says. */
export interface Chain {
  /** The client, or the last proxy that is known where that one does not tell. */
  readonly client: Node
  /** Addresses from who connected here to the client. */
  readonly hops: readonly string[]
  /** Elements that count, from the right. */
  readonly count: number
  /** What the last of them says besides, in `Forwarded`. */
  readonly element: Element | undefined
  readonly reader: ListReader
}

/** Further than any chain of proxies; a longer one goes round in circles. */
const MAX_HOPS = 100

/** One place of the chain; undefined: there is none further to the left. */
type Step = { readonly name: NodeName; readonly element?: Element } | undefined

/**
 * Walks from the peer, who is trusted, to the left: each address was written by the one before, and counts as long as
 * that one is trusted. @returns MALFORMED where somebody trusted has written what is no address.
 */
function walk(
  peer: Node,
  trusted: PeerSet,
  reader: ListReader,
  step: () => Step,
): Chain | typeof MALFORMED {
  let client = peer
  let element: Element | undefined
  const hops = [peer.address]
  for (;;) {
    const next = step()
    if (next === undefined) break
    if (next.name === MALFORMED || hops.length > MAX_HOPS) return MALFORMED
    element = next.element
    if (next.name === HIDDEN) break
    client = next.name
    hops.push(client.address)
    if (!trusted.has(client.address)) break
  }
  return { client, hops, count: reader.count, element, reader }
}

/** By the lines of `X-Forwarded-For`. */
export function walkXForwardedFor(peer: Node, trusted: PeerSet, lines: readonly string[]) {
  const reader = new ListReader(lines)
  return walk(peer, trusted, reader, () => {
    const text = reader.previous()
    return text === undefined ? undefined : { name: parseHop(text) }
  })
}

/** By the lines of `Forwarded`. An element without `for` tells of a hop, not whose. */
export function walkForwarded(peer: Node, trusted: PeerSet, lines: readonly string[]) {
  const reader = new ListReader(lines)
  return walk(peer, trusted, reader, () => {
    const text = reader.previous()
    if (text === undefined) return undefined
    const element = parseElement(text)
    if (element === BROKEN) return { name: MALFORMED }
    const node = element.get('for')
    return { name: node === undefined ? HIDDEN : parseNode(node), element }
  })
}
