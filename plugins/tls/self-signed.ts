import { hostname } from 'node:os'
import type { Identity } from './identity.ts'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const DAYS = 30
const DAY = 86_400_000

/** Makes a certificate for this machine's own names, for development. The library is loaded only here. */
export async function makeSelfSigned(): Promise<Identity> {
  await import('reflect-metadata') // which the library asks for
  const x509 = await import('@peculiar/x509')
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const names = ['localhost', hostname().toLowerCase()].map((value) => ({ type: 'dns', value }))
  const addresses = ['127.0.0.1', '::1'].map((value) => ({ type: 'ip', value }))
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=localhost, O=wsgi-core development',
    notBefore: new Date(Date.now() - DAY),
    notAfter: new Date(Date.now() + DAYS * DAY),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.SubjectAlternativeNameExtension([...names, ...addresses] as never),
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
    ],
  })
  const leaf = certificate.toString('pem')
  const pkcs8 = await crypto.subtle.exportKey('pkcs8', keys.privateKey)
  return { file: 'self-signed', leaf, chain: leaf, key: toPem(pkcs8) }
}

function toPem(bytes: ArrayBuffer): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return ['-----BEGIN PRIVATE KEY-----', ...lines, '-----END PRIVATE KEY-----', ''].join('\n')
}
