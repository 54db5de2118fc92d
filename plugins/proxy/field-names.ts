import { inOnePiece } from '../../core/index.ts'
import type { Role } from './roles.ts'

/** A name that is looked for, in lower case, and what becomes of fields that have it. */
export interface FieldName {
  readonly name: string
  readonly role: Role
}

const LONGEST = 64
/** Names as they were sent; bounded, as clients choose them. */
const MAX_KNOWN = 1000

/** Tells quickly whether a name is among those that are looked for: most never are. */
export class FieldNames {
  /** By length of the name, a bit for each first letter. */
  readonly #letters = new Uint32Array(LONGEST + 1)
  readonly #known = new Map<string, FieldName | undefined>()
  readonly #roleOf: (lower: string) => Role | undefined

  /**
   * @param patterns in lower case; a `*` at the end stands for anything.
   * @param roleOf asked of names that may be one of them; undefined: it is not looked for
   */
  constructor(patterns: readonly string[], roleOf: (lower: string) => Role | undefined) {
    for (const pattern of patterns) this.#mark(pattern)
    this.#roleOf = roleOf
  }

  find(name: string): FieldName | undefined {
    const letters = this.#letters[Math.min(name.length, LONGEST)] as number
    if ((letters & (1 << (name.charCodeAt(0) & 31))) === 0) return undefined
    const known = this.#known.get(name)
    return known !== undefined || this.#known.has(name) ? known : this.#learn(name)
  }

  #learn(sent: string): FieldName | undefined {
    const kept = inOnePiece(sent)
    const name = kept.toLowerCase()
    const role = this.#roleOf(name)
    const found = role && { name, role }
    if (this.#known.size < MAX_KNOWN) this.#known.set(kept, found)
    return found
  }

  #mark(pattern: string): void {
    const { text, isOpen } = split(pattern)
    const letter = 1 << (text.charCodeAt(0) & 31)
    const last = isOpen ? LONGEST : Math.min(text.length, LONGEST)
    for (let length = Math.min(text.length, LONGEST); length <= last; length++) {
      this.#letters[length] = (this.#letters[length] as number) | letter
    }
  }
}

/** @returns whether a name, in lower case, is one of these. */
export function matcher(patterns: readonly string[]): (lower: string) => boolean {
  const parts = patterns.map(split)
  const exact = new Set(parts.filter(({ isOpen }) => !isOpen).map(({ text }) => text))
  const beginnings = parts.filter(({ isOpen }) => isOpen).map(({ text }) => text)
  return (lower) => exact.has(lower) || beginnings.some((each) => lower.startsWith(each))
}

function split(pattern: string): { text: string; isOpen: boolean } {
  const isOpen = pattern.endsWith('*')
  return { text: isOpen ? pattern.slice(0, -1) : pattern, isOpen }
}
