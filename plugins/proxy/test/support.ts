// Requests as the engine makes them, from peers that no test could connect from.
import { pino } from 'pino'
import { LeanRequest } from '../../../core/http/lean-request.ts'
import { buildEnviron, parseEnviron } from '../../wsgi/environ.ts'
import { Gate } from '../gate.ts'
import plugin from '../index.ts'
import { type ForwardedOptions, resolveSettings } from '../settings.ts'
import type { Case } from './cases.ts'

const DEFAULTS = Object.fromEntries(
  Object.entries(plugin.config).map(([key, definition]) => [key, definition.default]),
) as unknown as ForwardedOptions

export const gateWith = (options: Case['options'] = {}) =>
  new Gate(resolveSettings({ ...DEFAULTS, ...options }, pino({ enabled: false })))

/** What is asked of a connection over TLS. */
const TLS = {
  encrypted: true,
  getProtocol: () => 'TLSv1.3',
  getCipher: () => ({ name: 'TLS_AES_128_GCM_SHA256' }),
  isSessionReused: () => false,
  getPeerX509Certificate: () => undefined,
}

/** A connection from there. '' : whoever it was has left. */
export function socketFrom(peer: string, tls = false): never {
  const isUnix = peer === 'unix'
  const there = { remoteAddress: peer, remotePort: 50_000, remoteFamily: 'IPv4' }
  const here = { localAddress: '192.0.2.80', localPort: 8000 }
  return {
    destroyed: peer === '',
    ...(isUnix || peer === '' ? {} : there),
    ...(isUnix ? {} : here),
    ...(tls && TLS),
  } as never
}

/** A server and a connection to it, for one request or several. */
export const connectAs = ({ peer = '127.0.0.1', tls = false, options }: Partial<Case>) => ({
  gate: gateWith(options),
  socket: socketFrom(peer, tls),
})

/** What the application sees, and `hops`; or the `status` of a refusal. */
export function environOf(each: Case, { gate, socket } = connectAs(each)) {
  const { send } = each
  const raw = ['Host', 'inner:8000', 'Accept', '*/*']
  const dropped: string[] = []
  for (const [name, values] of Object.entries(send)) {
    for (const value of [values].flat()) (name.includes('_') ? dropped : raw).push(name, value)
  }
  const kept = dropped.length > 0 ? dropped : undefined
  const request = new LeanRequest('GET', '/cart', 1, raw, socket, undefined, kept)
  let status = ''
  const response = {
    writeHead(code: number) {
      status = String(code)
      return response
    },
    end: () => response,
  }
  gate.admit(request as never, response as never)
  if (status !== '') return new Map([['status', status]])
  const rootPath = request.origin?.rootPath ?? ''
  const environ = parseEnviron(buildEnviron(request as never, undefined, rootPath) as string)
  return environ.set('hops', request.origin?.hops.join(' ') ?? '')
}
