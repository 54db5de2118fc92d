import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { abandonAhead, startAhead } from '../plugins/workers/process.ts'
import { findInterpreter } from '../plugins/wsgi/interpreter.ts'

export { beginStart } from './start-flags.ts'

type Environment = Readonly<Record<string, string | undefined>>

const SPAWNER = fileURLToPath(new URL('../plugins/wsgi/python/spawner.py', import.meta.url))

/** Options that say nothing of how, where and as whom Python runs. */
const HARMLESS = new Set([
  ...['-b', '--bind', '-w', '--workers', '-k', '--worker-class', '--threads', '-t', '--timeout'],
  ...['--graceful-timeout', '--keep-alive', '--max-requests', '--max-requests-jitter', '--backlog'],
  ...['--log-level', '--access-logfile', '--error-logfile', '--forwarded-allow-ips', '-p', '--pid'],
  ...['--plugins', '--static', '--certfile', '--keyfile'],
])
const HARMLESS_FLAGS = new Set(['--preload'])
/** `hello:app`, and no file in JavaScript. */
const PYTHON_APP = /^(?!.*\.[mc]?[jt]s:)[a-z_][\w.]*:[a-z_]/i
/** Variables that are settings, or that are not for the application. */
const TELLING = /^(WSGI_CORE_|GUNICORN_CMD_ARGS$|LISTEN_|NOTIFY_SOCKET$|WATCHDOG_)/

/**
 * Lets Python boot, and import the libraries that workers share, while the rest of this program loads. Only where nothing
 * but a plain command line says how it is to be started: so no user, for example, that the server is to become before.
 * It loads nothing of the application itself, and the configuration has the last word: a process that does not suit it
 * ends unused.
 */
export function headStart(argv: readonly string[], env: Environment, cwd: string): void {
  const target = plainTarget(argv)
  if (target === undefined || Object.keys(env).some((name) => TELLING.test(name))) return
  if (hasConfigFile(cwd)) return
  const command = findInterpreter(null, cwd, env)
  if (command === undefined) return
  process.on('exit', abandonAhead)
  try {
    startAhead({ command, args: [SPAWNER], cwd, env }, { ahead: { target, chdir: cwd } })
  } catch {
    // the start itself will fail at the same, and say so
  }
}

/** The application in Python, where all else are harmless options in their plainest spelling. */
export function plainTarget(argv: readonly string[]): string | undefined {
  const apps: string[] = []
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] as string
    if (HARMLESS.has(word)) at++
    else if (PYTHON_APP.test(word)) apps.push(word)
    else if (!HARMLESS_FLAGS.has(word) && !isHarmlessWithValue(word)) return undefined
  }
  return apps.length === 1 ? apps[0] : undefined
}

const isHarmlessWithValue = (word: string) =>
  word.startsWith('--') && word.includes('=') && HARMLESS.has(word.slice(0, word.indexOf('=')))

function hasConfigFile(folder: string): boolean {
  try {
    return readdirSync(folder).some((name) => name.startsWith('wsgi-core.config.'))
  } catch {
    return true // not to be read: no reason to guess
  }
}
