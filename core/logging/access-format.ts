import { BadLogFormat } from '../errors.ts'
import type { Finished } from '../hooks.ts'
import { clientAddress } from '../http/origin.ts'
import { escapeJson, pad, utcOffset } from './text.ts'

export const DEFAULT_ACCESS_FORMAT = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'

/** Whole formats by name. */
const NAMED: Readonly<Record<string, string>> = {
  common: '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s',
  combined: DEFAULT_ACCESS_FORMAT,
}

/** What the log reads of a request; node:http's IncomingMessage is one. */
export interface AccessRequest {
  readonly method?: string | undefined
  readonly url?: string | undefined
  /** As they came, where a router was given others. */
  readonly originalMethod?: string | undefined
  readonly originalUrl?: string | undefined
  readonly httpVersion: string
  readonly rawHeaders: readonly string[]
  readonly socket: { readonly remoteAddress?: string | undefined }
}

/** What the log reads of a response. */
export interface AccessResponse {
  getHeader(name: string): unknown
  /** Who answered may know the environ that it made. */
  readonly owner?: { variable?(name: string): string | undefined } | undefined
}

/** Makes the line, without its end, of one request. */
export type AccessFormat = (
  request: AccessRequest,
  response: AccessResponse,
  finished: Finished,
) => string

/**
 * Compiles `--access-logformat`: gunicorn's atoms, or the name of a whole format. What a client controls is written in
 * printable ASCII as nginx does: quotes and backslashes get a backslash, all other bytes become `\xHH`.
 * @throws WSGI_CORE_BAD_LOG_FORMAT
 */
export function compileAccessFormat(format: string): AccessFormat {
  if (format === 'json') return formatAccessJson
  const atoms: AccessFormat[] = []
  const texts: string[] = []
  let text = ''
  let end = 0
  const pattern = NAMED[format] ?? format
  for (const match of pattern.matchAll(/%%|%\(([^)]*)\)[sd]|%\([^)]*\)?.?|%.?/g)) {
    const [token, name] = match
    text += pattern.slice(end, match.index)
    end = match.index + token.length
    if (token === '%%') text += '%'
    else {
      atoms.push(findAtom(token, name))
      texts.push(text)
      text = ''
    }
  }
  const last = text + pattern.slice(end)
  return (request, response, finished) => {
    let line = ''
    for (let index = 0; index < atoms.length; index++) {
      line += texts[index] + (atoms[index] as AccessFormat)(request, response, finished)
    }
    return line + last
  }
}

const ALLOWED = '%(x)s with x one of h l u t r m U q H s B b f a T M D L p {name}i {name}o {name}e'

function findAtom(token: string, name: string | undefined): AccessFormat {
  const [, key, kind] = /^\{([^{}]+)\}([ioe])$/.exec(name ?? '') ?? []
  const atom = key === undefined ? ATOMS.get(name ?? '') : keyedAtom(key, kind)
  if (!atom) throw new BadLogFormat(token, ALLOWED)
  return atom
}

function keyedAtom(key: string, kind: string | undefined): AccessFormat {
  const lower = key.toLowerCase()
  if (kind === 'i') return ({ rawHeaders }) => show(fieldOf(rawHeaders, lower))
  if (kind === 'o') return (_, response) => show(headerOf(response, lower))
  return (_, { owner }) => show(owner?.variable?.(lower))
}

const microseconds = ({ milliseconds }: Finished): number =>
  Math.max(0, Math.round(milliseconds * 1000))

const ATOMS = new Map<string, AccessFormat>([
  ['h', (request) => show(clientAddress(request) || undefined)],
  ['l', () => '-'],
  ['u', ({ rawHeaders }) => formatUser(userOf(fieldOf(rawHeaders, 'authorization')))],
  ['t', (_request, _response, { timestamp }) => formatTime(timestamp)],
  ['r', (request) => show(`${methodOf(request)} ${urlOf(request)} HTTP/${request.httpVersion}`)],
  ['m', (request) => show(methodOf(request))],
  ['U', (request, { owner }) => show(owner?.variable?.('path_info') ?? pathOf(urlOf(request)))],
  ['q', (request) => show(queryOf(urlOf(request)))],
  ['H', ({ httpVersion }) => show(`HTTP/${httpVersion}`)],
  ['s', (_request, _response, { statusCode }) => String(statusCode)],
  ['B', (_request, _response, { bytes }) => String(bytes)],
  ['b', (_request, _response, { bytes }) => String(bytes)],
  ['f', ({ rawHeaders }) => show(fieldOf(rawHeaders, 'referer'))],
  ['a', ({ rawHeaders }) => show(fieldOf(rawHeaders, 'user-agent'))],
  ['T', (_request, _response, finished) => String(Math.floor(microseconds(finished) / 1e6))],
  ['M', (_request, _response, finished) => String(Math.floor(microseconds(finished) / 1e3))],
  ['D', (_request, _response, finished) => String(microseconds(finished))],
  ['L', (_request, _response, finished) => (microseconds(finished) / 1e6).toFixed(6)],
  ['p', () => `<${process.pid}>`],
])

