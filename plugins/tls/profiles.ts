import { constants } from 'node:crypto'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import type { TlsOptions } from './config.ts'
import { BadSetting } from './errors.ts'

/** Mozilla's, but for DHE, which Node has no parameters for, and which no client of today needs. */
const INTERMEDIATE = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
]
const TLS13 = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256']
const CURVES = 'X25519:prime256v1:secp384r1'

/** Versions, ciphers, curves. @throws WSGI_CORE_TLS_BAD_SETTING */
export function protocolOptions(options: TlsOptions): SecureContextOptions {
  const { profile, minVersion, ciphers, sessionTickets } = options
  const isModern = profile === 'modern'
  const least = minVersion === 'profile' ? (isModern ? '1.3' : '1.2') : minVersion
  const protocol: SecureContextOptions = {
    minVersion: `TLSv${least}`,
    maxVersion: 'TLSv1.3',
    ciphers: ciphers === null ? [...TLS13, ...INTERMEDIATE].join(':') : withTls13(ciphers),
    ecdhCurve: CURVES,
    // ours, but for clients that put ChaCha20 first, as they have no hardware for AES
    honorCipherOrder: true,
    secureOptions: secureOptions(sessionTickets),
  }
  try {
    createSecureContext({ ...protocol, ca: [] })
  } catch (error) {
    throw new BadSetting('ciphers', (error as Error).message)
  }
  return protocol
}

/** gunicorn's list says nothing of TLS 1.3. */
function withTls13(ciphers: string): string {
  return /\bTLS_/.test(ciphers) ? ciphers : [...TLS13, ciphers].join(':')
}

function secureOptions(sessionTickets: boolean): number {
  const { SSL_OP_NO_RENEGOTIATION, SSL_OP_NO_COMPRESSION } = constants
  const { SSL_OP_PRIORITIZE_CHACHA, SSL_OP_NO_TICKET } = constants
  const always = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_PRIORITIZE_CHACHA
  return sessionTickets ? always : always | SSL_OP_NO_TICKET
}
