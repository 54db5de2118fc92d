// Certificates for the tests, made by openssl.
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type Kind = 'ec' | 'rsa' | 'weak' | 'ed25519'

export interface CertificateOptions {
  readonly names?: readonly string[]
  readonly kind?: Kind
  /** As openssl's -days; below 0 it has expired. */
  readonly days?: number
  /** `YYYYMMDDHHMMSSZ`, instead of now. */
  readonly from?: string
  readonly subject?: string
  /** A client's. */
  readonly isClient?: boolean
  readonly passphrase?: string
}

export interface Issued {
  readonly cert: string
  readonly key: string
}

const KINDS: Record<Kind, readonly string[]> = {
  ec: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  rsa: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
  /** Less than OpenSSL takes. */
  weak: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:512'],
  ed25519: ['-algorithm', 'ED25519'],
}

/** A folder with an authority, and what it has issued. */
export class Authority {
  readonly folder = mkdtempSync(join(tmpdir(), 'wsgi-core-tls-'))
  readonly ca: string
  #count = 0

  constructor() {
    this.ca = this.path('ca.pem')
    this.#key('ca', 'ec')
    const subject = ['-subj', '/CN=Test Authority', '-days', '3650', '-out', this.ca]
    const uses = ['-addext', 'keyUsage=critical,keyCertSign,cRLSign']
    this.openssl('req', '-x509', '-new', '-key', this.path('ca.key'), ...subject, ...uses)
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  read(name: string): string {
    return readFileSync(this.path(name), 'utf8')
  }

  write(name: string, text: string | Buffer, mode = 0o600): string {
    writeFileSync(this.path(name), text, { mode })
    chmodSync(this.path(name), mode)
    return this.path(name)
  }

  openssl(...args: string[]): Buffer {
    return execFileSync('openssl', args, { cwd: this.folder, stdio: ['ignore', 'pipe', 'pipe'] })
  }

  /** A certificate under this name, `NAME.pem` and `NAME.key`. */
  issue(name: string, options: CertificateOptions = {}): Issued {
    const { names = ['localhost'], kind = 'ec', days = 30, subject = `/CN=${names[0]}` } = options
    this.#key(name, kind, options.passphrase)
    const pass = options.passphrase ? ['-passin', `pass:${options.passphrase}`] : []
    const [key, request, cert] = ['key', 'csr', 'pem'].map((kind) => this.path(`${name}.${kind}`))
    this.openssl(
      'req',
      '-new',
      '-key',
      key as string,
      ...pass,
      '-subj',
      subject,
      '-out',
      request as string,
    )
    const usage = options.isClient ? 'clientAuth' : 'serverAuth'
    const list = [...names.map((each) => (isAddress(each) ? `IP:${each}` : `DNS:${each}`))]
    const extensions = [
      ...(options.isClient ? [] : [`subjectAltName=${list.join(',')}`]),
      `extendedKeyUsage=${usage}`,
      'basicConstraints=critical,CA:FALSE',
      'authorityKeyIdentifier=keyid',
    ]
    this.write(`${name}.ext`, extensions.join('\n'))
    this.#sign(request as string, cert as string, `${name}.ext`, days, options.from)
    return { cert: cert as string, key: key as string }
  }

  /** Both in one file. */
  pkcs12(name: string, passphrase: string): string {
    const file = this.path(`${name}.p12`)
    const from = ['-in', this.path(`${name}.pem`), '-inkey', this.path(`${name}.key`)]
    this.openssl('pkcs12', '-export', ...from, '-out', file, '-passout', `pass:${passphrase}`)
    chmodSync(file, 0o600)
    return file
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }

  #sign(request: string, cert: string, extensions: string, days: number, from?: string): void {
    const ca = ['-CA', this.ca, '-CAkey', this.path('ca.key'), '-set_serial', `${++this.#count}`]
    if (days >= 0 && from === undefined) {
      const out = ['-extfile', this.path(extensions), '-out', cert]
      this.openssl('x509', '-req', '-in', request, ...ca, '-days', `${days}`, ...out)
    } else this.#signAtOtherTimes(request, cert, extensions, days, from)
  }

  /** `openssl x509` of OpenSSL 3.0 issues from now on alone. */
  #signAtOtherTimes(request: string, cert: string, ext: string, days: number, from?: string): void {
    this.write('index.txt', '')
    this.write('serial', `0${++this.#count}`)
    this.write(
      'ca.cnf',
      '[ca]\ndefault_ca=own\n[own]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\n' +
        'policy=any\nunique_subject=no\n[any]\ncommonName=optional\n',
    )
    const begin = from ?? '20200101000000Z'
    const end = from ? '20991231235959Z' : stamp(Date.now() + days * 86_400_000)
    const times = ['-startdate', begin, '-enddate', end]
    const keys = ['-cert', this.ca, '-keyfile', this.path('ca.key'), '-config', this.path('ca.cnf')]
    const out = ['-extfile', this.path(ext), '-out', cert, '-notext', '-batch']
    this.openssl('ca', '-in', request, ...keys, ...times, ...out)
  }

  #key(name: string, kind: Kind, passphrase?: string): void {
    const lock = passphrase ? ['-aes256', '-pass', `pass:${passphrase}`] : []
    const file = this.path(`${name}.key`)
    this.openssl('genpkey', ...KINDS[kind], ...lock, '-out', file)
    chmodSync(file, 0o600)
  }
}

const isAddress = (name: string) => /^[\d.]+$|:/.test(name)

const stamp = (time: number) => `${new Date(time).toISOString().replace(/\D/g, '').slice(0, 14)}Z`
