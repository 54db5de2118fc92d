import { join, resolve } from 'node:path'
import { Server, type Sources } from '../core/index.ts'
import { NotifySocket } from './notify-socket.ts'
import type { Systemd } from './systemd.ts'

/** A server that tells systemd (`Type=notify`, `Type=notify-reload`) how it is. */
export class NotifyingServer extends Server {
  readonly #address: string
  readonly #watchdog: number | undefined
  #socket: NotifySocket | undefined

  constructor(sources: Sources, { notifySocket = '', watchdog }: Systemd) {
    super(sources)
    this.#address = notifySocket
    this.#watchdog = watchdog
  }

  /** All is done that belongs to the start. */
  async announce(): Promise<void> {
    await this.#open()
    this.#tell('READY=1', `MAINPID=${process.pid}`, this.#status())
  }

  override async reload(): Promise<void> {
    this.#tell('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`)
    try {
      await super.reload()
      this.#tell('READY=1', this.#status())
    } catch (error) {
      this.#tell('READY=1', `${this.#status()}; the last reload failed: ${error}`)
      throw error
    }
  }

  override close(options?: { quick?: boolean }): Promise<void> {
    this.#tell('STOPPING=1', 'STATUS=Stopping')
    return super.close(options)
  }

  async #open(): Promise<void> {
    try {
      this.#socket = await NotifySocket.open(this.#address, this.#pythons())
    } catch (err) {
      const remedy = 'use Type=exec, or have python3 on PATH'
      this.log?.error({ err, remedy }, 'systemd cannot be told that the server is ready')
    }
    // Half the time, so that one delay does no harm. It runs in the event loop: one that hangs says nothing.
    if (this.#watchdog) setInterval(() => this.#tell('WATCHDOG=1'), this.#watchdog / 2).unref()
  }

  /** Where the application's Python is the only one, that one. */
  #pythons(): string[] {
    const { cwd = '.', plugins = [] } = this.configuration ?? {}
    const { python } = (plugins.find(({ plugin }) => plugin.name === 'wsgi')?.options ?? {}) as {
      python?: string | null
    }
    const named = python?.includes('/')
      ? [resolve(cwd, python), resolve(cwd, python, 'bin/python')]
      : [python ?? []].flat()
    const virtual = process.env.VIRTUAL_ENV ? [join(process.env.VIRTUAL_ENV, 'bin/python')] : []
    return ['python3', ...named, ...virtual, resolve(cwd, '.venv/bin/python')]
  }

  #status(): string {
    return `STATUS=Serving at ${this.addresses.join(', ')}`
  }

  #tell(...lines: readonly string[]): void {
    if (!this.#socket) return
    try {
      this.#socket.send(lines.map((line) => line.replaceAll('\n', ' ')).join('\n'))
    } catch (err) {
      this.log?.warn({ err }, 'systemd could not be told how the server is')
    }
  }
}
