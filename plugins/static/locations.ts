import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { FORMATS, nearest, type OptionDefinition } from '../../core/index.ts'
import { EXTENSIONS } from './codings.ts'
import { BadLocation, NoFolder } from './errors.ts'
import { type ExpiresRule, parseExpires } from './expires.ts'
import { type LocationOptions, locationSchema, type StaticOptions } from './options.ts'
import { RealFolder } from './real-folder.ts'

/** A path, and what is served below it. */
export interface Location {
  /** No other has it, whatever its path: what is found is kept under it. */
  readonly id: number
  /** As it was given. */
  readonly path: string
  readonly segments: readonly string[]
  /** The path without its last slash is not this location's. */
  readonly needsSlash: boolean
  /** Where files are. */
  readonly folder: RealFolder
  /** Segments of the path that are cut off before the rest is looked for: all of them for an alias. */
  readonly cut: number
  /** Not to be reached from outside. */
  readonly internal: boolean
  readonly options: LocationOptions
  readonly expires: readonly ExpiresRule[]
  readonly fields: readonly string[]
  readonly errorPages: ReadonlyMap<number, string>
  readonly types: ReadonlyMap<string, string>
}

type Given = { path: string; alias?: string; root?: string; internal?: boolean } & Partial<
  Record<string, unknown>
>

/** All locations, the longest path first. @throws WSGI_CORE_STATIC_BAD_LOCATION, WSGI_CORE_STATIC_NO_FOLDER */
export function resolveLocations(options: StaticOptions, cwd: string): Location[] {
  const given: Given[] = [
    ...options.locations.map(readRecord),
    ...options.alias.map((pair) => ({ path: textBefore(pair), alias: textAfter(pair) })),
    ...options.root.map((pair) => ({ path: textBefore(pair), root: textAfter(pair) })),
  ]
  const locations = given.map((each) => createLocation(each, options, cwd))
  for (const [index, { path }] of locations.entries()) {
    const twin = locations.findIndex((other) => other.path === path)
    if (twin !== index) throw new BadLocation(path, 'it is given twice; remove one of them')
  }
  return locations.sort((one, other) => other.path.length - one.path.length)
}

/** The location with the longest path that these segments are under. */
export function findLocation(
  locations: readonly Location[],
  segments: readonly string[],
  isFolder: boolean,
): Location | undefined {
  return locations.find(({ segments: prefix, needsSlash }) => {
    if (prefix.length > segments.length) return false
    if (prefix.length === segments.length && needsSlash && !isFolder) return false
    return prefix.every((segment, index) => segment === segments[index])
  })
}

/** A folder that is served under no path, but by what the application says. */
export const hiddenLocation = (folder: string, options: StaticOptions, cwd: string): Location =>
  createLocation({ path: '/', alias: folder, internal: true }, options, cwd)

export const textBefore = (pair: string): string => pair.slice(0, pair.indexOf('='))
export const textAfter = (pair: string): string => pair.slice(pair.indexOf('=') + 1)

let count = 0

function createLocation(given: Given, defaults: StaticOptions, cwd: string): Location {
  const { path, alias, root, internal = false, ...own } = given
  const options = { ...defaults, ...own } as LocationOptions
  const segments = path.split('/').filter((segment) => segment !== '')
  const folder = resolve(cwd, (alias ?? root) as string)
  checked(path, () => checkWords(options))
  if (!statSync(folder, { throwIfNoEntry: false })) throw new NoFolder(path, folder)
  return {
    id: ++count,
    path,
    segments,
    needsSlash: path.endsWith('/') && segments.length > 0,
    folder: new RealFolder(folder),
    cut: alias === undefined ? 0 : segments.length,
    internal,
    options,
    expires: checked(path, () => parseExpires(options.expires)),
    fields: checked(path, () => options.addHeaders.flatMap(readField)),
    errorPages: new Map(checked(path, () => options.errorPages.map(readErrorPage))),
    types: new Map(options.types.map((pair) => [textBefore(pair).toLowerCase(), textAfter(pair)])),
  }
}

/** An entry of `locations`, by the same rules as the section's own keys. */
function readRecord(record: Readonly<Record<string, unknown>>): Given {
  const location: Record<string, unknown> = {}
  const name = String(record.path ?? '?')
  for (const [key, value] of Object.entries(record)) {
    const known = camelCase(key)
    const definition = Object.hasOwn(definitions, known) ? definitions[known] : undefined
    if (!definition) throw new BadLocation(name, unknownKey(key))
    location[known] = readValue(name, key, value, definition)
  }
  if (!name.startsWith('/')) throw new BadLocation(name, "it needs a 'path' that begins with '/'")
  if ((location.alias === undefined) === (location.root === undefined)) {
    throw new BadLocation(name, "it needs either 'alias' or 'root'")
  }
  return location as Given
}

const TEXT = { doc: '', format: 'text', default: '' }
const definitions: Readonly<Record<string, OptionDefinition>> = {
  path: TEXT,
  alias: TEXT,
  root: TEXT,
  internal: { doc: '', format: 'flag', default: false },
  ...locationSchema,
}

function unknownKey(key: string): string {
  const near = nearest(key, Object.keys(definitions))
  return `'${key}' is unknown${near ? `; did you mean '${near}'?` : ''}`
}

function readValue(name: string, key: string, value: unknown, { format }: OptionDefinition) {
  if (typeof format !== 'string') {
    if (format.includes(String(value))) return value
    throw new BadLocation(name, `'${key}' must be one of ${format.join(', ')}`)
  }
  const { parse, read, check } = FORMATS[format] as (typeof FORMATS)[string]
  const shaped = typeof value === 'string' ? parse(value) : (read?.(value) ?? value)
  return checked(
    name,
    () => {
      check(shaped)
      return shaped
    },
    key,
  )
}

function checked<T>(path: string, read: () => T, key?: string): T {
  try {
    return read()
  } catch (error) {
    const { message } = error as Error
    throw new BadLocation(path, key === undefined ? message : `'${key}' ${message}`)
  }
}

function checkWords({ tryFiles, precompressed }: LocationOptions): void {
  for (const step of tryFiles) {
    if (/^(\$uri|\/|@app$|=[45]\d\d$)/.test(step)) continue
    throw new Error(`tryFiles has '${step}'; write $uri, a path, @app, or a status as in =404`)
  }
  for (const coding of precompressed) {
    if (Object.hasOwn(EXTENSIONS, coding)) continue
    throw new Error(
      `precompressed has '${coding}'; there are ${Object.keys(EXTENSIONS).join(', ')}`,
    )
  }
}

function readField(pair: string): [string, string] {
  const field: [string, string] = [textBefore(pair), textAfter(pair)]
  if (!/^[-!#$%&'*+.^_`|~\w]+$/.test(field[0]) || /[^\t\x20-\x7e]/.test(field[1])) {
    throw new Error(`'${pair}' is no header field`)
  }
  if (/^(content-(length|range|encoding)|transfer-encoding|connection|date)$/i.test(field[0])) {
    throw new Error(`the field '${field[0]}' is the server's own`)
  }
  return field
}

function readErrorPage(pair: string): [number, string] {
  const status = Number(textBefore(pair))
  const ok = status >= 400 && status <= 599 && textAfter(pair).startsWith('/')
  if (!ok) throw new Error(`'${pair}' must be STATUS=PATH, for example 404=/404.html`)
  return [status, textAfter(pair)]
}

const camelCase = (key: string) =>
  key.replace(/[-_]([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
