import { resolve } from 'node:path'
import type { TlsOptions } from './config.ts'
import { readText } from './files.ts'
import { type Identity, loadPem, loadPkcs12 } from './identity.ts'
import { loadKeys } from './keys.ts'
import { readStaple } from './staple.ts'

/** What is read from files, in a form that goes from one process to another: fronts read none. */
export interface Material {
  readonly identities: readonly Identity[]
  /** Authorities of clients' certificates, PEM. */
  readonly ca: string | undefined
  /** 48 bytes, base64. */
  readonly ticketKey: string
}

/** All files that count, as absolute paths. */
export function filesOf(options: TlsOptions, cwd: string): string[] {
  const { certfile, keyfile, pkcs12, staplingFile, caCerts, keyfilePasswordFile } = options
  const alone = [caCerts, keyfilePasswordFile].filter((file) => file !== null)
  return [...certfile, ...keyfile, ...pkcs12, ...staplingFile, ...alone].map((file) =>
    resolve(cwd, file),
  )
}

/**
 * Reads certificates and keys.
 * @throws WSGI_CORE_TLS_BAD_CERTIFICATE, WSGI_CORE_TLS_BAD_KEY, WSGI_CORE_TLS_BAD_FILE
 */
export function readIdentities(options: TlsOptions, cwd: string): Identity[] {
  const path = (file: string) => resolve(cwd, file)
  const passphrases = readPassphrases(options.keyfilePasswordFile, path)
  const keyfiles = options.keyfile.length > 0 ? options.keyfile : options.certfile
  const keys = options.certfile.length > 0 ? loadKeys(keyfiles.map(path), passphrases) : []
  const pem = options.certfile.map((file) => loadPem(path(file), keys))
  const pkcs12 = options.pkcs12.map((file) => loadPkcs12(path(file), passphrases))
  const staples = options.staplingFile.map((file) => readStaple(path(file)))
  return [...pem, ...pkcs12].map((identity, index) => ({ ...identity, staple: staples[index] }))
}

/** nginx's form: one a line, each is tried. */
function readPassphrases(file: string | null, path: (file: string) => string): string[] {
  if (file === null) return []
  return readText(path(file))
    .split(/\r?\n/)
    .filter((line) => line !== '')
}
