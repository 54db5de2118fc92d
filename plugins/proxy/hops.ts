import type { PeerSet } from '../../core/index.ts'
import { HIDDEN, MALFORMED, type NodeName, parseHop } from './node-name.ts'

/** One place of a chain, and whether what stands there may be believed about the one before. */
export interface Hop {
  readonly name: NodeName
  readonly isTrusted: boolean
}

/** Whoever names many addresses only has them read anew. */
const MAX_KNOWN = 1000

/** Elements of X-Forwarded-For: proxies are the same in all requests, and clients in many. */
export class Hops {
  readonly trusted: PeerSet
  readonly #known = new Map<string, Hop>()

  constructor(trusted: PeerSet) {
    this.trusted = trusted
  }

  read(text: string): Hop {
    const known = this.#known.get(text)
    if (known !== undefined) return known
    // a copy: the string that came may hold the whole head in memory
    const copy = Buffer.from(text, 'latin1').toString('latin1')
    const hop = this.judge(parseHop(copy))
    if (this.#known.size >= MAX_KNOWN) this.#known.clear()
    if (hop.name !== MALFORMED) this.#known.set(copy, hop)
    return hop
  }

  judge(name: NodeName): Hop {
    const isNode = name !== HIDDEN && name !== MALFORMED
    return { name, isTrusted: isNode && this.trusted.has(name.address) }
  }
}
