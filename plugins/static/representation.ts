import { expiresFields } from './expires.ts'
import type { Location } from './locations.ts'
import type { Validators } from './validators.ts'

/** One form of a file, as it goes to clients. */
export interface Representation {
  /** With its charset. */
  readonly type: string
  readonly size: number
  readonly validators: Validators
  /** Of the whole answer, names and values in turn; without the length. */
  readonly fields: readonly string[]
}

/** What the fields of an answer are made from. */
export interface Description {
  readonly location: Location
  /** Below the location's folder. */
  readonly path: string
  readonly type: string
  readonly size: number
  /** Of a compressed neighbour. */
  readonly coding: string | undefined
  readonly validators: Validators
  /** Another client may get another form. */
  readonly varies: boolean
}

/** A year: RFC 9111 knows nothing longer. */
const IMMUTABLE = ['Cache-Control', 'public, max-age=31536000, immutable']

export function represent(description: Description, now: number): Representation {
  const { location, path, type, size, coding, validators, varies } = description
  const fields = [
    ...['Content-Type', type],
    ...(coding === undefined ? [] : ['Content-Encoding', coding]),
    ...['Last-Modified', validators.lastModified, 'ETag', validators.etag],
    ...['Accept-Ranges', 'bytes'],
    ...(varies ? ['Vary', 'Accept-Encoding'] : []),
    ...cachingFields(location, path, now),
  ]
  const all = withAdded(fields, location.fields)
  return { type: valueIn(all, 'content-type') ?? type, size, validators, fields: all }
}

function cachingFields({ options, expires }: Location, path: string, now: number): string[] {
  if (options.immutable && hasHash(path)) return IMMUTABLE
  const rule = expires.find((each) => each.fits(path))
  return rule === undefined ? [] : expiresFields(rule.expires, now)
}

/** As bundlers and Django's ManifestStaticFilesStorage write it: `app.3f2a9c1e.js`; a date is none. */
function hasHash(path: string): boolean {
  const [, hash = ''] = /[.-]([0-9a-f]{8,64})\.[^/]+$/.exec(path) ?? []
  return /[a-f]/.test(hash) && /\d/.test(hash)
}

/** What is added replaces what is here, but for Vary, which is a list. */
export function withAdded(fields: readonly string[], added: readonly string[]): string[] {
  if (added.length === 0) return [...fields]
  const names = new Set(namesOf(added))
  names.delete('vary')
  const kept = fields.filter((_, index) => !names.has((fields[index & ~1] as string).toLowerCase()))
  return [...kept, ...added]
}

/** In lower case. */
export const namesOf = (fields: readonly string[]): string[] =>
  fields.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase())

/** `name` in lower case. */
export function valueIn(fields: readonly string[], name: string): string | undefined {
  for (let index = 0; index < fields.length; index += 2) {
    const given = fields[index] as string
    if (given.length === name.length && given.toLowerCase() === name) return fields[index + 1]
  }
  return undefined
}
