import { inOnePiece, type PeerSet } from '../../core/index.ts'
import { HIDDEN, MALFORMED, type NodeName, parseHop } from './node-name.ts'

/** One place of a chain, and whether what stands there may be believed about the one before. */
export interface Hop {
  readonly name: NodeName
  readonly isTrusted: boolean
}

/** More than any site has proxies; past it they are read anew. */
const MAX_KNOWN = 1000

/** Elements of X-Forwarded-For. Proxies stand in all requests and are remembered; clients are not. */
export class Hops {
  readonly trusted: PeerSet
  readonly #proxies = new Map<string, Hop>()

  constructor(trusted: PeerSet) {
    this.trusted = trusted
  }

  read(text: string): Hop {
    return this.#proxies.get(text) ?? this.#readAnew(text)
  }

  judge(name: NodeName): Hop {
    const isNode = name !== HIDDEN && name !== MALFORMED
    return { name, isTrusted: isNode && this.trusted.has(name.address) }
  }

  #readAnew(text: string): Hop {
    const hop = this.judge(parseHop(text))
    if (hop.isTrusted && this.#proxies.size < MAX_KNOWN) this.#remember(text)
    return hop
  }

  #remember(text: string): void {
    const kept = inOnePiece(text)
    this.#proxies.set(kept, this.judge(parseHop(kept)))
  }
}
