import { resolve } from 'node:path'
import type { Configuration, Server } from '../core/index.ts'
import { type Commands, withControl } from './control.ts'
import { createPidfile, type Pidfile, readPid } from './pidfile.ts'
import type { Upgrade } from './upgrade.ts'

/** The pid file where the configuration wants it, through reloads and upgrades. */
export class PidKeeper {
  readonly #server: Server
  readonly #upgrade: Upgrade
  readonly #commands: Commands
  #pidfile: Pidfile | undefined

  constructor(server: Server, upgrade: Upgrade, commands: Commands) {
    this.#server = server
    this.#upgrade = upgrade
    this.#commands = commands
  }

  /** Writes the file, if it is not there yet. Another server's pid file stops the start. */
  open(configuration: Configuration | undefined): void {
    this.#pidfile ??= this.#create(this.#path(configuration))
  }

  /** After a reload: the file is where it is wanted now, also where somebody has removed it. */
  update(): void {
    if (!this.#server.configuration) return
    const wanted = this.#path(this.#server.configuration)
    const old = this.#pidfile
    if (wanted === old?.path && (!wanted || readPid(wanted) === process.pid)) return
    try {
      if (wanted === old?.path) old?.unlink()
      this.#pidfile = this.#create(wanted)
      if (wanted !== old?.path) old?.unlink()
    } catch (err) {
      this.#server.log?.error({ err }, 'the pid file could not be written anew')
    }
  }

  unlink(): void {
    this.#pidfile?.unlink()
  }

  #path(configuration: Configuration | undefined): string | undefined {
    if (!configuration?.core.pid) return undefined
    const path = resolve(configuration.cwd, configuration.core.pid)
    return this.#upgrade.hasParent ? `${path}.2` : path
  }

  #create(path: string | undefined): Pidfile | undefined {
    if (path === undefined) return undefined
    const failed = (err: Error) =>
      this.#server.log?.warn({ err }, "'wsgi-core reload' will not reach this server")
    return withControl(createPidfile(path), this.#commands, failed)
  }
}
