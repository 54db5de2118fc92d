import { BadLogFormat } from '../errors.ts'
import { pad, utcOffset } from './text.ts'

export const DEFAULT_ACCESS_FORMAT = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'

/** What the log reads of a request; node:http's IncomingMessage is one. */
export interface AccessRequest {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly httpVersion: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

export interface AccessEntry {
  readonly request: AccessRequest
  readonly statusCode: number
  /** A header of the response, asked for in lower case. */
  readonly headers: (name: string) => string | undefined
  /** Bytes of the body that were sent. */
  readonly bytes: number
  readonly milliseconds: number
  readonly time: Date
  readonly remoteAddress: string
  readonly environ?: Readonly<Record<string, string>> | undefined
}

type Atom = (entry: AccessEntry) => string

/**
 * Compiles gunicorn's `--access-logformat`. What a client controls is written in printable ASCII
 * as nginx does: quotes and backslashes get a backslash, all other bytes become `\xHH`.
 */
export function compileAccessFormat(format: string): Atom {
  const pieces: (string | Atom)[] = []
  let end = 0
  for (const match of format.matchAll(/%%|%\(([^)]*)\)[sd]|%\([^)]*\)?.?|%.?/g)) {
    const [token, name] = match
    pieces.push(format.slice(end, match.index))
    pieces.push(token === '%%' ? '%' : findAtom(token, name))
    end = match.index + token.length
  }
  pieces.push(format.slice(end))
  return (entry) => {
    let line = ''
    for (const piece of pieces) line += typeof piece === 'string' ? piece : piece(entry)
    return line
  }
}

const ALLOWED = '%(x)s with x one of h l u t r m U q H s B b f a T M D L p {name}i {name}o {name}e'

function findAtom(token: string, name: string | undefined): Atom {
  const [, key, kind] = /^\{([^{}]+)\}([ioe])$/.exec(name ?? '') ?? []
  const atom = key === undefined ? ATOMS.get(name ?? '') : keyedAtom(key, kind)
  if (!atom) throw new BadLogFormat(token, ALLOWED)
  return atom
}

function keyedAtom(key: string, kind: string | undefined): Atom {
  const lower = key.toLowerCase()
  const upper = key.toUpperCase()
  if (kind === 'i') return ({ request }) => show(request.headers[lower])
  if (kind === 'o') return ({ headers }) => show(headers(lower))
  return ({ environ }) => show(environ?.[key] ?? environ?.[upper] ?? environ?.[lower])
}

const protocol = ({ request }: AccessEntry): string => `HTTP/${request.httpVersion}`
const microseconds = ({ milliseconds }: AccessEntry): number =>
  Math.max(0, Math.round(milliseconds * 1000))

const ATOMS = new Map<string, Atom>([
  ['h', (entry) => show(entry.remoteAddress || undefined)],
  ['l', () => '-'],
  ['u', ({ request }) => formatUser(request.headers.authorization)],
  ['t', (entry) => formatTime(entry.time)],
  ['r', (entry) => show(`${entry.request.method} ${entry.request.url} ${protocol(entry)}`)],
  ['m', ({ request }) => show(request.method)],
  ['U', (entry) => show(entry.environ?.PATH_INFO ?? pathOf(entry.request.url ?? ''))],
  ['q', ({ request }) => show(queryOf(request.url ?? ''))],
  ['H', (entry) => show(protocol(entry))],
  ['s', (entry) => String(entry.statusCode)],
  ['B', (entry) => String(entry.bytes)],
  ['b', (entry) => String(entry.bytes)],
  ['f', ({ request }) => show(request.headers.referer)],
  ['a', ({ request }) => show(request.headers['user-agent'])],
  ['T', (entry) => String(Math.floor(microseconds(entry) / 1e6))],
  ['M', (entry) => String(Math.floor(microseconds(entry) / 1e3))],
  ['D', (entry) => String(microseconds(entry))],
  ['L', (entry) => (microseconds(entry) / 1e6).toFixed(6)],
  ['p', () => `<${process.pid}>`],
])

const UNSAFE = /[^\x20\x21\x23-\x5b\x5d-\x7e]/

function show(value: unknown): string {
  const text = Array.isArray(value) ? value.join(', ') : value
  if (typeof text !== 'string') return '-'
  return UNSAFE.test(text) ? text.replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, escapeCharacter) : text
}

function escapeCharacter(character: string): string {
  if (character === '"' || character === '\\') return `\\${character}`
  const hex = character.charCodeAt(0).toString(16).toUpperCase()
  return hex.length > 2 ? `\\u${hex.padStart(4, '0')}` : `\\x${hex.padStart(2, '0')}`
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true })

// The user stands outside quotes in the common format, so that a space would shift the fields.
function formatUser(authorization: unknown): string {
  const [, encoded] = /^basic +([\w+/=-]+) *$/i.exec(String(authorization)) ?? []
  if (encoded === undefined) return '-'
  const bytes = Buffer.from(encoded, 'base64')
  const colon = bytes.indexOf(':')
  try {
    const user = colon < 0 ? '' : strictUtf8.decode(bytes.subarray(0, colon))
    return show(user || undefined).replaceAll(' ', '\\x20')
  } catch {
    return '-' // not UTF-8: gunicorn shows no user either
  }
}

const queryOf = (url: string): string => {
  const mark = url.indexOf('?')
  return mark < 0 ? '' : url.slice(mark + 1)
}

// PATH_INFO: bytes of the decoded path as latin-1 characters (PEP 3333).
function pathOf(url: string): string {
  const [, path = ''] = /^(?:https?:\/\/[^/?]*)?([^?]*)/i.exec(url) ?? []
  if (!path.includes('%')) return path || '/'
  return path.replace(/%([\da-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
}

const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')
let timeSecond = Number.NaN
let timeText = ''

function formatTime(time: Date): string {
  const second = Math.floor(time.getTime() / 1000)
  if (second === timeSecond) return timeText
  const day = `${pad(time.getDate())}/${MONTHS[time.getMonth()]}/${time.getFullYear()}`
  const clock = `${pad(time.getHours())}:${pad(time.getMinutes())}:${pad(time.getSeconds())}`
  timeSecond = second
  timeText = `[${day}:${clock} ${utcOffset(time)}]`
  return timeText
}
