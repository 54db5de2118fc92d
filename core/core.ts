import type { Logger } from 'pino'
import type { Configuration } from './config/load.ts'
import type { CoreOptions } from './config/schema.ts'
import { UnknownService } from './errors.ts'
import { type FastifyHooks, NO_HOOKS } from './fastify-hooks.ts'
import type { FrontLinks, SupervisorLink } from './fronts/links.ts'
import { guardHooks } from './guard.ts'
import { createHooks, type Hooks } from './hooks.ts'

/**
 * What plugins offer to each other, by name. A plugin adds its own by declaration merging:
 * `declare module 'wsgi-core' { interface Services { queue: Queue } }`.
 */
// biome-ignore lint/suspicious/noEmptyInterface: filled by declaration merging
export interface Services {}

/** The ways of plugins to themselves in other processes; none where there is one process. */
export interface Links {
  /** In the supervisor of several fronts. */
  readonly fronts?: FrontLinks
  /** In one of several fronts. */
  readonly supervisor?: SupervisorLink
}

/** What a generation has from its server. */
export interface Life {
  readonly generation: number
  readonly log: Logger
  readonly signal: AbortSignal
  readonly reload: () => Promise<void>
  readonly kept: Map<string, unknown>
  readonly links?: Links
  /** Adds the taps of whoever composed the server, once the plugins have theirs. */
  readonly tap?: (hooks: Hooks) => void
}

/** What one generation gives to its plugins. */
export class Core {
  readonly hooks: Hooks = createHooks()
  /** The core's own options, final. */
  readonly options: CoreOptions
  /** The folder that relative paths of the configuration start from. */
  readonly cwd: string
  /** Counts the configurations brought to life since the server started, from 1. */
  readonly generation: number
  /** Aborted where the server is told to stop while this generation starts: give up waiting. */
  readonly signal: AbortSignal
  /** What the configuration was read from: the config file, and plugins that are named by a path. */
  readonly files: readonly string[]
  /** Has the server reload, after those reloads that are under way; rejects where the new generation cannot serve. */
  readonly reload: () => Promise<void>
  /** Outlives generations: what a plugin hands on to its successor, under its name. */
  readonly kept: Map<string, unknown>
  readonly links: Links
  /** What plugins have asked of Fastify so far; complete in `beforeListen`. */
  fastifyHooks: FastifyHooks = NO_HOOKS
  readonly #log: Logger
  readonly #services = new Map<string, unknown>()
  readonly #undos: { name: string; undo: () => unknown }[] = []

  constructor(
    configuration: Pick<Configuration, 'core' | 'cwd' | 'files'>,
    { generation, log, signal, reload, kept, links = {} }: Life,
  ) {
    this.options = configuration.core
    this.cwd = configuration.cwd
    this.files = configuration.files
    this.generation = generation
    this.#log = log
    this.signal = signal
    this.reload = reload
    this.kept = kept
    this.links = links
    guardHooks(this.hooks)
  }

  /** A logger whose lines carry the plugin's name. Object first, constant text second. */
  logger(name: string): Logger {
    return this.#log.child({ plugin: name })
  }

  /**
   * Registers what undoes a step that was just done. Undone last to first when the generation retires, and also when
   * a later step of its start fails. May be asynchronous.
   */
  defer(name: string, undo: () => unknown): void {
    this.#undos.push({ name, undo })
  }

  /** Offers a service to the plugins that name this one in their `dependencies`. */
  provide<K extends keyof Services & string>(name: K, service: Services[K]): void {
    this.#services.set(name, service)
  }

  /** @throws WSGI_CORE_UNKNOWN_SERVICE where nobody has provided it yet. */
  service<K extends keyof Services & string>(name: K): Services[K] {
    if (!this.#services.has(name)) {
      throw new UnknownService(name, `add '${name}' to the plugin's dependencies, and to --plugins`)
    }
    return this.#services.get(name) as Services[K]
  }

  /** The service where a plugin that is loaded has provided it: for who can do without. */
  findService<K extends keyof Services & string>(name: K): Services[K] | undefined {
    return this.#services.get(name) as Services[K] | undefined
  }

  /** Runs the deferred clean-ups, last to first, all of them. @returns what failed, in that order. */
  async undo(): Promise<Error[]> {
    const errors: Error[] = []
    for (let step = this.#undos.pop(); step; step = this.#undos.pop()) {
      try {
        await step.undo()
      } catch (error) {
        errors.push(
          new Error(`plugin '${step.name}' failed to clean up: ${String(error)}`, { cause: error }),
        )
      }
    }
    return errors
  }
}
