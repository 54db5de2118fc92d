import type { IncomingMessage } from 'node:http'
import { inOnePiece, type Origin, originOf, schemeOf, unmapped } from '../../core/index.ts'
import { tlsVariables } from './tls-variables.ts'

/** Pieces that most environs have: a text of few long ones is written sooner than one of many short ones. */
const GET = 'REQUEST_METHOD\0GET\0SCRIPT_NAME\0'
const NO_QUERY = '\0QUERY_STRING\0\0RAW_URI\0'
const HTTP_1_1 = '\0SERVER_PROTOCOL\0HTTP/1.1'

/**
 * Builds the text of the environ (PEP 3333, RFC 3875): `KEY\0VALUE\0…`, latin-1, quicker than any object. Keys as
 * gunicorn gives them; what is the same for each request is the worker's.
 * @returns undefined where the request cannot be expressed: a NUL in its path.
 */
export function buildEnviron(
  request: IncomingMessage,
  bodyLength: number | undefined,
  rootPath = '',
): string | undefined {
  const { method, url = '/', rawHeaders } = request
  const origin = originOf(request)
  const question = url.indexOf('?')
  const rawPath = url.slice(rootPath.length, question < 0 ? url.length : question)
  const path = rawPath.includes('%') ? percentDecode(rawPath) : rawPath
  if (path.includes('\0')) return undefined
  const scriptName = origin?.prefix === undefined ? rootPath : origin.prefix + rootPath
  const begin = method === 'GET' ? GET : `REQUEST_METHOD\0${method}\0SCRIPT_NAME\0`
  const query = question < 0 ? NO_QUERY : `\0QUERY_STRING\0${url.slice(question + 1)}\0RAW_URI\0`
  return (
    `${begin}${scriptName}\0PATH_INFO\0${path}${query}${url}\0REQUEST_URI\0${url}` +
    `${protocol(request, origin)}${connection(request, origin)}${fields(rawHeaders, bodyLength)}\0`
  )
}

function protocol({ httpVersion }: IncomingMessage, origin: Origin | undefined): string {
  const isUsual = origin?.protocol === undefined && httpVersion === '1.1'
  return isUsual ? HTTP_1_1 : `\0SERVER_PROTOCOL\0${origin?.protocol ?? `HTTP/${httpVersion}`}`
}

/** As Apache's CGI has it; a field of that name is `HTTP_HTTPS`. */
const HTTPS = '\0HTTPS\0on'

/** Whether a target lies under this path, which ends without a slash: by segments, not by characters. */
export const isUnder = (url = '/', path: string) =>
  url.startsWith(path) && (url.length === path.length || '/?'.includes(url[path.length] as string))

/** Each `%XX` becomes that byte, as a latin-1 character; what is no such triple stays (as urllib's unquote does). */
export function percentDecode(path: string): string {
  return path.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
}

interface Known {
  readonly text: string
}

/** What the connection says, of TLS and of who talks to whom, is the same for all of its requests. */
const known = new WeakMap<object, Known>()

/** A socket that is closed tells no more. */
export function rememberConnection(request: IncomingMessage): void {
  connection(request, undefined)
}

function connection(request: IncomingMessage, origin: Origin | undefined): string {
  if (origin) return transport(request) + (origin.text ?? originEnds(request, origin))
  return known.get(request.socket)?.text ?? describeConnection(request)
}

function describeConnection(request: IncomingMessage): string {
  const { localAddress, localPort, remoteAddress, remotePort = '' } = request.socket
  if (localAddress === undefined) return transport(request) + unixEnds(request)
  const text = inOnePiece(
    `${transport(request)}\0REMOTE_ADDR\0${unmapped(remoteAddress)}\0REMOTE_PORT\0${remotePort}` +
      `\0SERVER_NAME\0${unmapped(localAddress)}\0SERVER_PORT\0${localPort}`,
  )
  known.set(request.socket, { text })
  return text
}

function transport(request: IncomingMessage): string {
  const scheme = schemeOf(request)
  const https = scheme === 'https' ? HTTPS : ''
  return `\0wsgi.url_scheme\0${scheme}${https}${tlsVariables(request.socket)}`
}

/** A request that came through somebody else: several may have the same origin. */
function originEnds(request: IncomingMessage, origin: Origin): string {
  const { address, port, common } = origin
  let text = `\0REMOTE_ADDR\0${address}`
  if (port !== '') text += `\0REMOTE_PORT\0${port}`
  // over a Unix socket the server's name is the one that this client used
  if (request.socket.localAddress === undefined) return text + commonEnds(request, origin)
  if (common === undefined) text += commonEnds(request, origin)
  else text += common.text ??= commonEnds(request, origin)
  origin.text = text
  return text
}

function commonEnds(request: IncomingMessage, origin: Origin): string {
  const { scheme, serverName, serverPort, variables } = origin
  const { localAddress, localPort } = request.socket
  const [name, port] =
    localAddress === undefined
      ? unixServer(request.headers.host ?? '', scheme)
      : [unmapped(localAddress), localPort]
  const added = variables.map(([name, value]) => `\0${name}\0${value}`).join('')
  return `${added}\0SERVER_NAME\0${serverName ?? name}\0SERVER_PORT\0${serverPort ?? port}`
}

