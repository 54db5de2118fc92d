import { connect } from 'node:net'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { errors } from '../core/index.ts'
import {
  controlPath,
  type Greeting,
  isTooLong,
  type Outcome,
  type Request,
  TOO_LONG,
} from './control.ts'
import { NotRunning, ReloadFailed, ReloadTimeout } from './errors.ts'
import { isAlive, readPid } from './pidfile.ts'

export const RELOAD_HELP = `Usage: wsgi-core reload --pid FILE [--timeout SECONDS]

Has the server of that pid file reload configuration and application, as a HUP does, and waits for the outcome.
Exits with 0 when the new ones serve. Where they do not, the old ones go on; the reason is printed, and the exit
code is the one that a start would have had.

  -p, --pid FILE            The pid file of the server.
  --timeout SECONDS         How long to wait for the outcome; 0: for ever. Default: 120.
  -h, --help                Print this help, then exit.`

const OPTIONS = {
  pid: { type: 'string', short: 'p' },
  timeout: { type: 'string', default: '120' },
  help: { type: 'boolean', short: 'h', default: false },
} as const

/** `reload` alone, or with a pid file, is the command; with anything else it is an application of that name. */
export function isReloadCommand([word, ...rest]: readonly string[]): boolean {
  return word === 'reload' && (rest.length === 0 || rest.some((each) => OWN.test(each)))
}

const OWN = /^(--pid(=.*)?|-p.*|--help|-h)$/s

/** `wsgi-core reload --pid FILE`. @returns what to print. Where the reload fails, this throws. */
export async function reloadCommand(argv: readonly string[]): Promise<string> {
  const { pid, timeout, help } = readArguments(argv)
  if (help) return RELOAD_HELP
  if (pid === undefined) {
    throw new errors.BadConfig(
      "argument --pid: name the server's pid file; an application in reload.py is named 'reload:application'",
    )
  }
  const outcome = await ask(resolve(pid), timeout)
  if (outcome.ok) return 'Reloaded'
  const { reason, exitCode, traceback } = outcome
  throw Object.assign(new ReloadFailed(reason), { exitCode, ...(traceback && { traceback }) })
}

function readArguments(argv: readonly string[]) {
  try {
    const { values } = parseArgs({ args: [...argv], options: OPTIONS })
    const { pid, help } = values
    if (!/^\d+(\.\d+)?$/.test(values.timeout)) {
      throw new Error('argument --timeout: must be a number of seconds, 0 or more')
    }
    return { pid, help, timeout: Number(values.timeout) }
  } catch (cause) {
    throw new errors.BadConfig((cause as Error).message)
  }
}

async function ask(pidfile: string, timeout: number): Promise<Outcome> {
  const pid = livePid(pidfile)
  const path = controlPath(pidfile)
  if (isTooLong(path)) throw new NotRunning(pidfile, TOO_LONG)
  const socket = connect(path)
  const timer = timeout > 0 && setTimeout(() => socket.destroy(TIMED_OUT), timeout * 1000)
  try {
    const lines = createInterface({ input: socket })[Symbol.asyncIterator]()
    const greeting = await next<Greeting>(lines)
    if (greeting?.pid !== pid) throw new NotRunning(pidfile, strange(pid))
    socket.write(`${JSON.stringify({ command: 'reload' } satisfies Request)}\n`)
    const outcome = await next<Outcome>(lines)
    if (outcome === undefined) throw GONE
    return outcome
  } catch (error) {
    throw error === TIMED_OUT ? new ReloadTimeout(timeout) : explain(error as Error, pidfile, pid)
  } finally {
    if (timer) clearTimeout(timer)
    socket.destroy()
  }
}

const TIMED_OUT = new Error('timed out')
const GONE = new Error('gone')

async function next<T>(lines: AsyncIterator<string>): Promise<T | undefined> {
  const { value, done } = await lines.next()
  return done ? undefined : JSON.parse(value)
}

/** The process that the file names; one that is gone is told from one that cannot be asked. */
function livePid(pidfile: string): number {
  const pid = readPid(pidfile)
  if (pid === null) throw new NotRunning(pidfile, 'there is no such file, or no process id in it')
  if (!isAlive(pid)) throw new NotRunning(pidfile, `process ${pid} does not run; the file is stale`)
  return pid
}

function explain(error: NodeJS.ErrnoException, pidfile: string, pid: number): Error {
  if (error === GONE || error.code === 'ECONNRESET') {
    return new ReloadFailed('the server ended before it was done')
  }
  if (error.code === undefined || !REASONS.has(error.code)) return error
  const reason = REASONS.get(error.code) ?? strange(pid)
  return new NotRunning(pidfile, reason, { cause: error })
}

const REASONS = new Map([
  ['EACCES', 'the server belongs to another user; run this as that user, or as root'],
  ['ENOENT', undefined],
  ['ECONNREFUSED', undefined],
])

const strange = (pid: number) =>
  `process ${pid} is not the server that wrote it; if the file is stale, remove it`
