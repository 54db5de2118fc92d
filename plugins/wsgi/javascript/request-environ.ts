import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { environKey, percentDecode, unmapped } from '../environ.ts'
import type { Environ, Input } from './application.ts'
import { type Base, firstPairs } from './environ.ts'

/**
 * The environ of a request that is served in this process, without the detour of a text.
 * @returns undefined where the request cannot be expressed: a NUL in its path.
 */
export function requestEnviron(
  request: IncomingMessage,
  length: number | undefined,
  rootPath: string,
  base: Base,
  input: Input,
): Environ | undefined {
  const { url = '/', rawHeaders } = request
  const question = url.indexOf('?')
  const rawPath = url.slice(rootPath.length, question < 0 ? url.length : question)
  const path = rawPath.includes('%') ? percentDecode(rawPath) : rawPath
  if (path.includes('\0')) return undefined
  const environ = firstPairs(base, input)
  environ.REQUEST_METHOD = request.method ?? ''
  environ.SCRIPT_NAME = rootPath
  environ.PATH_INFO = path
  environ.QUERY_STRING = question < 0 ? '' : url.slice(question + 1)
  environ.RAW_URI = url
  environ.REQUEST_URI = url
  environ.SERVER_PROTOCOL = request.httpVersion === '1.1' ? 'HTTP/1.1' : 'HTTP/1.0'
  setEnds(environ, request)
  addFields(environ, rawHeaders)
  if (length !== undefined) (environ as Environ).CONTENT_LENGTH = String(length)
  return environ
}

type Ends = Pick<
  ReturnType<typeof firstPairs>,
  'SERVER_NAME' | 'SERVER_PORT' | 'REMOTE_ADDR' | 'REMOTE_PORT' | 'wsgi.url_scheme'
>

/** Who talks to whom is the same for all requests of a connection. */
const known = new WeakMap<object, Ends>()

function setEnds(environ: Ends, { socket }: IncomingMessage): void {
  const ends = known.get(socket) ?? learnEnds(socket as TLSSocket)
  environ.SERVER_NAME = ends.SERVER_NAME
  environ.SERVER_PORT = ends.SERVER_PORT
  environ.REMOTE_ADDR = ends.REMOTE_ADDR
  environ.REMOTE_PORT = ends.REMOTE_PORT
  environ['wsgi.url_scheme'] = ends['wsgi.url_scheme']
}

function learnEnds(socket: TLSSocket): Ends {
  const { localAddress, localPort, remoteAddress = '', remotePort, encrypted } = socket
  const scheme = encrypted ? 'https' : 'http'
  const ends: Ends = {
    SERVER_NAME: unmapped(localAddress ?? 'localhost'),
    SERVER_PORT: String(localPort ?? (encrypted ? 443 : 80)),
    REMOTE_ADDR: unmapped(remoteAddress),
    REMOTE_PORT: String(remotePort ?? ''),
    'wsgi.url_scheme': scheme,
  }
  known.set(socket, ends)
  return ends
}

/** The values of repeated fields are joined (RFC 9110 §5.3, for cookies RFC 6265 §4.2.1). */
function addFields(environ: Record<string, unknown>, raw: readonly string[]): void {
  for (let at = 0; at < raw.length; at += 2) {
    const key = environKey(raw[at] as string)
    if (key === '') continue
    const before = environ[key]
    const value = raw[at + 1] as string
    if (before === undefined) environ[key] = value
    else environ[key] = `${before}${key === 'HTTP_COOKIE' ? '; ' : ','}${value}`
  }
}
