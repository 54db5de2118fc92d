/** An element of `Forwarded`: its parameters by name in lower case, without quotes. */
export type Element = ReadonlyMap<string, string>

/** Not what RFC 7239 §4 says. */
export const BROKEN = 'broken'

const QUOTE = 34
const COMMA = 44
const BACKSLASH = 92

/**
 * Reads a comma-separated list from its end, an element at a time; who asks no more never sees what lies further to
 * the left. There a client has written what it liked, and a quote that it left open must not reach what a proxy has
 * added behind it.
 */
export class ListReader {
  readonly #lines: readonly string[]
  #line: number
  /** Where what is not read yet ends. */
  #end: number
  readonly #quotes: boolean

  /**
   * @param lines the values of a field that came several times.
   * @param quotes whether a comma may stand within quotes
   */
  constructor(lines: readonly string[], quotes: boolean) {
    this.#lines = lines
    this.#quotes = quotes
    this.#line = lines.length - 1
    this.#end = lines[this.#line]?.length ?? -1
  }

  /** The element before those that have been read; undefined: there is none. Empty ones do not count. */
  previous(): string | undefined {
    while (this.#line >= 0) {
      if (this.#end < 0) {
        this.#line--
        this.#end = this.#lines[this.#line]?.length ?? -1
        continue
      }
      const text = this.#lines[this.#line] as string
      const comma = this.#commaBefore(text, this.#end)
      const element = text.slice(comma + 1, this.#end).trim()
      this.#end = comma
      if (element === '') continue
      return element
    }
    return undefined
  }

  #commaBefore(text: string, end: number): number {
    if (this.#quotes) return commaOutsideQuotes(text, end)
    return end === 0 ? -1 : text.lastIndexOf(',', end - 1)
  }

  /** Where reading has stopped, and what has been read of that line; undefined: nothing is left unread. */
  get rest(): { readonly line: number; readonly read: string } | undefined {
    if (this.#line < 0) return undefined
    const text = this.#lines[this.#line] as string
    const isWhole = this.#end < 0 || text.slice(0, this.#end).trim() === ''
    if (isWhole && this.#line === 0) return undefined
    return { line: this.#line, read: isWhole ? text : text.slice(this.#end + 1).trim() }
  }
}

/** Where the last comma before `end` is that is not within quotes; -1: there is none. */
function commaOutsideQuotes(text: string, end: number): number {
  let quoted = false
  for (let at = end - 1; at >= 0; at--) {
    const code = text.charCodeAt(at)
    if (code === COMMA && !quoted) return at
    if (code !== QUOTE) continue
    if (!quoted) {
      quoted = true
      continue
    }
    let backslashes = at
    while (text.charCodeAt(backslashes - 1) === BACKSLASH) backslashes--
    if ((at - backslashes) % 2 === 0) quoted = false
    at = backslashes
  }
  return -1
}

const PAIR =
  /[ \t]*(?:([-!#$%&'*+.^_`|~\w]+)=(?:([-!#$%&'*+.^_`|~\w]+)|"((?:[\t !#-[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*)")[ \t]*)?(?:;|$)/y

/** Strictly; a parameter that comes twice breaks it. */
export function parseElement(text: string): Element | typeof BROKEN {
  const parameters = new Map<string, string>()
  PAIR.lastIndex = 0
  while (PAIR.lastIndex < text.length) {
    const match = PAIR.exec(text)
    if (!match) return BROKEN
    const [, name, token, quoted] = match
    if (name === undefined) continue
    const lower = name.toLowerCase()
    if (parameters.has(lower)) return BROKEN
    parameters.set(lower, token ?? (quoted as string).replace(/\\(.)/gs, '$1'))
  }
  return parameters
}

const TOKEN = /^[-!#$%&'*+.^_`|~\w]+$/

export const formatElement = (parameters: Iterable<readonly [name: string, value: string]>) =>
  [...parameters]
    .map(([name, value]) =>
      TOKEN.test(value) ? `${name}=${value}` : `${name}="${value.replace(/["\\]/g, '\\$&')}"`,
    )
    .join(';')
