import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'

/** What a spawner's process is started with. */
export interface Program {
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
}

/** At most one: started, and waiting for its configuration. */
let ahead: { readonly program: Program; readonly child: ChildProcess } | undefined

/**
 * Starts a process that `startProcess` will probably be asked for, so that it boots while this one does, and tells it
 * what it will probably be asked for. It ends with this process where nobody asks.
 */
export function startAhead(program: Program, message: object): void {
  const child = launch(program, 'inherit')
  child.on('error', () => {}) // then another is started, whose error is told
  const control = child.stdio?.[3] as Socket | undefined
  control?.on('error', () => {}).write(`${JSON.stringify(message)}\n`)
  ahead = { program: { ...program, env: { ...program.env } }, child }
}

/** The process that was started ahead, where it is the same, or a new one. Descriptor 3 is its control socket. */
export function startProcess(program: Program, output: 'inherit' | 'pipe'): ChildProcess {
  if (ahead && output === 'inherit' && isSame(ahead.program, program) && isAlive(ahead.child)) {
    const { child } = ahead
    ahead = undefined
    return child
  }
  abandonAhead()
  return launch(program, output)
}

/** Ends the process that was started ahead, where nobody has asked for it: it may be at imports that take long. */
export function abandonAhead(): void {
  ahead?.child.stdio?.[3]?.destroy()
  ahead?.child.kill()
  ahead = undefined
}

const launch = ({ command, args, cwd, env }: Program, output: 'inherit' | 'pipe') =>
  spawn(command, args, {
    cwd,
    env,
    stdio: ['ignore', output, output, 'pipe'],
    detached: true, // a session of its own: the terminal's signals are for the front alone
  })

const isAlive = ({ pid, exitCode, signalCode }: ChildProcess) =>
  pid !== undefined && exitCode === null && signalCode === null

const isSame = (one: Program, other: Program) =>
  one.command === other.command &&
  one.cwd === other.cwd &&
  areSame(one.args, other.args) &&
  areSame(one.env, other.env)

function areSame(one: object, other: object): boolean {
  const entries = Object.entries(one)
  const wanted = new Map(Object.entries(other))
  return (
    entries.length === wanted.size && entries.every(([key, value]) => wanted.get(key) === value)
  )
}
