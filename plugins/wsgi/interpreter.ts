import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, isAbsolute, join, resolve } from 'node:path'

export type Environment = Readonly<Record<string, string | undefined>>

/**
 * The interpreter as Python's tools find it: `named`, else that of the active virtual environment (`VIRTUAL_ENV`), else
 * of `.venv` in the app's folder, else `python3` on PATH. undefined: there is none.
 */
export function findInterpreter(
  named: string | null,
  cwd: string,
  env: Environment,
): string | undefined {
  const virtual = env.VIRTUAL_ENV && join(env.VIRTUAL_ENV, 'bin', 'python')
  const local = join(cwd, '.venv', 'bin', 'python')
  if (named === null && virtual && isProgram(virtual)) return virtual
  if (named === null && isProgram(local)) return local
  const wanted = named ?? 'python3'
  return wanted.includes('/') ? pathOf(wanted, cwd) : onPath(wanted, env)
}

function pathOf(name: string, cwd: string): string | undefined {
  const path = isAbsolute(name) ? name : resolve(cwd, name)
  return [path, join(path, 'bin', 'python')].find(isProgram) // a virtual environment's folder will do
}

function onPath(name: string, env: Environment): string | undefined {
  const folders = (env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  return folders.map((folder) => join(folder, name)).find(isProgram)
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false // not there, or not for us
  }
}
