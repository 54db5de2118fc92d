import { BROKEN, type Element, ListReader, parseElement } from './forwarded.ts'
import type { Hop, Hops } from './hops.ts'
import { HIDDEN, MALFORMED, type Node, parseNode } from './node-name.ts'

/** How far proxies may be believed, and what the farthest of them says. */
export interface Chain {
  /** The client, or the last proxy that is known where that one does not tell. */
  readonly client: Node
  /** Addresses from who connected here to the client. */
  readonly hops: readonly string[]
  /** What each of them says, in `Forwarded`, to the one that is farthest. */
  readonly elements: readonly Element[]
  readonly reader: ListReader
}

/** Further than any chain of proxies; a longer one goes round in circles. */
const MAX_HOPS = 100

/**
 * Walks from the peer, who is trusted, to the left: each address was written by the one before, and counts as long as
 * that one is trusted. @returns MALFORMED where somebody trusted has written what is no address.
 */
function walk(
  peer: Node,
  reader: ListReader,
  read: (text: string) => Hop,
): Chain | typeof MALFORMED {
  let client = peer
  const hops = [peer.address]
  for (;;) {
    const text = reader.previous()
    if (text === undefined) break
    const { name, isTrusted } = read(text)
    if (name === MALFORMED || hops.length > MAX_HOPS) return MALFORMED
    if (name === HIDDEN) break
    client = name
    hops.push(client.address)
    if (!isTrusted) break
  }
  return { client, hops, elements: [], reader }
}

/** By the lines of `X-Forwarded-For`. */
export const walkXForwardedFor = (peer: Node, known: Hops, lines: readonly string[]) =>
  walk(peer, new ListReader(lines, false), (text) => known.read(text))

/** By the lines of `Forwarded`. An element without `for` tells of a hop, not whose. */
export function walkForwarded(
  peer: Node,
  known: Hops,
  lines: readonly string[],
): Chain | typeof MALFORMED {
  const elements: Element[] = []
  const chain = walk(peer, new ListReader(lines, true), (text) => {
    const parsed = parseElement(text)
    if (parsed === BROKEN) return known.judge(MALFORMED)
    elements.push(parsed)
    const node = parsed.get('for')
    return known.judge(node === undefined ? HIDDEN : parseNode(node))
  })
  return chain === MALFORMED ? chain : { ...chain, elements }
}
