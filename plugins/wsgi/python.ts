import { fileURLToPath } from 'node:url'
import { NoPython } from './errors.ts'
import { type Environment, findInterpreter } from './interpreter.ts'

/** The spawner's script; the build copies it beside the compiled files. */
export const SPAWNER = fileURLToPath(new URL('python/spawner.py', import.meta.url))

/**
 * Finds the interpreter, as `findInterpreter` does.
 * @throws WSGI_CORE_NO_PYTHON
 */
export function findPython(named: string | null, cwd: string, env: Environment): string {
  const found = findInterpreter(named, cwd, env)
  if (found === undefined) throw new NoPython(named ?? 'python3')
  return found
}
