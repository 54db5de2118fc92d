import { inOnePiece } from '../../core/index.ts'

/** Extension of the compressed neighbour by content coding. */
export const EXTENSIONS: Readonly<Record<string, string>> = {
  br: '.br',
  gzip: '.gz',
  zstd: '.zst',
}

/** What a client takes, by the text of its Accept-Encoding. */
export type Accepted = ReadonlyMap<string, number>

const known = new Map<string, Accepted>()
const MOST_KNOWN = 200
const NOTHING: Accepted = new Map()

/** Browsers send few different texts: each is parsed once. */
export function parseAccepted(text: string | undefined): Accepted {
  if (text === undefined) return NOTHING
  const before = known.get(text)
  if (before !== undefined) return before
  if (known.size >= MOST_KNOWN || text.length >= 200) return parse(text)
  const kept = inOnePiece(text)
  const accepted = parse(kept)
  known.set(kept, accepted)
  return accepted
}

function parse(text: string): Accepted {
  const accepted = new Map<string, number>()
  for (const part of text.toLowerCase().split(',')) {
    const [coding = '', ...parameters] = part.split(';').map((each) => each.trim())
    if (coding === '') continue
    const quality = parameters.find((each) => /^q\s*=/.test(each))
    const weight = quality === undefined ? 1 : Number(quality.slice(quality.indexOf('=') + 1))
    accepted.set(coding.replace(/^x-/, ''), Number.isNaN(weight) ? 0 : weight)
  }
  return accepted
}

/** How much a coding is wanted; 0: not at all. `identity` is acceptable unless it is ruled out (RFC 9110 §12.5.3). */
export function weightOf(accepted: Accepted, coding: string): number {
  const weight = accepted.get(coding) ?? accepted.get('*')
  if (weight !== undefined) return weight
  return coding === 'identity' ? 0.0001 : 0
}

/** The one that the client wants most; of equal ones the first. */
export function chooseCoding(accepted: Accepted, codings: readonly string[]): string | undefined {
  let best: string | undefined
  let most = 0
  for (const coding of codings) {
    const weight = weightOf(accepted, coding)
    if (weight > most) {
      best = coding
      most = weight
    }
  }
  return best
}
