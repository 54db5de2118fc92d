import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { originOf, unmapped } from '../../../core/index.ts'
import { buildEnviron, environKey, percentDecode, rememberConnection } from '../environ.ts'
import type { Environ, Input } from './application.ts'
import { type Base, createEnviron, firstPairs } from './environ.ts'

/**
 * The environ of a request that is served in this process, without the detour of a text but for TLS, Unix sockets, and
 * what has come through a proxy.
 * @returns undefined where the request cannot be expressed: a NUL in its path.
 */
export function requestEnviron(
  request: IncomingMessage,
  length: number | undefined,
  rootPath: string,
  base: Base,
  input: Input,
): Environ | undefined {
  if (!isPlain(request)) {
    const text = buildEnviron(request, length, rootPath)
    return text === undefined ? undefined : createEnviron(text, base, input)
  }
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

/** @returns what gives the same as text, which is made only then. That may be when the client has left. */
export function environText(
  request: IncomingMessage,
  length: number | undefined,
  rootPath: string,
): () => string {
  const build = () => buildEnviron(request, length, rootPath) ?? ''
  if (isPlain(request)) {
    rememberConnection(request)
    return build
  }
  const text = build()
  return () => text
}

function isPlain(request: IncomingMessage): boolean {
  const socket = request.socket as TLSSocket
  if (known.has(socket)) return originOf(request) === undefined
  return originOf(request) === undefined && !socket.encrypted && socket.localAddress !== undefined
}

type Ends = Pick<
  ReturnType<typeof firstPairs>,
  'SERVER_NAME' | 'SERVER_PORT' | 'REMOTE_ADDR' | 'REMOTE_PORT'
>

/** Who talks to whom is the same for all requests of a connection. */
const known = new WeakMap<object, Ends>()

function setEnds(environ: Ends, { socket }: IncomingMessage): void {
  const ends = known.get(socket) ?? learnEnds(socket)
  environ.SERVER_NAME = ends.SERVER_NAME
  environ.SERVER_PORT = ends.SERVER_PORT
  environ.REMOTE_ADDR = ends.REMOTE_ADDR
  environ.REMOTE_PORT = ends.REMOTE_PORT
}

function learnEnds(socket: Socket): Ends {
  const { localAddress = '', localPort, remoteAddress = '', remotePort } = socket
  const ends: Ends = {
    SERVER_NAME: unmapped(localAddress),
    SERVER_PORT: String(localPort),
    REMOTE_ADDR: unmapped(remoteAddress),
    REMOTE_PORT: String(remotePort ?? ''),
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
