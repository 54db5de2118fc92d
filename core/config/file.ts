import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  ConfigFileAmbiguous,
  ConfigFileBadValue,
  ConfigFileFailed,
  ConfigFileMissing,
  ConfigFileSyntax,
  ConfigFileUnknownType,
  ConfigFileUnreadable,
} from '../errors.ts'

export interface ConfigFile {
  /** Absolute. */
  readonly path: string
  readonly values: Record<string, unknown>
}

/**
 * Reads a config file by its ending. A module is run anew each time, so that a reload sees its
 * changes, but not those of modules that it imports; it may export a function, also an async one,
 * that returns the object.
 */
export async function loadConfigFile(path: string, cwd: string): Promise<ConfigFile> {
  const file = resolve(cwd, path.replace(/^file:/, '')) // gunicorn's way to say that it is a path
  const load = LOADERS.get(extname(file).toLowerCase())
  if (!load) throw new ConfigFileUnknownType(file, remedyFor(file))
  const text = await readText(file)
  const values = await load(file, text, cwd)
  if (!isRecord(values)) {
    throw new ConfigFileBadValue(
      file,
      `holds ${nameOf(values)}, not an object`,
      'give keys and values',
    )
  }
  refusePrototypeKeys(file, values, [], new Set())
  return { path: file, values }
}

/**
 * The `wsgi-core.config.*` of that folder, or null. Several are an error: which one counts must
 * not be a guess.
 */
export function findConfigFile(cwd: string): string | null {
  const found: string[] = []
  for (const ending of ['js', 'mjs', 'ts', 'json', 'yaml', 'yml', 'toml']) {
    const name = `wsgi-core.config.${ending}`
    if (existsSync(join(cwd, name))) found.push(name)
  }
  const [first, second] = found
  if (second !== undefined) throw new ConfigFileAmbiguous(cwd, found.join(', '))
  return first === undefined ? null : resolve(cwd, first)
}

/** Said where a folder has gunicorn's own config file and none of ours. */
export function unreadConfigFile(cwd: string): string[] {
  if (!existsSync(join(cwd, 'gunicorn.conf.py'))) return []
  return [
    "file 'gunicorn.conf.py' is not read; write its settings into 'wsgi-core.config.yaml', with the same names",
  ]
}

type Loader = (file: string, text: string, cwd: string) => unknown

const LOADERS = new Map<string, Loader>([
  ['.json', loadJson],
  ['.yaml', loadYaml],
  ['.yml', loadYaml],
  ['.toml', loadToml],
  ['.js', loadScript],
  ['.mjs', loadScript],
  ['.cjs', loadScript],
  ['.ts', loadTypeScript],
  ['.mts', loadTypeScript],
])

function remedyFor(file: string): string {
  const allowed = `a file that ends in ${[...LOADERS.keys()].join(', ')}`
  const isPython = extname(file) === '.py' || basename(file).startsWith('python:')
  if (!isPython) return `give ${allowed}`
  return `Python configs are not read; write the settings into ${allowed}`
}

async function readText(file: string): Promise<string> {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file))
    return text.replace(/^\ufeff/, '')
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') throw new ConfigFileMissing(file, { cause })
    throw new ConfigFileUnreadable(file, messageOf(cause), { cause })
  }
}

