import type { Environ, Errors } from './application.ts'

/** What is the same in the environ of each request. */
export type Base = Readonly<Record<string, unknown>>

const ERRORS: Errors = {
  write: (text) => void process.stderr.write(text),
  flush() {},
}

export const createBase = (
  pairs: Readonly<Record<string, string>>,
  generation: number,
  { multithread, multiprocess }: { multithread: boolean; multiprocess: boolean },
): Base => ({
  ...pairs,
  'wsgi.version': [1, 0],
  'wsgi.errors': ERRORS,
  'wsgi.multithread': multithread,
  'wsgi.multiprocess': multiprocess,
  'wsgi.run_once': false,
  'wsgi.input_terminated': true,
  'wsgi_core.generation': generation,
})

/** The environ as an application gets it; its input and what belongs to its answer are still to be added. */
export function createEnviron(pairs: string, base: Base): Environ {
  const environ: Record<string, unknown> = { ...base }
  for (let at = 0; at < pairs.length; ) {
    const middle = pairs.indexOf('\0', at)
    const end = pairs.indexOf('\0', middle + 1)
    environ[pairs.slice(at, middle)] = pairs.slice(middle + 1, end)
    at = end + 1
  }
  return environ as Environ
}
