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

/** Whether a process with this id exists, ours or another's. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