/** What people look for in an access log, by name; what a request does not have is left out. */
function formatAccessJson(
  request: AccessRequest,
  _response: AccessResponse,
  finished: Finished,
): string {
  const { httpVersion, rawHeaders } = request
  const line = {
    time: finished.time.toISOString(),
    remote_addr: clientAddress(request) || undefined,
    remote_user: userOf(fieldOf(rawHeaders, 'authorization')),
    method: methodOf(request),
    url: urlOf(request),
    protocol: `HTTP/${httpVersion}`,
    host: fieldOf(rawHeaders, 'host'),
    status: finished.statusCode,
    bytes: finished.bytes,
    duration_ms: microseconds(finished) / 1000,
    referer: fieldOf(rawHeaders, 'referer'),
    user_agent: fieldOf(rawHeaders, 'user-agent'),
    pid: process.pid,
  }
  return escapeJson(JSON.stringify(line))
}

const methodOf = ({ method, originalMethod }: AccessRequest) => originalMethod ?? method
const urlOf = ({ url, originalUrl }: AccessRequest) => originalUrl ?? url

/** The value of a header field that the client sent; those of repeated ones are joined. */
function fieldOf(rawHeaders: readonly string[], lower: string): string | undefined {
  let found: string | undefined
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string
    if (name.length !== lower.length || name.toLowerCase() !== lower) continue
    const value = rawHeaders[index + 1] as string
    found = found === undefined ? value : `${found}, ${value}`
  }
  return found
}

function headerOf(response: AccessResponse, lower: string): string | undefined {
  const value = response.getHeader(lower)
  if (value === undefined || value === null) return undefined
  return Array.isArray(value) ? value.join(', ') : String(value)
}

const UNSAFE = /[^\x20\x21\x23-\x5b\x5d-\x7e]/

function show(text: string | undefined): string {
  if (text === undefined) return '-'
  return UNSAFE.test(text) ? text.replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, escapeCharacter) : text
}

function escapeCharacter(character: string): string {
  if (character === '"' || character === '\\') return `\\${character}`
  const hex = character.charCodeAt(0).toString(16).toUpperCase()
  return hex.length > 2 ? `\\u${hex.padStart(4, '0')}` : `\\x${hex.padStart(2, '0')}`
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true })

/** The name in `Authorization: Basic`. */
function userOf(authorization: string | undefined): string | undefined {
  if (authorization === undefined) return undefined
  const [, encoded] = /^basic +([\w+/=-]+) *$/i.exec(authorization) ?? []
  if (encoded === undefined) return undefined
  const bytes = Buffer.from(encoded, 'base64')
  const colon = bytes.indexOf(':')
  try {
    return colon < 0 ? undefined : strictUtf8.decode(bytes.subarray(0, colon)) || undefined
  } catch {
    return undefined // not UTF-8: gunicorn shows no user either
  }
}

// It stands outside quotes in the common format, so that a space would shift the fields.
const formatUser = (user: string | undefined): string => show(user).replaceAll(' ', '\\x20')

const queryOf = (url = ''): string => {
  const mark = url.indexOf('?')
  return mark < 0 ? '' : url.slice(mark + 1)
}

// PATH_INFO: bytes of the decoded path as latin-1 characters (PEP 3333).
function pathOf(url = ''): string {
  const [, path = ''] = /^(?:https?:\/\/[^/?]*)?([^?]*)/i.exec(url) ?? []
  if (!path.includes('%')) return path || '/'
  return path.replace(/%([\da-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
}

const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')
let timeSecond = Number.NaN
let timeText = ''

function formatTime(timestamp: number): string {
  const second = Math.floor(timestamp / 1000)
  if (second === timeSecond) return timeText
  const time = new Date(timestamp)
  const day = `${pad(time.getDate())}/${MONTHS[time.getMonth()]}/${time.getFullYear()}`
  const clock = `${pad(time.getHours())}:${pad(time.getMinutes())}:${pad(time.getSeconds())}`
  timeSecond = second
  timeText = `[${day}:${clock} ${utcOffset(time)}]`
  return timeText
}
