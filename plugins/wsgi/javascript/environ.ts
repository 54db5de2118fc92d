import type { Environ, Errors, Input } from './application.ts'

/** What is the same in the environ of each request. */
export interface Base {
  readonly software: string
  readonly generation: number
  readonly multithread: boolean
  readonly multiprocess: boolean
}

const ERRORS: Errors = {
  write: (text) => void process.stderr.write(text),
  flush() {},
}
const VERSION = [1, 0] as const

/**
 * One literal with all the keys that are always there: V8 makes that a hundred times as quickly as an object that grows
 * key by key. What belongs to the answer is still to be set.
 */
export const firstPairs = (base: Base, input: Input) => ({
  REQUEST_METHOD: '',
  SCRIPT_NAME: '',
  PATH_INFO: '',
  QUERY_STRING: '',
  RAW_URI: '',
  REQUEST_URI: '',
  SERVER_PROTOCOL: '',
  SERVER_NAME: '',
  SERVER_PORT: '',
  REMOTE_ADDR: '',
  REMOTE_PORT: '',
  SERVER_SOFTWARE: base.software,
  'wsgi.url_scheme': 'http' as 'http' | 'https',
  'wsgi.version': VERSION,
  'wsgi.input': input,
  'wsgi.errors': ERRORS,
  'wsgi.multithread': base.multithread,
  'wsgi.multiprocess': base.multiprocess,
  'wsgi.run_once': false,
  'wsgi.input_terminated': true as const,
  'wsgi.early_hints': undefined as unknown as Environ['wsgi.early_hints'],
  'wsgi_core.client_gone': undefined as unknown as Environ['wsgi_core.client_gone'],
  'wsgi_core.signal': undefined as unknown as Environ['wsgi_core.signal'],
  'wsgi_core.generation': base.generation,
})

/** The environ of a text of pairs, `KEY\0VALUE\0…`. */
export function createEnviron(text: string, base: Base, input: Input): Environ {
  const environ: Record<string, unknown> = firstPairs(base, input)
  let at = 0
  for (const name of USUAL) {
    if (!text.startsWith(name, at) || text.charCodeAt(at + name.length) !== 0) continue
    const start = at + name.length + 1
    const end = text.indexOf('\0', start)
    environ[name] = text.slice(start, end)
    at = end + 1
  }
  while (at < text.length) {
    const middle = text.indexOf('\0', at)
    const end = text.indexOf('\0', middle + 1)
    environ[known(text.slice(at, middle))] = text.slice(middle + 1, end)
    at = end + 1
  }
  return environ as Environ
}

/** What nearly every text begins with, in this order. */
const USUAL = [
  'REQUEST_METHOD',
  'SCRIPT_NAME',
  'PATH_INFO',
  'QUERY_STRING',
  'RAW_URI',
  'REQUEST_URI',
  'SERVER_PROTOCOL',
  'wsgi.url_scheme',
  'REMOTE_ADDR',
  'REMOTE_PORT',
  'SERVER_NAME',
  'SERVER_PORT',
]

/** One string for each name: V8 takes that as a key at once. Bounded, as clients choose the names. */
const names = new Map<string, string>()
const MAX_NAMES = 1000
/** Longer names are not worth it. */
const LONGEST = 64

function known(name: string): string {
  const found = names.get(name)
  if (found !== undefined) return found
  if (names.size >= MAX_NAMES || name.length > LONGEST) return name
  // a copy: the string that came holds the whole environ in memory
  const copy = Buffer.from(name, 'latin1').toString('latin1')
  names.set(copy, copy)
  return copy
}
