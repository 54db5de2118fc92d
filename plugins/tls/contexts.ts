import { X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { BadCertificate } from './errors.ts'
import type { Identity } from './identity.ts'
import { NameTable, namesOf } from './names.ts'

/** A certificate that may be chosen. */
interface Candidate {
  readonly identity: Identity
  readonly number: number
  /** Of its key: OpenSSL holds one certificate for each. */
  readonly kind: string
  readonly names: readonly string[]
}

/** A set of certificates that some name asks for. */
export interface Context {
  readonly options: SecureContextOptions
}

/** Which certificates are shown for which name. */
export class Contexts {
  readonly #options: SecureContextOptions
  readonly #table = new NameTable<Candidate>()
  readonly #made = new Map<string, Context>()
  /** For a name that no certificate has; undefined: such clients are refused. */
  readonly #fallback: Context | undefined
  /** Where there is one for whatever name. */
  readonly #only: Context | undefined

  /** @throws WSGI_CORE_TLS_BAD_CERTIFICATE where OpenSSL cannot use one of them */
  constructor(
    identities: readonly Identity[],
    options: SecureContextOptions,
    refusesUnknown: boolean,
  ) {
    this.#options = options
    const candidates = identities.map(createCandidate)
    for (const candidate of candidates) {
      this.#check(candidate)
      for (const name of candidate.names) this.#table.add(name, candidate)
    }
    const [first] = candidates
    this.#fallback =
      first === undefined || refusesUnknown ? undefined : this.#make(this.#withCompanions(first))
    for (const { names } of candidates) for (const name of names) this.find(exampleOf(name))
    this.#only = this.#made.size === 1 ? this.#fallback : undefined
  }

  /** Each by itself: it depends on the name which of them come together. */
  #check(candidate: Candidate): void {
    try {
      createSecureContext(this.#optionsFor([candidate]))
    } catch (error) {
      const { file } = candidate.identity
      throw Object.assign(new BadCertificate(file, (error as Error).message), { cause: error })
    }
  }

  /** undefined: no certificate is shown for this name. */
  find(name: string): Context | undefined {
    if (this.#only) return this.#only
    const found = onePerKind(this.#table.find(name))
    return found.length === 0 ? this.#fallback : this.#make(found)
  }

  /** With those for the same name, so that an ECDSA certificate comes with the RSA one beside it. */
  #withCompanions(candidate: Candidate): Candidate[] {
    const [name] = candidate.names
    const others = name === undefined ? [] : this.#table.find(exampleOf(name))
    return onePerKind([candidate, ...others])
  }

  #make(candidates: readonly Candidate[]): Context {
    const key = candidates.map(({ number }) => number).join()
    const made = this.#made.get(key) ?? { options: this.#optionsFor(candidates) }
    this.#made.set(key, made)
    return made
  }

  #optionsFor(candidates: readonly Candidate[]): SecureContextOptions {
    const identities = candidates.map(({ identity }) => identity)
    const pem = identities.filter(({ chain }) => chain !== undefined)
    const packed = identities.flatMap(({ pkcs12 }) => pkcs12 ?? [])
    return {
      ...this.#options,
      ...(pem.length > 0 && {
        cert: pem.map(({ chain }) => chain as string),
        key: pem.map(({ key }) => key as string),
      }),
      ...(packed.length > 0 && {
        pfx: packed.map(({ bytes, passphrase }) => ({
          buf: Buffer.from(bytes, 'base64'),
          passphrase,
        })),
      }),
    }
  }
}

function createCandidate(identity: Identity, number: number): Candidate {
  const certificate = new X509Certificate(identity.leaf)
  const kind = certificate.publicKey.asymmetricKeyType ?? ''
  return { identity, number, kind, names: namesOf(certificate) }
}

/** A name that a wildcard is for. */
const exampleOf = (name: string) => name.replace('*', 'example')

/** The first of each kind counts. */
function onePerKind(candidates: readonly Candidate[]): Candidate[] {
  const kinds = new Map<string, Candidate>()
  for (const candidate of candidates) {
    if (!kinds.has(candidate.kind)) kinds.set(candidate.kind, candidate)
  }
  return [...kinds.values()]
}
