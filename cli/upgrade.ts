import { type ChildProcess, spawn } from 'node:child_process'
import { statSync } from 'node:fs'
import type { Inherited, Server, Sharing } from '../core/index.ts'
import { DETACHED } from './daemon.ts'
import { duplicate } from './duplicate.ts'

/** Set for a server that is to take over, and taken away before the application can see it. */
const UPGRADE = 'WSGI_CORE_UPGRADE'
/** Milliseconds between two looks whether the server before this one is gone. */
const LOOK_EVERY = 200
const FIRST_SOCKET = 3

type Environment = Record<string, string | undefined>

/** What a server that takes over has from the one before. */
export interface Legacy {
  readonly parent: number
  readonly sockets: readonly Inherited[]
}

/** Reads what the server before has left, and removes it from the environment. */
export function takeLegacy(env: Environment): Legacy | undefined {
  const text = env[UPGRADE]
  delete env[UPGRADE]
  return text === undefined ? undefined : JSON.parse(text)
}

export interface UpgradeOptions {
  readonly argv: readonly string[]
  readonly legacy: Legacy | undefined
  readonly isDetached: boolean
  /** Why there can be no upgrade here. */
  readonly obstacle: string | undefined
}

/**
 * Two servers at the same sockets: SIGUSR2 has the running one start a new one from the same command line, and either
 * may leave. At most one upgrade is under way.
 */
export class Upgrade implements Sharing {
  readonly duplicate = duplicate
  readonly #options: UpgradeOptions
  readonly #folder = startFolder(process.env)
  #heir: ChildProcess | undefined

  constructor(options: UpgradeOptions) {
    this.#options = options
  }

  get inherited(): readonly Inherited[] {
    return this.#options.legacy?.sockets ?? []
  }

  /** Whether the server before this one still runs. */
  get hasParent(): boolean {
    return this.#options.legacy !== undefined && process.ppid === this.#options.legacy.parent
  }

  readonly isShared = (): boolean => this.#heir !== undefined || this.hasParent

  /** Starts the new server. */
  start(server: Server): void {
    const reason = this.#objection(server)
    if (reason) return server.log?.warn(`USR2 signal ignored. ${reason}`)
    const heir = this.#spawn(server)
    this.#heir = heir
    heir.once('error', (err) => {
      this.#heir = undefined
      server.log?.error({ err }, 'the new server cannot be started')
    })
    heir.once('exit', (code, signal) => {
      this.#heir = undefined
      report(server, heir.pid, code, signal)
    })
    server.log?.info(`Starting new server with pid: ${heir.pid}`)
  }

  /** Calls back when the server before this one is gone; at once where there is none. */
  whenAlone(promoted: () => void): void {
    if (!this.hasParent) return promoted()
    setTimeout(() => this.whenAlone(promoted), LOOK_EVERY).unref()
  }

  #objection(server: Server): string | undefined {
    if (this.#options.obstacle) return this.#options.obstacle
    if (this.#heir) return 'Child exists.'
    if (this.hasParent) return 'Parent exists.'
    return server.sockets.length === 0 ? 'The server starts or stops.' : undefined
  }

  #spawn(server: Server): ChildProcess {
    const { argv, isDetached } = this.#options
    const { sockets } = server
    const legacy: Legacy = {
      parent: process.pid,
      sockets: sockets.map(({ address }, index) => [address, FIRST_SOCKET + index]),
    }
    const command = [...process.execArgv, process.argv[1] as string, ...argv]
    return spawn(process.execPath, command, {
      cwd: this.#folder,
      stdio: ['inherit', 'inherit', 'inherit', ...sockets.map(({ handle }) => handle.fd)],
      env: {
        ...process.env,
        ...(isDetached ? { [DETACHED]: '1' } : {}),
        [UPGRADE]: JSON.stringify(legacy),
      },
    })
  }
}

function report(
  server: Server,
  pid: number | undefined,
  code: number | null,
  signal: string | null,
) {
  const how = signal ? `by ${signal}` : `with exit code ${code}`
  const text = `The new server (pid:${pid}) ended ${how}`
  const then = server.isParked ? 'nobody serves until a HUP' : 'this one goes on'
  if (code === 0 && !server.isParked) server.log?.info(`${text}; ${then}`)
  else server.log?.error(`${text}; ${then}`)
}

/** As the shell calls it: where that is a link to a release, the new server starts in what it leads to by then. */
function startFolder({ PWD }: Environment): string {
  const folder = process.cwd()
  const named = PWD ? statSync(PWD, { throwIfNoEntry: false }) : undefined
  const real = statSync(folder)
  return named?.ino === real.ino && named.dev === real.dev ? (PWD as string) : folder
}
