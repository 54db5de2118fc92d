import type { Stats } from 'node:fs'

/** A file may be changed once more within the grain of its timestamps; after so many milliseconds it shows. */
const SETTLED = 2000

/** What tells one state of a file from another, as a client is told. */
export interface Validators {
  readonly etag: string
  readonly lastModified: string
  /** Of `lastModified`, in whole seconds, as milliseconds. */
  readonly modified: number
  /** Both tell states apart byte by byte (RFC 9110 §8.8). */
  readonly areStrong: boolean
}

/**
 * `coding` is that of a compressed neighbour: another representation, with a tag of its own; one that was made here may
 * come out otherwise the next time.
 */
export function validatorsOf(
  { mtimeMs, size }: Stats,
  now: number,
  coding = '',
  isGenerated = false,
): Validators {
  const areStrong = !isGenerated && Math.abs(now - mtimeMs) >= SETTLED
  // RFC 9110 §8.8.2.1: never later than Date
  const modified = Math.floor(Math.min(mtimeMs, now) / 1000) * 1000
  const tag = `"${Math.round(mtimeMs * 1000).toString(36)}-${size.toString(36)}${coding && `-${coding}`}"`
  return {
    etag: areStrong ? tag : `W/${tag}`,
    lastModified: new Date(modified).toUTCString(),
    modified,
    areStrong,
  }
}

export type Fields = Readonly<Record<string, string | string[] | undefined>>

/**
 * The preconditions of a request, in the order of RFC 9110 §13.2.2. @returns the status that stands for the answer, or
 * undefined where that is to be sent.
 */
export function checkPreconditions(fields: Fields, file: Validators, isRead: boolean) {
  const match = textOf(fields['if-match'])
  if (match !== undefined) {
    if (!matchesStrongly(match, file)) return 412
  } else if (isModifiedSince(fields['if-unmodified-since'], file)) return 412
  const noneMatch = textOf(fields['if-none-match'])
  if (noneMatch !== undefined) {
    if (matchesWeakly(noneMatch, file)) return isRead ? 304 : 412
  } else if (isRead && isModifiedSince(fields['if-modified-since'], file) === false) return 304
  return undefined
}

/** Whether a range may be taken from this state of the file (RFC 9110 §13.1.5). */
export function allowsRange(fields: Fields, { etag, lastModified, areStrong }: Validators) {
  const validator = textOf(fields['if-range'])?.trim()
  if (validator === undefined) return true
  return areStrong && (validator === etag || validator === lastModified)
}

const textOf = (value: string | string[] | undefined) =>
  Array.isArray(value) ? value.join(', ') : value

const tagsOf = (text: string): string[] => text.match(/(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g) ?? []

function matchesStrongly(text: string, { etag, areStrong }: Validators): boolean {
  return text.trim() === '*' || (areStrong && tagsOf(text).includes(etag))
}

function matchesWeakly(text: string, { etag }: Validators): boolean {
  return text.trim() === '*' || tagsOf(text).some((tag) => opaque(tag) === opaque(etag))
}

const opaque = (tag: string) => tag.replace(/^W\//, '')

/** @returns undefined where the field is missing or no date: it is ignored then. */
function isModifiedSince(value: string | string[] | undefined, { modified }: Validators) {
  const text = textOf(value)
  if (text === undefined || !HTTP_DATE.test(text)) return undefined
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : modified > date
}

/** The three forms of RFC 9110 §5.6.7. */
const HTTP_DATE = /^\s*[A-Z][a-z]{2,8},? [ \w:-]{15,22}( GMT)?\s*$/
