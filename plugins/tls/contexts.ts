import { X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
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

/** The secure contexts of a server, one for each set of certificates that some name asks for. */
export class Contexts {
  readonly #options: SecureContextOptions
  readonly #table = new NameTable<Candidate>()
  readonly #made = new Map<string, SecureContext>()
  readonly #first: readonly Candidate[]

  constructor(identities: readonly Identity[], options: SecureContextOptions) {
    this.#options = options
    const candidates = identities.map(createCandidate)
    for (const candidate of candidates) {
      for (const name of candidate.names) this.#table.add(name, candidate)
    }
    this.#first = this.#withCompanions(candidates[0] as Candidate)
    // now, and not in the midst of a handshake: what cannot be used is seen at the start
    for (const { names } of candidates) for (const name of names) this.find(name.replace('*', 'x'))
  }

  /** What a client gets whose name no certificate has. */
  get fallback(): SecureContextOptions {
    return this.#optionsFor(this.#first)
  }

  /** undefined: no certificate is for this name. */
  find(name: string): SecureContext | undefined {
    const found = onePerKind(this.#table.find(name))
    return found.length === 0 ? undefined : this.#make(found)
  }

  /** With those for the same name, so that an ECDSA certificate comes with the RSA one beside it. */
  #withCompanions(candidate: Candidate): Candidate[] {
    const [name] = candidate.names
    const others = name === undefined ? [] : this.#table.find(name.replace('*', 'x'))
    return onePerKind([candidate, ...others])
  }

  #make(candidates: readonly Candidate[]): SecureContext {
    const key = candidates.map(({ number }) => number).join()
    const made = this.#made.get(key) ?? createSecureContext(this.#optionsFor(candidates))
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

/** The first of each kind counts. */
function onePerKind(candidates: readonly Candidate[]): Candidate[] {
  const kinds = new Map<string, Candidate>()
  for (const candidate of candidates) {
    if (!kinds.has(candidate.kind)) kinds.set(candidate.kind, candidate)
  }
  return [...kinds.values()]
}
