import { X509Certificate } from 'node:crypto'
import { type Identity, splitChain } from './identity.ts'
import { namesOf } from './names.ts'

/** What is to be said of a certificate, and how urgently. */
export interface Finding {
  readonly level: 'error' | 'warn' | 'info'
  readonly text: string
  readonly file: string
}

const DAY = 86_400_000
/** Days; ACME clients renew well before. */
const SOON = 14

/** Looks at what does not keep the server from starting. */
export function inspect(identity: Identity, now = Date.now()): Finding[] {
  const certificate = new X509Certificate(identity.leaf)
  const { file } = identity
  const texts: [Finding['level'], string][] = [
    validity(certificate, now),
    ...chainFaults(identity.chain ?? ''),
    ...weaknesses(certificate),
  ]
  if (identity.exposedKey) {
    texts.push(['warn', `everybody on this machine may read the key in '${identity.exposedKey}'`])
  }
  return texts.map(([level, text]) => ({ level, text, file }))
}

function validity(certificate: X509Certificate, now: number): [Finding['level'], string] {
  const begin = Date.parse(certificate.validFrom)
  const end = Date.parse(certificate.validTo)
  const days = Math.floor((end - now) / DAY)
  const whom = describe(certificate)
  if (now < begin) return ['error', `${whom} is not valid before ${day(begin)}`]
  if (now > end) return ['error', `${whom} has expired on ${day(end)}`]
  const left = `${whom} is valid until ${day(end)}, ${days} ${days === 1 ? 'day' : 'days'} left`
  return [days < SOON ? 'warn' : 'info', left]
}

const day = (time: number) => new Date(time).toISOString().slice(0, 10)

const describe = (certificate: X509Certificate) =>
  `certificate for ${namesOf(certificate).join(', ') || 'no host name'}`

/** Each certificate is to be followed by that of its issuer (RFC 5246 §7.4.2). */
function chainFaults(chain: string): [Finding['level'], string][] {
  const links = splitChain(chain).map((pem) => new X509Certificate(pem))
  const at = links.findIndex((link, index) => {
    const next = links[index + 1]
    return next !== undefined && !link.checkIssued(next)
  })
  if (at < 0) return []
  const number = at + 2
  return [['warn', `chain in the wrong order: number ${number} has not issued number ${at + 1}`]]
}

const LEAST_RSA = 2048

function weaknesses({ publicKey }: X509Certificate): [Finding['level'], string][] {
  const bits = publicKey.asymmetricKeyDetails?.modulusLength
  if (publicKey.asymmetricKeyType !== 'rsa' || !bits || bits >= LEAST_RSA) return []
  return [['warn', `its RSA key has ${bits} bits, less than ${LEAST_RSA}`]]
}
