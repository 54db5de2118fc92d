import { isIPv6 } from 'node:net'

export const TAB = 9
export const LF = 10
export const CR = 13
export const SPACE = 32
export const COLON = 58
export const UNDERSCORE = 95

const table = (accepts: RegExp) =>
  Uint8Array.from({ length: 256 }, (_, code) => (accepts.test(String.fromCharCode(code)) ? 1 : 0))

/** `tchar` (RFC 9110 §5.6.2). Reading past the end of a text gives NaN, for which no table has an entry. */
export const TOKEN = table(/[-!#$%&'*+.^_`|~0-9A-Za-z]/)
/** `tchar` without the underscore. */
export const NAME = table(/[-!#$%&'*+.^`|~0-9A-Za-z]/)
/** What a field value may hold: visible characters, space, tab, obs-text (RFC 9110 §5.5). */
export const VALUE = table(/[\t\x20-\x7e\x80-\xff]/)
/** What a request target may hold. Visible ASCII; a fragment is never sent (RFC 9112 §3.2). */
export const TARGET = table(/[!"$-~]/)

const HOST = /^(?:\[([0-9A-Fa-f:.]+)\]|(?:[-\w.~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)(?::(\d{0,5}))?$/

let lastHost = ''

/** Whether this is `uri-host [ ":" port ]` (RFC 9110 §7.2) with a host: an http URI without one is invalid (§4.2.1). */
export function isHost(text: string): boolean {
  if (text === lastHost) return text !== ''
  const match = HOST.exec(text)
  if (!match) return false
  const [, address, port] = match
  if (address !== undefined && !isIPv6(address)) return false
  if (port !== undefined && Number(port) > 65_535) return false
  lastHost = text
  return true
}

/** Host and port in one spelling: lower case, without the port that the scheme has anyway. */
export function canonicalAuthority(text: string, scheme: string): string {
  const lower = text.toLowerCase()
  const port = scheme === 'https' ? ':443' : ':80'
  if (lower.endsWith(port)) return lower.slice(0, -port.length)
  return lower.endsWith(':') ? lower.slice(0, -1) : lower
}

/** The elements of a comma-separated list, in lower case (RFC 9110 §5.6.1). */
export const listElements = (text: string): string[] =>
  text
    .toLowerCase()
    .split(',')
    .map((element) => element.trim())
    .filter((element) => element !== '')
