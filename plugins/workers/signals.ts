import { readFileSync } from 'node:fs'
import { constants } from 'node:os'

const ALIASES = ['SIGIOT', 'SIGPOLL', 'SIGUNUSED']
const NAMES = new Map(
  Object.entries(constants.signals)
    .filter(([name]) => !ALIASES.includes(name))
    .map(([name, number]) => [number, name]),
)

/** `SIGKILL` for 9. */
export const signalName = (number: number): string => NAMES.get(number) ?? `signal ${number}`

export const signalNumber = (name: NodeJS.Signals): number => constants.signals[name]

/** Whether a process with this id runs, ours or another's. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !isZombie(pid)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Dead, but its parent has not asked how: as process 1 of a container often does not. */
export const isZombie = (pid: number): boolean => stateOf(pid) === 'Z'

/** Stopped by a signal, not by a debugger. */
export const isStopped = (pid: number): boolean => stateOf(pid) === 'T'

/** The letter that ps shows; undefined where it is gone in the meantime, or where this is no Linux. */
function stateOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.charAt(stat.lastIndexOf(') ') + 2)
  } catch {
    return undefined
  }
}
