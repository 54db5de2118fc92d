// What all scripts share. They run before anything is installed: Node's own modules only.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))
export const localBin = (name) => join(root, 'node_modules', '.bin', name)

/** Runs a command to its end without a terminal; `output` is what it printed, both streams. */
export function capture(command, args, options = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  })
  const error = result.error && `${command}: ${result.error.message}\n`
  return {
    ok: result.status === 0,
    output: [result.stdout, result.stderr, error].filter(Boolean).join(''),
  }
}

/** All files below a folder, as paths from the root, without those that `isSkipped` names. */
export function listFiles(folder, isSkipped = () => false) {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .filter((entry) => !isSkipped(entry.name))
    .flatMap((entry) => {
      const path = join(folder, entry.name)
      return entry.isDirectory() ? listFiles(path, isSkipped) : [path]
    })
}

/** Runs a script's main function; an error ends it with one line, without a stack trace. */
export async function main(run) {
  try {
    process.exitCode = (await run()) ?? 0
  } catch (error) {
    console.error(error.message)
    process.exitCode = 1
  }
}

/** Whether this file is the program, not a module of another one. */
export const isProgram = (url) => process.argv[1] === fileURLToPath(url)
