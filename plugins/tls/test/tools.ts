// Programs that the suites here call.
import { spawnSync } from 'node:child_process'

export const isInstalled = (program: string) => spawnSync('which', [program]).status === 0

/** @throws where a program is missing. */
export function needs(program: string): void {
  if (!isInstalled(program)) throw new Error(`'${program}' is not installed; install it`)
}

/** Whether tests that need the program can run; where it is missing, one line says so, and in CI it is a failure. */
export function offers(program: string, what: string): boolean {
  if (isInstalled(program)) return true
  if (process.env.CI === 'true') needs(program)
  console.log(`skipped, as there is no ${program}: ${what}`)
  return false
}
