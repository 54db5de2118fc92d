import { createHash, X509Certificate } from 'node:crypto'
import type { Http2Settings } from '../../core/index.ts'
import type { CertReqs, TlsOptions } from './config.ts'
import { Contexts } from './contexts.ts'
import { BadSetting } from './errors.ts'
import { splitChain } from './identity.ts'
import type { Material } from './material.ts'
import { protocolOptions } from './profiles.ts'
import type { Terms } from './secure-socket.ts'

/** One configuration of TLS: what new handshakes go by. */
export interface Settings {
  readonly contexts: Contexts
  readonly handshake: Pick<Terms['options'], 'ALPNProtocols' | 'requestCert' | 'rejectUnauthorized'>
  /** OCSP responses by certificate, DER in hexadecimal; empty where there are none. */
  readonly staples: ReadonlyMap<string, Buffer>
  readonly certReqs: CertReqs
  readonly http2: Http2Settings | undefined
  /** HTTP/1.1 is offered. */
  readonly hasHttp1: boolean
  readonly plainRequests: TlsOptions['plainRequests']
}

/** @throws WSGI_CORE_TLS_BAD_SETTING */
export function createSettings(options: TlsOptions, material: Material): Settings {
  const certReqs = checkCertReqs(options)
  const ca = material.ca === undefined ? [] : splitChain(material.ca)
  const ticketKeys = Buffer.from(material.ticketKey, 'base64')
  const sessionIdContext = contextOf(certReqs, material.ca)
  const common = { ...protocolOptions(options), ca, ticketKeys, sessionIdContext }
  return {
    contexts: new Contexts(material.identities, common, options.unknownNames === 'refuse'),
    handshake: {
      requestCert: certReqs !== 'none',
      rejectUnauthorized: certReqs === 'required',
      ALPNProtocols: alpn(options),
    },
    staples: staplesOf(material),
    certReqs,
    http2: options.httpProtocols.includes('h2') ? http2Settings(options) : undefined,
    hasHttp1: options.httpProtocols.includes('h1'),
    plainRequests: options.plainRequests,
  }
}

const NAMES: Readonly<Record<string, readonly string[]>> = {
  h2: ['h2'],
  h1: ['http/1.1', 'http/1.0'],
}

/** As it is on the wire (RFC 7301 §3.1), which spares Node to make it for each connection. */
const alpn = ({ httpProtocols }: TlsOptions): Buffer =>
  Buffer.concat(
    httpProtocols
      .flatMap((name) => NAMES[name] as readonly string[])
      .map((id) => Buffer.from(`${String.fromCharCode(id.length)}${id}`)),
  )

/** gunicorn's number, too: a config file may hold one. */
const kindOf = (value: string): CertReqs =>
  (['none', 'optional', 'required'] as const)[Number(value)] ?? (value as CertReqs)

function checkCertReqs({ certReqs, caCerts }: TlsOptions): CertReqs {
  const kind = kindOf(certReqs)
  if (kind === 'none' || caCerts !== null) return kind
  throw new BadSetting('cert-reqs', 'no authority is given that signs them; add --ca-certs')
}

/** A session made under other rules for clients' certificates is not resumed. At most 32 bytes. */
const contextOf = (certReqs: CertReqs, ca = '') =>
  createHash('sha256').update(`${certReqs}\n${ca}`).digest('hex').slice(0, 32)

function staplesOf({ identities }: Material): Map<string, Buffer> {
  const pairs = identities.flatMap(({ leaf, staple }): [string, Buffer][] => {
    if (staple === undefined) return []
    return [[new X509Certificate(leaf).raw.toString('hex'), Buffer.from(staple, 'base64')]]
  })
  return new Map(pairs)
}

const LARGEST_WINDOW = 2 ** 31 - 1
const FRAMES = [16_384, 16_777_215] as const

/** @throws WSGI_CORE_TLS_BAD_SETTING */
export function http2Settings(options: TlsOptions): Http2Settings {
  const { http2InitialWindowSize: window, http2MaxFrameSize: frame } = options
  if (window > LARGEST_WINDOW) {
    throw new BadSetting('http2-initial-window-size', `it is more than ${LARGEST_WINDOW}`)
  }
  if (frame < FRAMES[0] || frame > FRAMES[1]) {
    throw new BadSetting('http2-max-frame-size', `it is not from ${FRAMES[0]} to ${FRAMES[1]}`)
  }
  return {
    maxConcurrentStreams: options.http2MaxConcurrentStreams,
    initialWindowSize: window,
    maxFrameSize: frame,
    maxHeaderListSize: options.http2MaxHeaderListSize,
  }
}
