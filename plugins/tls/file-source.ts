import { resolve } from 'node:path'
import type { Core } from '../../core/index.ts'
import type { TlsOptions } from './config.ts'
import { BadCertificate, NoCertificate } from './errors.ts'
import { FileWatch, fingerprint } from './file-watch.ts'
import { readText } from './files.ts'
import { type Identity, parseCertificate, splitChain } from './identity.ts'
import { type Finding, inspect } from './inspection.ts'
import type { TlsLife } from './life.ts'
import { filesOf, type Material, readIdentities } from './material.ts'
import { makeSelfSigned } from './self-signed.ts'
import { createSettings } from './settings.ts'

/** Where certificates and keys come from. */
export interface Source {
  load(): Promise<Material>
  /** Tells of each change from then on, until the generation ends. */
  follow(changed: (material: Material) => void): void
}

const DAY = 86_400_000
/** setTimeout takes no more. */
const LONGEST = 2 ** 31 - 1

/** Reads files, says what is to be said of them, and sees them change. */
export class FileSource implements Source {
  readonly #core: Core
  readonly #options: TlsOptions
  readonly #life: TlsLife
  readonly #log: ReturnType<Core['logger']>
  readonly #name: string
  /** What was loaded last, and what its files held then. */
  #loaded: Material | undefined
  #seen = ''

  constructor(core: Core, name: string, options: TlsOptions, life: TlsLife) {
    this.#core = core
    this.#name = name
    this.#options = options
    this.#life = life
    this.#log = core.logger(name)
  }

  /** @throws WSGI_CORE_TLS_… where it cannot be used. */
  async load(): Promise<Material> {
    const seen = fingerprint(this.#files)
    const material = await this.#read()
    createSettings(this.#options, material)
    this.#say(material, ['error', 'warn', 'info'])
    this.#loaded = material
    this.#seen = seen
    return material
  }

  follow(changed: (material: Material) => void): void {
    const reread = () =>
      this.load().then(
        (material) => {
          this.#log.info('certificates were changed, and are in use')
          changed(material)
        },
        (err) => this.#log.error({ err }, 'the new certificate cannot be used; the old one stays'),
      )
    const watch = new FileWatch(this.#files, this.#seen, () => void reread())
    const stopRotation = this.#rotate(changed)
    const daily = setInterval(() => this.#remind(), DAY).unref()
    this.#core.defer(this.#name, () => {
      watch.close()
      stopRotation()
      clearInterval(daily)
    })
  }

  get #files(): string[] {
    return filesOf(this.#options, this.#core.cwd)
  }

  async #read(): Promise<Material> {
    const identities = await this.#identities()
    if (identities.length === 0) throw new NoCertificate()
    const { caCerts } = this.#options
    return { identities, ca: this.#readAuthorities(caCerts), ticketKey: this.#ticketKey() }
  }

  async #identities(): Promise<readonly Identity[]> {
    const identities = readIdentities(this.#options, this.#core.cwd)
    if (!this.#options.selfSigned || identities.length > 0) return identities
    this.#life.selfSigned ??= await makeSelfSigned()
    return [this.#life.selfSigned]
  }

  #readAuthorities(file: string | null): string | undefined {
    if (file === null) return undefined
    const pem = readText(resolve(this.#core.cwd, file))
    const authorities = splitChain(pem)
    if (authorities.length === 0) throw new BadCertificate(file, 'no certificate in PEM is in it')
    for (const authority of authorities) parseCertificate(file, authority)
    return pem
  }

  get #period(): number {
    return this.#options.ticketRotation * 1000
  }

  #ticketKey(): string {
    return this.#life.ticketKey(this.#period)
  }

  /** What is in use gets another key; files that cannot be used at present are no hindrance. @returns how to stop it. */
  #rotate(changed: (material: Material) => void): () => void {
    if (this.#period === 0) return () => {}
    let timer: NodeJS.Timeout
    const wait = () => {
      const time = Math.min(LONGEST, this.#life.untilRotation(this.#period) + 1)
      timer = setTimeout(turn, time).unref()
    }
    const turn = () => {
      this.#loaded = { ...(this.#loaded as Material), ticketKey: this.#ticketKey() }
      changed(this.#loaded)
      wait()
    }
    wait()
    return () => clearTimeout(timer)
  }

  /** Certificates end while the server runs. */
  #remind(): void {
    this.#say(this.#loaded as Material, ['error', 'warn'])
  }

  #say({ identities }: Material, levels: readonly Finding['level'][]): void {
    for (const identity of identities) {
      if (identity === this.#life.selfSigned) {
        this.#log.warn('the certificate is self-signed, for development: no browser trusts it')
        continue
      }
      for (const { level, text, file } of inspect(identity)) {
        if (levels.includes(level)) this.#log[level]({ file }, text)
      }
    }
  }
}