async function loadJson(file: string, text: string): Promise<unknown> {
  try {
    return JSON.parse(text)
  } catch (cause) {
    const reason = messageOf(cause).replace(
      /(,? in JSON at position|, "| in JSON, |, \.\.\.).*/s,
      '',
    )
    throw new ConfigFileSyntax(file, `${await locateInJson(file, text, cause)}: ${reason}`, {
      cause,
    })
  }
}

async function locateInJson(file: string, text: string, cause: unknown): Promise<string> {
  const message = messageOf(cause)
  const [, position] = /at position (\d+)/.exec(message) ?? []
  const end = text.trimEnd().length
  if (position !== undefined) return placeAt(file, text, Math.min(Number(position), end))
  if (message.includes('end of JSON')) return placeAt(file, text, end)
  // V8 does not tell where an unexpected token is; YAML's JSON schema refuses the same ones, and
  // tells.
  const { parseDocument } = await import('yaml')
  const [error] = parseDocument(text, { schema: 'json' }).errors
  return error ? placeAt(file, text, error.pos[0]) : file
}

async function loadYaml(file: string, text: string): Promise<unknown> {
  const { parseDocument } = await import('yaml')
  const document = parseDocument(text, { uniqueKeys: true, prettyErrors: false })
  // A warning is a tag that nobody resolves: its value would silently be something else.
  const [fault] = [...document.errors, ...document.warnings]
  if (fault) {
    const place = placeAt(file, text, fault.pos[0])
    throw new ConfigFileSyntax(file, `${place}: ${fault.message}`, { cause: fault })
  }
  try {
    return document.toJS() ?? {}
  } catch (cause) {
    throw new ConfigFileSyntax(file, messageOf(cause), { cause }) // aliases that would explode
  }
}

async function loadToml(file: string, text: string): Promise<unknown> {
  const { parse, TomlError } = await import('smol-toml')
  try {
    return structuredClone(parse(text)) // with Object.prototype, as the other formats have
  } catch (cause) {
    const place = cause instanceof TomlError ? `${file}:${cause.line}:${cause.column}` : file
    const reason = firstLine(messageOf(cause)).replace('Invalid TOML document: ', '')
    throw new ConfigFileSyntax(file, `${place}: ${reason}`, { cause })
  }
}

async function loadScript(file: string): Promise<unknown> {
  try {
    return await exportOf(file, await import(freshUrl(file)))
  } catch (cause) {
    throw await explain(file, cause)
  }
}

async function loadTypeScript(file: string, _text: string, cwd: string): Promise<unknown> {
  try {
    return await exportOf(file, await importTypeScript(file, cwd))
  } catch (cause) {
    throw await explain(file, cause)
  }
}

type Importer = (specifier: string, parent: string) => Promise<unknown>

async function importTypeScript(file: string, cwd: string): Promise<unknown> {
  try {
    return await import(freshUrl(file))
  } catch (cause) {
    if (codeOf(cause) !== 'ERR_UNKNOWN_FILE_EXTENSION') throw cause
    const api = findTsx([cwd, dirname(file)])
    if (api === null) {
      const remedy = `Node ${process.versions.node} does not run TypeScript; add tsx, or write .js`
      throw new ConfigFileUnknownType(file, remedy, { cause })
    }
    const { tsImport }: { tsImport: Importer } = await import(pathToFileURL(api).href)
    return await tsImport(freshUrl(file), pathToFileURL(file).href)
  }
}

function findTsx(folders: string[]): string | null {
  try {
    const api = createRequire(import.meta.url).resolve('tsx/esm/api', { paths: folders })
    // tsImport of the CommonJS twin (tsx 4.23) looks for a file that is not there.
    return api.replace(/\.cjs$/, '.mjs')
  } catch (error) {
    if (codeOf(error) === 'MODULE_NOT_FOUND') return null
    throw error
  }
}

let loads = 0

function freshUrl(file: string): string {
  const { cache } = createRequire(import.meta.url)
  delete cache[file] // a CommonJS module is kept there whatever its query
  loads += 1
  return `${pathToFileURL(file).href}?load=${loads}-${Date.now()}`
}

async function exportOf(file: string, module: unknown): Promise<unknown> {
  if (!isObject(module) || !('default' in module)) {
    const remedy = 'write: export default { ... }'
    throw new ConfigFileBadValue(file, 'has no default export', remedy)
  }
  const { default: exported } = module
  // TypeScript that was made into CommonJS has its default one level down.
  const value =
    isObject(exported) && '__esModule' in exported && 'default' in exported
      ? exported.default
      : exported
  return typeof value === 'function' ? await value() : value
}

async function explain(file: string, cause: unknown): Promise<Error> {
  if (cause instanceof ConfigFileBadValue || cause instanceof ConfigFileUnknownType) return cause
  if (isSyntaxError(cause)) {
    const place = placeInTrace(file, String(cause.stack)) ?? (await checkSyntax(file)) ?? file
    const reason = /ERROR: (.*)/.exec(cause.message)?.[1] ?? firstLine(cause.message)
    return new ConfigFileSyntax(file, `${place}: ${reason}`, { cause })
  }
  const stack = cause instanceof Error ? String(cause.stack) : ''
  const place = placeInTrace(file, stack)
  const reason = firstLine(messageOf(cause))
  return new ConfigFileFailed(file, place ? `${place}: ${reason}` : reason, { cause })
}

const isSyntaxError = (cause: unknown): cause is Error =>
  cause instanceof Error && (cause.name === 'SyntaxError' || cause.name === 'TransformError')

// `FILE:2\n  a: 1,,\n      ^` above the error, `FILE?query:2:6` in a stack, `FILE:2:6: ERROR` of
// esbuild.
function placeInTrace(file: string, trace: string): string | null {
  const names = [file, pathToFileURL(file).href].map(escapeRegExp).join('|')
  const start = `(?:${names})(?:\\?[^\\s:]*)?`
  const direct = new RegExp(`${start}:(\\d+):(\\d+)`).exec(trace)
  if (direct) return `${file}:${direct[1]}:${direct[2]}`
  const pointed = new RegExp(`${start}:(\\d+)\\n.*\\n( *)\\^`).exec(trace)
  return pointed ? `${file}:${pointed[1]}:${(pointed[2] ?? '').length + 1}` : null
}

// Node keeps the place of a syntax error in an ES module to itself, but prints it.
const checkSyntax = (file: string): Promise<string | null> =>
  new Promise((done) => {
    const options = { timeout: 5000, env: {} }
    execFile(process.execPath, ['--check', file], options, (_error, _stdout, stderr) =>
      done(placeInTrace(file, stderr)),
    )
  })

// A key like __proto__ would reach other objects when settings are merged (prototype pollution).
function refusePrototypeKeys(
  file: string,
  value: unknown,
  path: string[],
  seen: Set<object>,
): void {
  if (!(Array.isArray(value) || isRecord(value)) || seen.has(value)) return
  seen.add(value)
  for (const key of Object.keys(value)) {
    const here = [...path, key]
    if (key === '__proto__' || key === 'constructor' || key === 'prototype') {
      throw new ConfigFileBadValue(file, `has the key '${here.join('.')}'`, 'give it another name')
    }
    refusePrototypeKeys(file, Reflect.get(value, key), here, seen)
  }
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

function isRecord(value: unknown): value is Record<string, unknown> {
  if (!isObject(value) || Array.isArray(value)) return false
  const parent = Object.getPrototypeOf(value)
  return parent === null || Object.getPrototypeOf(parent) === null
}

function placeAt(file: string, text: string, offset: number): string {
  const lines = text.slice(0, offset).split('\n')
  return `${file}:${lines.length}:${(lines.at(-1) ?? '').length + 1}`
}

const nameOf = (value: unknown): string => {
  if (value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' ? `a ${value.constructor.name}` : `a ${typeof value}`
}

const firstLine = (text: string): string => text.split('\n', 1)[0] ?? ''
const escapeRegExp = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error)
const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined
