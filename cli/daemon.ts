import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Configuration } from '../core/index.ts'
import { CannotDetach } from './errors.ts'
import { EXIT } from './exit-codes.ts'
import type { Systemd } from './systemd.ts'

/** Set for a process that is in the background already, and taken away before the application can see it. */
export const DETACHED = 'WSGI_CORE_DETACHED'

/** What the process in the background tells the one that has started it. */
type News = { readonly ready: true } | { readonly failed: string; readonly exitCode: number }

/** Thrown where the configuration turns out to ask for the background: this process is to start another there. */
export class DetachWanted extends Error {
  readonly configuration: Configuration

  constructor(configuration: Configuration) {
    super('the server is to run in the background')
    this.configuration = configuration
  }
}

/** Whether this is the process in the background. */
export function takeDetached(env: Record<string, string | undefined>): boolean {
  const isDetached = env[DETACHED] !== undefined
  delete env[DETACHED]
  hasStarter = isDetached && process.connected
  if (isDetached) process.umask(0o022) // not that of the shell that happened to start it
  return isDetached
}

/**
 * Starts the same command in a session of its own, and waits until it serves, or has failed: then its error is told
 * here, and its exit code is this one's.
 */
export async function detach(
  argv: readonly string[],
  { core, cwd }: Configuration,
  { sockets, notifySocket }: Systemd,
): Promise<number> {
  if (notifySocket || sockets.length > 0) throw new CannotDetach()
  const { errorLogfile: log, logSyslog } = core
  if (log === '-' && !logSyslog) warn('the error log goes nowhere; name a file by --error-logfile')
  if (core.accessLogfile === '-') warn('the access log goes nowhere; name a file for it')
  const errors = openErrors(log === '-' ? '/dev/null' : resolve(cwd, log))
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1] as string, ...argv], {
    detached: true,
    stdio: ['ignore', 'ignore', errors, 'ipc'],
    env: { ...process.env, [DETACHED]: '1' },
  })
  closeSync(errors)
  return outcome(child)
}

/** What is written past the log: into its file, and nowhere where that is no file, or a fault that the server tells. */
function openErrors(path: string): number {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found && !found.isFile()) return openSync('/dev/null', 'w')
  try {
    return openSync(path, 'a', 0o640)
  } catch {
    return openSync('/dev/null', 'w')
  }
}

async function outcome(child: ChildProcess): Promise<number> {
  const stop = () => child.kill('SIGTERM')
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, stop)
  const news: News = await Promise.race([
    once(child, 'message').then(([message]) => message),
    once(child, 'exit').then(([code, signal]) => ended(code, signal)),
  ])
  if ('ready' in news) return EXIT.ok
  process.stderr.write(news.failed)
  return news.exitCode
}

/** Without a word: it was told to stop, or the system has ended it. */
function ended(code: number | null, signal: NodeJS.Signals | null): News {
  if (code === EXIT.ok) return { failed: '', exitCode: EXIT.ok }
  const how = signal ? `by ${signal}` : `with exit code ${code}`
  const failed = `wsgi-core: error: the server ended ${how} while it started; see its error log\n`
  return { failed, exitCode: code ?? EXIT.failure }
}

const warn = (text: string) => process.stderr.write(`wsgi-core: warning: ${text}\n`)

/** The channel to whoever has started this process in the background, until it has heard the news. */
let hasStarter = false

/** Ends the waiting of the starter, where there is one. */
export function tellStarter(news: News): Promise<void> {
  if (!hasStarter || !process.connected) return Promise.resolve()
  hasStarter = false
  return new Promise((told) => {
    process.send?.(news, undefined, undefined, () => {
      process.disconnect()
      told()
    })
  })
}

/** Calls back where the starter is gone before it has heard anything: somebody has given up. */
export function onStarterGone(gone: () => void): void {
  process.once('disconnect', () => {
    if (hasStarter) gone()
  })
}
