import { createPrivateKey, type KeyObject, type X509Certificate } from 'node:crypto'
import { BadKey } from './errors.ts'
import { isWorldReadable, readText } from './files.ts'

/** A private key, and where it was found. */
export interface PrivateKey {
  readonly file: string
  readonly key: KeyObject
  readonly isExposed: boolean
}

const KEYS = /-----BEGIN ([A-Z ]*)PRIVATE KEY-----[^-]+-----END \1PRIVATE KEY-----/g

/** Reads all keys of these files. @throws WSGI_CORE_TLS_BAD_KEY */
export function loadKeys(files: readonly string[], passphrases: readonly string[]): PrivateKey[] {
  return files.flatMap((file) => {
    const blocks = readText(file).match(KEYS)
    if (!blocks) throw new BadKey(file, 'no private key in PEM is in it')
    const isExposed = isWorldReadable(file)
    return blocks.map((pem) => ({ file, key: parse(file, pem, passphrases), isExposed }))
  })
}

function parse(file: string, pem: string, passphrases: readonly string[]): KeyObject {
  const isEncrypted = pem.includes('ENCRYPTED')
  if (isEncrypted && passphrases.length === 0) {
    throw new BadKey(file, 'it is encrypted; give the passphrase by --keyfile-password-file')
  }
  for (const passphrase of isEncrypted ? passphrases : ['']) {
    try {
      return createPrivateKey({ key: pem, passphrase })
    } catch (error) {
      if (!isEncrypted) throw new BadKey(file, (error as Error).message)
    }
  }
  throw new BadKey(file, 'no line of --keyfile-password-file is its passphrase')
}

export const findKey = (certificate: X509Certificate, keys: readonly PrivateKey[]) =>
  keys.find(({ key }) => certificate.checkPrivateKey(key))