function unixEnds(request: IncomingMessage): string {
  const [name, port] = unixServer(request.headers.host ?? '', schemeOf(request))
  return `\0REMOTE_ADDR\0\0SERVER_NAME\0${name}\0SERVER_PORT\0${port}`
}

/** Over a Unix socket nobody has an address: the name is the one that the client used, as in gunicorn. */
function unixServer(host: string, scheme: string): [name: string, port: string] {
  const [, name = '', port] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(host) ?? []
  return [name || 'localhost', port ?? (scheme === 'https' ? '443' : '80')]
}

/** The environ's name for a field, and the pair that it was last seen in. */
interface Key {
  /** '' for a field that is not passed. */
  readonly name: string
  readonly prefix: string
  /** Whether a value may be kept: what one client keeps secret is not compared with what others send. */
  readonly keeps: boolean
  value: string
  /** In one piece. */
  pair: string
  /** Other values than that, so far. */
  others: number
}

/** By field name as it was sent; bounded, as clients choose the names. */
const keys = new Map<string, Key>()
const MAX_KEYS = 1000
/** Longer names are not worth it. */
const LONGEST = 64
const SECRETS = new Set(['HTTP_COOKIE', 'HTTP_AUTHORIZATION', 'HTTP_PROXY_AUTHORIZATION'])
/** Longer values are seldom the same twice. */
const MAX_KEPT_VALUE = 256
/** To keep a value costs more than it spares once: so it is done for one in so many. */
const KEEP_EVERY = 16

/** '' for a field that is not passed. */
export const environKey = (field: string): string => keyOf(field).name

function keyOf(field: string): Key {
  const known = keys.get(field)
  if (known !== undefined) return known
  if (keys.size >= MAX_KEYS || field.length > LONGEST) return newKey(field, false)
  const kept = inOnePiece(field)
  const key = newKey(kept, true)
  keys.set(kept, key)
  return key
}

function newKey(field: string, isKept: boolean): Key {
  const name = newName(field)
  const prefix = `\0${name}\0`
  return { name, prefix, keeps: isKept && !SECRETS.has(name), value: '', pair: prefix, others: 0 }
}

/** A name with an underscore could pass for another (`X_Forwarded_For`): dropped, as by gunicorn and nginx. */
function newName(field: string): string {
  const name = field.toUpperCase().replaceAll('-', '_')
  if (field.includes('_') || name === 'TRANSFER_ENCODING') return ''
  if (name === 'CONTENT_LENGTH') return ''
  return name === 'CONTENT_TYPE' ? name : `HTTP_${name}`
}

/** Many fields are the same in request after request. */
function pairOf(key: Key, value: string): string {
  if (key.value === value) return key.pair
  if (!key.keeps || value.length > MAX_KEPT_VALUE) return key.prefix + value
  if (key.others++ % KEEP_EVERY === 0) {
    key.pair = inOnePiece(key.prefix + value)
    key.value = key.pair.slice(key.prefix.length)
    return key.pair
  }
  return key.prefix + value
}

/** Keys of the fields of the request at hand; used again for each, as building is never interrupted. */
const found: (Key | undefined)[] = []

/** The header fields; the values of repeated ones are joined (RFC 9110 §5.3, for cookies RFC 6265 §4.2.1). */
function fields(raw: readonly string[], bodyLength: number | undefined): string {
  const count = raw.length / 2
  for (let index = 0; index < count; index++) found[index] = keyOf(raw[index * 2] as string)
  let text = bodyLength === undefined ? '' : `\0CONTENT_LENGTH\0${bodyLength}`
  for (let index = 0; index < count; index++) {
    const key = found[index]
    if (key === undefined || key.name === '') continue
    text += pairOf(key, raw[index * 2 + 1] as string)
    for (let later = index + 1; later < count; later++) {
      if (found[later]?.name !== key.name) continue
      text += `${key.name === 'HTTP_COOKIE' ? '; ' : ','}${raw[later * 2 + 1]}`
      found[later] = undefined
    }
  }
  return text
}

/** The environ as the `environ` hook sees it. */
export function parseEnviron(text: string): Map<string, string> {
  const parts = text.split('\0')
  const environ = new Map<string, string>()
  for (let index = 0; index + 1 < parts.length; index += 2) {
    environ.set(parts[index] as string, parts[index + 1] as string)
  }
  return environ
}

/** @throws where a pair holds a NUL. */
export function formatEnviron(environ: ReadonlyMap<string, string>): string {
  let text = ''
  for (const [key, value] of environ) {
    if (key.includes('\0') || value.includes('\0')) {
      throw new TypeError(`the environ's '${key.replaceAll('\0', '\\0')}' holds a NUL`)
    }
    text += `${key}\0${value}\0`
  }
  return text
}
