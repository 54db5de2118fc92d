import { isIPv4, isIPv6 } from 'node:net'
import { resolve } from 'node:path'
import { BadAddress } from './errors.ts'

/**
 * Where a server listens: an internet address, a Unix socket, or a descriptor that was inherited.
 */
export type Address =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'fd'; readonly fd: number }

export const DEFAULT_PORT = 8000

/**
 * Reads one `--bind` as gunicorn does. Stricter in what gunicorn takes by accident: an empty text,
 * a bare number, IPv6 without brackets and whatever follows a second colon are errors.
 */
export function parseBind(text: string): Address {
  if (text.startsWith('unix:')) return parseUnix(text)
  if (text.startsWith('fd://')) return parseDescriptor(text)
  return parseTcp(text)
}

/**
 * For people and logs: `http://127.0.0.1:8000`, `http://[::1]:8000`, `unix:/run/app.sock`,
 * `fd://3`.
 */
export function formatAddress(address: Address, scheme = 'http'): string {
  if (address.kind === 'unix') return `unix:${address.path}`
  if (address.kind === 'fd') return `fd://${address.fd}`
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  return `${scheme}://${host}:${address.port}`
}

/**
 * Equal for addresses that are one and the same listener, however written: a reload keeps it open.
 */
export function addressKey(address: Address): string {
  if (address.kind === 'unix') return `unix:${resolve(address.path)}`
  return formatAddress(address, 'tcp')
}

// sun_path with its closing NUL: 108 bytes on Linux, 104 on the BSDs and macOS.
export const LONGEST_PATH = process.platform === 'linux' ? 107 : 103

function parseUnix(text: string): Address {
  const path = text.replace(/^unix:(\/\/)?/, '')
  if (path === '') throw new BadAddress(text, 'the path is missing')
  if (path.includes('\0')) throw new BadAddress(text, 'the path has a NUL byte')
  const length = Buffer.byteLength(path)
  if (length > LONGEST_PATH) {
    throw new BadAddress(text, `the path has ${length} bytes, the system allows ${LONGEST_PATH}`)
  }
  return { kind: 'unix', path }
}

function parseDescriptor(text: string): Address {
  const digits = text.slice('fd://'.length)
  if (!/^\d{1,7}$/.test(digits)) throw new BadAddress(text, 'the descriptor is not a number')
  return { kind: 'fd', fd: Number(digits) }
}

function parseTcp(text: string): Address {
  const netloc = text.startsWith('tcp://') ? text.slice('tcp://'.length) : text
  if (netloc === '') throw new BadAddress(text, 'it is empty')
  const bracketed = /^\[(.*)\](?::(.*))?$/s.exec(netloc)
  if (bracketed) {
    const host = canonicalIPv6(text, bracketed[1] ?? '')
    return { kind: 'tcp', host, port: parsePort(text, bracketed[2]) }
  }
  if (/:.*:/s.test(netloc) && isIPv6(netloc))
    throw new BadAddress(text, 'an IPv6 address needs brackets')
  const colon = netloc.indexOf(':')
  if (colon < 0) return { kind: 'tcp', host: parseHost(text, netloc), port: DEFAULT_PORT }
  const host = colon === 0 ? '0.0.0.0' : parseHost(text, netloc.slice(0, colon))
  return { kind: 'tcp', host, port: parsePort(text, netloc.slice(colon + 1)) }
}

function canonicalIPv6(text: string, host: string): string {
  if (!isIPv6(host)) throw new BadAddress(text, `'${host}' is not an IPv6 address`)
  const [ip = '', zone] = host.split('%', 2)
  const canonical = new URL(`http://[${ip}]`).hostname.slice(1, -1)
  return zone === undefined ? canonical : `${canonical}%${zone}`
}

function parseHost(text: string, host: string): string {
  if (/^\d+$/.test(host)) {
    throw new BadAddress(text, `'${host}' is a number, not a host (a port is written ':${host}')`)
  }
  if (/^[\d.]+$/.test(host) && !isIPv4(host)) {
    throw new BadAddress(text, `'${host}' is not an IPv4 address`)
  }
  if (!/^[a-z\d]([a-z\d._-]*[a-z\d.])?$/i.test(host) || host.length > 253) {
    throw new BadAddress(text, `'${host}' is not a host name`)
  }
  return host.toLowerCase()
}

function parsePort(text: string, port: string | undefined): number {
  if (port === undefined) return DEFAULT_PORT
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65535) {
    throw new BadAddress(text, `'${port}' is not a port from 0 to 65535`)
  }
  return Number(port)
}
