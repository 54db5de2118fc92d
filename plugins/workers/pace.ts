import { inOnePiece } from '../../core/index.ts'

/** How long the app takes for one kind of request: the mean of the binary logarithms of its microseconds. */
export interface Kind {
  level: number
  /** Of answers. */
  count: number
}

/** The most kinds that are told apart; clients choose the paths. */
const MOST_KINDS = 1000
/** A slow kind takes some ten times as long as the mean of all requests, */
const SLOWER_BY = 3.5
/** and no less than 4 ms. */
const LEAST_LEVEL = 12
/** How many answers the mean is of, when there are so many; older ones count less and less. */
const KIND_SPAN = 4
const SPAN = 64

/** Learns which kinds of requests are slow. Kinds are told apart by the first two segments of their path. */
export class Pace {
  readonly #kinds = new Map<string, Kind>()
  /** All kinds past the bound. */
  readonly #others = newKind()
  readonly #all = newKind()

  kindOf(url: string): Kind {
    const name = url.slice(0, prefixEnd(url))
    const known = this.#kinds.get(name)
    if (known) return known
    if (this.#kinds.size >= MOST_KINDS) return this.#others
    const kind = newKind()
    this.#kinds.set(inOnePiece(name), kind)
    return kind
  }

  /** A kind that nobody knows yet is taken for quick. */
  isSlow({ level }: Kind): boolean {
    return level >= LEAST_LEVEL && level >= this.#all.level + SLOWER_BY
  }

  /** The app took less than 2^`exponent` microseconds, and at least half of that. */
  learn(kind: Kind, exponent: number): void {
    add(kind, exponent, KIND_SPAN)
    add(this.#all, exponent, SPAN)
  }
}

const newKind = (): Kind => ({ level: 0, count: 0 })

function add(kind: Kind, exponent: number, span: number): void {
  if (kind.count < span) kind.count++
  kind.level += (exponent - kind.level) / kind.count
}

const SLASH = 0x2f
const QUESTION_MARK = 0x3f

/** Where `/first/second` ends. */
function prefixEnd(url: string): number {
  let slashes = 0
  for (let index = 0; index < url.length; index++) {
    const code = url.charCodeAt(index)
    if (code === QUESTION_MARK) return index
    if (code === SLASH && ++slashes === 3) return index
  }
  return url.length
}
