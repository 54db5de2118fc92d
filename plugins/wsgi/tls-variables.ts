import type { X509Certificate } from 'node:crypto'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

/** What is known of a TLS connection is the same for all of its requests. */
const known = new WeakMap<object, string>()

/** The part of an environ that says what Apache's and nginx's variables say of TLS; '' without TLS. */
export function tlsVariables(socket: Socket): string {
  if (!(socket as TLSSocket).encrypted) return ''
  let text = known.get(socket)
  if (text === undefined) {
    text = describe(socket as TLSSocket)
    known.set(socket, text)
  }
  return text
}

/** Of handshakes, most are alike. */
const usual = new Map<string, string>()
/** Clients choose the names that they send. */
const MOST_USUAL = 256

function describe(socket: TLSSocket): string {
  const certificate = socket.getPeerX509Certificate()
  const handshake = describeHandshake(socket)
  if (certificate) return format(handshake) + format(describeClient(socket, certificate))
  const key = Object.values(handshake).join('\n')
  let text = usual.get(key)
  if (text === undefined) {
    text = format({ ...handshake, SSL_CLIENT_VERIFY: 'NONE' })
    if (usual.size >= MOST_USUAL) usual.clear()
    usual.set(key, text)
  }
  return text
}

/** Names are of ASCII (RFC 6066 §3), yet OpenSSL takes whatever a client sends but for NUL. */
const NAME = /^[!-~]+$/

function describeHandshake(socket: TLSSocket): Record<string, string> {
  const sni = socket.servername
  return {
    SSL_PROTOCOL: socket.getProtocol() ?? '',
    SSL_CIPHER: socket.getCipher()?.name ?? '',
    ...(typeof sni === 'string' && NAME.test(sni) && { SSL_TLS_SNI: sni }),
    SSL_SESSION_RESUMED: socket.isSessionReused() ? 'Resumed' : 'Initial',
  }
}

function describeClient(socket: TLSSocket, certificate: X509Certificate): Record<string, string> {
  const { authorizationError: fault } = socket
  return {
    SSL_CLIENT_VERIFY: socket.authorized ? 'SUCCESS' : `FAILED:${fault}`,
    SSL_CLIENT_S_DN: distinguishedName(certificate.subject),
    SSL_CLIENT_I_DN: distinguishedName(certificate.issuer),
    SSL_CLIENT_M_SERIAL: certificate.serialNumber,
    SSL_CLIENT_V_START: certificate.validFrom,
    SSL_CLIENT_V_END: certificate.validTo,
    SSL_CLIENT_CERT: pemOf(certificate),
  }
}

/** In the form of RFC 2253. Node has a line for each part, in the certificate's order, escaped already. */
const distinguishedName = (lines = '') =>
  lines
    .split('\n')
    .reverse()
    .map((line) => line.replaceAll(' + ', '+'))
    .join(',')

const pemOf = (certificate: X509Certificate) => certificate.toString().trimEnd()

/** PEP 3333: bytes of UTF-8 as latin-1 characters. */
const native = (text: string) => Buffer.from(text, 'utf8').toString('latin1')

function format(variables: Record<string, string>): string {
  let text = ''
  for (const [name, value] of Object.entries(variables)) {
    text += `\0${name}\0${native(value).replaceAll('\0', '')}`
  }
  return text
}
