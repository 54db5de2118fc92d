import type { Header } from './application.ts'

/** A head that may go out. */
export interface Head {
  readonly code: number
  readonly reason: string
  /** Names and values in turn. */
  readonly fields: string[]
  readonly length: number | undefined
  /** No body may follow: RFC 9110 §6.4.1. */
  readonly bodiless: boolean
}

/** RFC 9110 §5.5 and RFC 9112 §4: tab, visible ASCII, space and obs-text. */
const TEXT = /^[\t\x20-\x7e\x80-\xff]*$/
const STATUS = /^[1-5][0-9][0-9] [\t\x20-\x7e\x80-\xff]*$/
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const NUMBER = /^[0-9]{1,15}$/
/** Bytes of a head: with a length that is added, no more than a front takes (docs/worker-protocol.md). */
const LARGEST = 262_000

type Kind = 'plain' | 'length' | 'silent' | 'hop'
/** PEP 3333: an app must not use these (RFC 9110 §7.6.1). */
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'trailers',
  'transfer-encoding',
  'upgrade',
]
const SPECIAL: ReadonlyMap<string, Kind> = new Map([
  ['content-length', 'length'],
  ['server', 'silent'],
  ['date', 'silent'],
  ...HOP_BY_HOP.map((name) => [name, 'hop'] as const),
])

/** By name as given; bounded, as applications choose the names. */
const kinds = new Map<string, Kind>()
const MAX_KINDS = 1000
const warned = new Set<string>()

/**
 * Checks a head by PEP 3333 and RFC 9110. Whatever breaks them throws, so that no byte of it reaches the wire.
 * `warn` is told of what is dropped, once in a process.
 */
export function checkHead(
  status: string,
  headers: readonly Header[],
  warn: (text: string) => void,
): Head {
  if (typeof status !== 'string' || !STATUS.test(status)) {
    throw new TypeError(`status must be 'NNN reason', not ${show(status)}`)
  }
  const code = Number(status.slice(0, 3))
  const bodiless = code < 200 || code === 204 || code === 304
  if (!Array.isArray(headers)) {
    throw new TypeError(`headers must be an array of [name, value], not ${show(headers)}`)
  }
  const fields: string[] = []
  let length: number | undefined
  let size = status.length
  for (const header of headers as readonly Header[]) {
    if (!Array.isArray(header) || header.length !== 2) {
      throw new TypeError(`header must be [name, value], not ${show(header)}`)
    }
    const [name, value] = header
    const kind = kinds.get(name) ?? learn(name)
    if (typeof value !== 'string' || !TEXT.test(value)) throw badValue(name, value)
    if (kind === 'length') {
      length = parseLength(value, length)
      if (bodiless && code !== 304) continue // RFC 9110 §8.6: none in a 1xx or 204
    } else if (kind !== 'plain') {
      if (kind === 'hop') warnOnce(name, warn)
      continue
    }
    fields.push(name, value)
    size += name.length + value.length + 2
  }
  if (size > LARGEST) throw new TypeError(`the head has ${size} bytes; ${LARGEST} are allowed`)
  return { code, reason: status.slice(4), fields, length, bodiless }
}

function learn(name: unknown): Kind {
  if (typeof name !== 'string' || !TOKEN.test(name)) {
    throw new TypeError(`header name must be a token (RFC 9110), not ${show(name)}`)
  }
  const kind = SPECIAL.get(name.toLowerCase()) ?? 'plain'
  if (kinds.size < MAX_KINDS) kinds.set(name, kind)
  return kind
}

function badValue(name: string, value: unknown): TypeError {
  if (typeof value !== 'string') {
    return new TypeError(`value of header '${name}' must be a string, not ${show(value)}`)
  }
  return new TypeError(`value of header '${name}' has a character that is illegal in HTTP`)
}

function parseLength(value: string, earlier: number | undefined): number {
  if (earlier !== undefined) throw new TypeError('several Content-Length headers')
  if (!NUMBER.test(value)) {
    throw new TypeError(`Content-Length must be a decimal number, not '${value}'`)
  }
  return Number(value)
}

function warnOnce(name: string, warn: (text: string) => void): void {
  const lower = name.toLowerCase()
  if (warned.has(lower)) return
  warned.add(lower)
  warn(`app sent hop-by-hop header '${name}', which PEP 3333 forbids; it is dropped`)
}

/** A value in an error's text. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(show).join(', ')}]`
  if (typeof value === 'object' && value !== null) return `a ${value.constructor?.name ?? 'object'}`
  return typeof value === 'function' ? 'a function' : String(value)
}
