import { TOKEN, VALUE } from '../http/syntax.ts'

/** What a field of a request is to the server. */
export const KIND = {
  plain: 0,
  method: 1,
  scheme: 2,
  authority: 3,
  path: 4,
  host: 5,
  length: 6,
  expect: 7,
  /** Clients send it in pieces (RFC 9113 §8.2.3). */
  cookie: 8,
  /** Its name has an underscore. */
  dropped: 9,
  /** RFC 9113 §8.2: one that makes its request malformed. */
  malformed: 10,
} as const

/** What each entry of a table counts beside its text (RFC 7541 §4.1). */
const OVERHEAD = 32

const KINDS = new Map<string, number>([
  [':method', KIND.method],
  [':scheme', KIND.scheme],
  [':authority', KIND.authority],
  [':path', KIND.path],
  ['host', KIND.host],
  ['content-length', KIND.length],
  ['expect', KIND.expect],
  ['cookie', KIND.cookie],
  // RFC 9113 §8.2.2
  ['connection', KIND.malformed],
  ['keep-alive', KIND.malformed],
  ['proxy-connection', KIND.malformed],
  ['transfer-encoding', KIND.malformed],
  ['upgrade', KIND.malformed],
])

/** One field as it came. Judged once, however often a table's entry is referred to. */
export class Field {
  readonly name: string
  readonly value: string
  readonly kind: number
  /** As tables and limits count it. */
  readonly size: number

  constructor(name: string, value: string) {
    this.name = name
    this.value = value
    this.kind = kindOf(name, value)
    this.size = name.length + value.length + OVERHEAD
  }
}

function kindOf(name: string, value: string): number {
  if (!isValue(value)) return KIND.malformed
  const known = KINDS.get(name)
  if (known !== undefined) return known
  if (!isName(name)) return KIND.malformed
  if (name === 'te' && value.toLowerCase() !== 'trailers') return KIND.malformed
  // could pass for another (`x_forwarded_for`)
  return name.includes('_') ? KIND.dropped : KIND.plain
}

/** A token without upper case. */
function isName(name: string): boolean {
  for (let at = 0; at < name.length; at++) {
    const code = name.charCodeAt(at)
    if (TOKEN[code] !== 1 || (code >= 65 && code <= 90)) return false
  }
  return name !== ''
}

/** RFC 9113 §8.2.1: no control bytes, and no white space at either end. */
function isValue(value: string): boolean {
  const { length } = value
  if (length === 0) return true
  for (let at = 0; at < length; at++) if (VALUE[value.charCodeAt(at)] !== 1) return false
  return !isBlank(value.charCodeAt(0)) && !isBlank(value.charCodeAt(length - 1))
}

const isBlank = (code: number) => code === 32 || code === 9
