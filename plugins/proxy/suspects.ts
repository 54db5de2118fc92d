/**
 * Fields by which a proxy in front tells a server what it knows. From anybody else they are lies, or else of no use. A
 * `*` at the end stands for anything.
 */
const SPOKEN_BY_PROXIES: readonly string[] = [
  'forwarded',
  'x-forwarded*',
  'x-real-ip',
  'x-real-port',
  'x-client-ip',
  'x-cluster-client-ip',
  'x-original-*',
  'x-envoy-external-address',
  'true-client-ip',
  'cf-connecting-ip*',
  'front-end-https',
  'x-scheme',
  'x-url-scheme',
  'x-rewrite-url',
  'https',
  'x-https',
  'x-accel-*',
  'x-sendfile*',
  'ssl-*',
  'x-ssl-*',
  'x-client-cert*',
  'x-client-verify',
  'x-client-dn',
  'client-cert*',
  'remote-addr',
  'remote-user',
  'x-remote-user',
  'script-name',
  'path-info',
]

/** No client sends it, and `HTTP_PROXY` means something else to many programs (httpoxy). */
export const HTTPOXY = 'proxy'

const LONGEST = 64
/** Names as they were sent; bounded, as clients choose them. */
const MAX_KNOWN = 1000

/** Tells quickly whether a name is among those that are looked for: most never are. */
export class FieldNames {
  readonly #exact = new Set<string>()
  readonly #beginnings: string[] = []
  /** By length of the name, a bit for each first letter. */
  readonly #letters = new Uint32Array(LONGEST + 1)
  readonly #known = new Map<string, string | undefined>()

  constructor(patterns: readonly string[]) {
    for (const pattern of patterns) this.#add(pattern.toLowerCase())
  }

  /** @returns the name in lower case where it is one of them. */
  find(name: string): string | undefined {
    const letters = this.#letters[Math.min(name.length, LONGEST)] as number
    if ((letters & (1 << (name.charCodeAt(0) & 31))) === 0) return undefined
    const known = this.#known.get(name)
    return known !== undefined || this.#known.has(name) ? known : this.#learn(name)
  }

  #learn(name: string): string | undefined {
    // a copy: the string that came may hold the whole head in memory
    const copy = Buffer.from(name, 'latin1').toString('latin1')
    const lower = copy.toLowerCase()
    const isOne = this.#exact.has(lower) || this.#beginnings.some((each) => lower.startsWith(each))
    const found = isOne ? lower : undefined
    if (this.#known.size < MAX_KNOWN) this.#known.set(copy, found)
    return found
  }

  #add(pattern: string): void {
    const isOpen = pattern.endsWith('*')
    const text = isOpen ? pattern.slice(0, -1) : pattern
    if (isOpen) this.#beginnings.push(text)
    else this.#exact.add(text)
    const letter = 1 << (text.charCodeAt(0) & 31)
    const last = isOpen ? LONGEST : Math.min(text.length, LONGEST)
    for (let length = Math.min(text.length, LONGEST); length <= last; length++) {
      this.#letters[length] = (this.#letters[length] as number) | letter
    }
  }
}

/** What clients may not send; `more` comes from the configuration. */
export const suspects = (more: readonly string[]): FieldNames =>
  new FieldNames([...SPOKEN_BY_PROXIES, HTTPOXY, ...more])
