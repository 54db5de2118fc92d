import type { Configuration } from '../config/load.ts'
import { Core, type Life } from '../core.ts'
import { ApplyFailed, Stopped } from '../errors.ts'
import type { ListenerSpec, Listeners } from '../listeners.ts'
import type { AnyGeneration } from '../role.ts'
import type { FrontProcess } from './front-process.ts'
import type { FrontSet } from './front-set.ts'
import type { HeldListener } from './handles.ts'
import type { FrontLink } from './links.ts'
import type { PluginMessage } from './messages.ts'

interface Listener {
  received(from: FrontLink, body: unknown): void
  gone(number: number): void
}

/** A generation as the process over several fronts has it: they serve, it has the plugins' common part. */
export class SupervisingGeneration implements AnyGeneration {
  readonly core: Core
  readonly configuration: Configuration
  readonly number: number
  readonly active = 0
  readonly #set: FrontSet
  readonly #cwd: string
  readonly #plugins = new Map<string, Listener>()
  readonly #aborter = new AbortController()
  /** Has all of them reload. */
  readonly reload: () => Promise<void>

  constructor(
    configuration: Configuration,
    life: Omit<Life, 'signal'>,
    set: FrontSet,
    cwd: string,
  ) {
    this.configuration = configuration
    this.number = life.generation
    this.reload = life.reload
    this.#set = set
    this.#cwd = cwd
    const fronts = {
      count: set.count,
      listen: (plugin: string, received: Listener['received'], gone: Listener['gone']) =>
        this.#plugins.set(plugin, { received, gone }),
    }
    const { signal } = this.#aborter
    this.core = new Core(configuration, { ...life, signal, links: { fronts } })
  }

  /** What a front needs to make the same of it: whatever has become of files and variables since. */
  get plain() {
    return { cwd: this.#cwd, values: this.configuration.values }
  }

  /** With `bind` the addresses are opened first, those that plugins add in `supervise` too. */
  async build(bind?: (specs: ListenerSpec[]) => Promise<void>): Promise<ListenerSpec[]> {
    this.#supervise()
    const specs = await this.#specs()
    await bind?.(specs)
    this.#set.add(this)
    const stopped = new Promise<never>((_, reject) => {
      const stop = () => reject(new Stopped())
      this.#aborter.signal.addEventListener('abort', stop, { once: true })
    })
    return [...(await Promise.race([this.#set.build(this), stopped]))]
  }

  #specs(): Promise<ListenerSpec[]> {
    const specs = this.configuration.binds.map((address) => ({ address, scheme: 'http' as const }))
    return this.core.hooks.listeners.promise(specs)
  }

  #supervise(): void {
    for (const { plugin, options } of this.configuration.plugins) {
      try {
        plugin.supervise?.(this.core, options as never)
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error)
        throw Object.assign(new ApplyFailed(plugin.name, text), { cause: error })
      }
    }
  }

  activate(listeners: Listeners): Promise<unknown> {
    return this.#set.serve(this, listeners.servers as HeldListener[])
  }

  abort(): void {
    this.#aborter.abort(new Stopped())
  }

  async abandon(): Promise<Error[]> {
    await this.#set.abandon(this)
    return this.#tearDown()
  }

  async retire(hurry: Promise<unknown>): Promise<Error[]> {
    const retired = this.#set.retired(this)
    if (this.#set.isClosing) void hurry.then(() => this.#set.end())
    await retired
    return this.#tearDown()
  }

  /** A plugin in a front has something for itself here. */
  received(front: FrontProcess, { plugin, body }: PluginMessage): void {
    const { number: generation } = this
    this.#plugins.get(plugin)?.received(
      {
        number: front.number,
        send: (to, message) => front.send({ plugin: to, generation, body: message }),
      },
      body,
    )
  }

  lost(front: number): void {
    for (const { gone } of this.#plugins.values()) gone(front)
  }

  async #tearDown(): Promise<Error[]> {
    const errors = await this.core.undo()
    this.#set.drop(this)
    return errors
  }

  // Nobody connects to this process.
  serve(): void {}
  admit(): void {}
  upgrade(): void {}
  writeAccessLog(): void {}
  ready(): undefined {}
  takesUpgrades(): boolean {
    return false
  }
}
