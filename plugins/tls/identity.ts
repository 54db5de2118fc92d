import { X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { BadCertificate, BadKey } from './errors.ts'
import { isWorldReadable, readBytes, readText } from './files.ts'
import { findKey, type PrivateKey } from './keys.ts'

/** A certificate with its key: what a server can show. */
export interface Identity {
  readonly file: string
  /** Of the certificate itself, PEM. */
  readonly leaf: string
  /** PEM, with those that lead to its root; absent: all is in `pkcs12`. */
  readonly chain?: string
  readonly key?: string
  readonly pkcs12?: { readonly bytes: string; readonly passphrase: string }
  /** The key's file can be read by everybody. */
  readonly exposedKey?: string | undefined
  /** OCSP response, base64. */
  readonly staple?: string | undefined
}

const CERTIFICATES = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** The certificates in a PEM text. */
export const splitChain = (pem: string): string[] => pem.match(CERTIFICATES) ?? []

/** @throws WSGI_CORE_TLS_BAD_CERTIFICATE, WSGI_CORE_TLS_BAD_KEY */
export function loadPem(file: string, keys: readonly PrivateKey[]): Identity {
  const [leaf, ...others] = splitChain(readText(file))
  if (leaf === undefined) throw new BadCertificate(file, 'no certificate in PEM is in it')
  const certificates = [leaf, ...others].map((pem) => parseCertificate(file, pem))
  const found = findKey(certificates[0] as X509Certificate, keys)
  if (!found) throw mismatch(file, certificates, keys)
  const { key, isExposed } = found
  return {
    file,
    leaf,
    chain: [leaf, ...others].join('\n'),
    key: key.export({ format: 'pem', type: 'pkcs8' }) as string,
    exposedKey: isExposed ? found.file : undefined,
  }
}

function mismatch(
  file: string,
  certificates: readonly X509Certificate[],
  keys: readonly PrivateKey[],
): Error {
  const isLater = certificates.some((each) => findKey(each, keys))
  if (isLater) {
    return new BadCertificate(file, "the chain is in the wrong order; the server's own comes first")
  }
  const files = [...new Set(keys.map((key) => key.file))].join("', '")
  return new BadKey(
    files,
    `it does not belong to certificate '${file}'; give the one it was made for`,
  )
}

/** @throws WSGI_CORE_TLS_BAD_CERTIFICATE */
export function parseCertificate(file: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch (error) {
    throw Object.assign(new BadCertificate(file, 'it is damaged'), { cause: error })
  }
}

/** @throws WSGI_CORE_TLS_BAD_CERTIFICATE */
export function loadPkcs12(file: string, passphrases: readonly string[]): Identity {
  const bytes = readBytes(file)
  const reasons: string[] = []
  for (const passphrase of [...passphrases, '']) {
    try {
      const { context } = createSecureContext({ pfx: bytes, passphrase })
      const leaf = new X509Certificate(context.getCertificate() as Buffer).toString()
      const pkcs12 = { bytes: bytes.toString('base64'), passphrase }
      return { file, leaf, pkcs12, exposedKey: isWorldReadable(file) ? file : undefined }
    } catch (error) {
      reasons.push((error as Error).message)
    }
  }
  const isLocked = reasons.some((reason) => /mac verify|password/i.test(reason))
  throw new BadCertificate(
    file,
    isLocked ? 'no line of --keyfile-password-file is its passphrase' : (reasons[0] as string),
  )
}
