import type { Core } from './core.ts'
import { BadPlugin, DependencyCycle, DuplicatePlugin } from './errors.ts'

/**
 * One option of a plugin or of the core. From it come validation, the default, the command line option with its
 * help, the environment variable, the config file's key, `--print-config` and the reference in `docs/`.
 */
export interface OptionDefinition {
  /** One sentence for `--help` and the reference. */
  readonly doc: string
  /** A named format of `core/config/formats.ts`, or the list of allowed values. */
  readonly format: string | readonly string[]
  readonly default: unknown
  /** May be null, which means: not set. */
  readonly nullable?: boolean
  /** Command line option without its dashes; none where absent. */
  readonly arg?: string
  /** Other spellings of `arg`. */
  readonly argAliases?: readonly string[]
  /** One-letter option, `w` for `-w`. */
  readonly short?: string
  /** What the option alone, without a value, means. Only with a list of allowed values, so that it can be told. */
  readonly bare?: string
  /** Environment variable; default `WSGI_CORE_` + `arg` in capitals. */
  readonly env?: string
  /** Variables of other programs that stand in when `env` is not set: name to how its value is written as ours. */
  readonly envAliases?: Readonly<Record<string, (value: string) => string>>
  /** What stands for the value in `--help`. */
  readonly metavar?: string
  /** Never printed or logged. */
  readonly sensitive?: boolean
}

/** Options by key, in the order in which help and docs show them. */
export type Schema = Readonly<Record<string, OptionDefinition>>

type Value<O extends OptionDefinition> = O['format'] extends readonly (infer Choice)[]
  ? Choice
  : Widened<O['default']>

/** `1` and `true` are examples of what an option holds, not all that it may hold. */
type Widened<T> = [T] extends [number]
  ? number
  : [T] extends [boolean]
    ? boolean
    : [T] extends [string]
      ? string
      : T

/** The options that a schema describes, inferred from its formats and defaults. */
export type Options<S extends Schema> = { readonly [K in keyof S]: Value<S[K]> }

/**
 * What the core and everything that extends it agree on.
 * Order: configuration decoded → apply → hooks → deferred clean-ups.
 */
export interface Plugin<S extends Schema = Schema> {
  /** Unique, kebab-case; also the config section, the `--plugins` word and the log tag. */
  readonly name: string
  /** Schema of the plugin's section. */
  readonly config: S
  /** Plugins applied before this one, whatever order the user gave. */
  readonly dependencies: readonly string[]
  /** Taps hooks and nothing else: a plugin that was only applied leaves nothing to clean up. */
  apply(core: Core, options: Options<S>): void
  /**
   * With several fronts: the plugin's part in the process over them, where nothing is served. Called instead of
   * `apply`, with the same rules; `core.links.fronts` leads to the fronts. Of the hooks, `listeners` counts here too:
   * the addresses are opened in this process.
   */
  supervise?(core: Core, options: Options<S>): void
}

/**
 * What may be given to a plugin in code. One without options takes none.
 */
export type GivenOptions<S extends Schema> = [keyof S] extends [never]
  ? Readonly<Record<string, never>>
  : Partial<Options<S>>

/** The options that may be given to a plugin: `OptionsOf<typeof plugin>`. */
export type OptionsOf<P> = P extends Plugin<infer S> ? GivenOptions<S> : never

/**
 * The sections of `createServer`'s options, by plugin. A plugin adds its own by declaration merging:
 * `declare module 'wsgi-core' { interface Sections { queue?: OptionsOf<typeof queue> } }`.
 */
// biome-ignore lint/suspicious/noEmptyInterface: filled by declaration merging
export interface Sections {}

/** A plugin with options given in code; they are stronger than the config file, weaker than the command line. */
export interface PluginUse {
  readonly plugin: Plugin
  readonly options: Readonly<Record<string, unknown>>
}

/** A plugin as definePlugin returns it: itself, and a function that joins it with options. */
export interface PluginFactory<S extends Schema = Schema> extends Plugin<S> {
  (options?: GivenOptions<S>): PluginUse
}

interface Definition<S extends Schema> {
  readonly name: string
  readonly config?: S
  readonly dependencies?: readonly string[]
  apply(core: Core, options: Options<S>): void
  supervise?(core: Core, options: Options<S>): void
}

/**
 * Makes a plugin. The result goes to `server.use(plugin)`, to `server.use(plugin({ option: value }))`, and, as a
 * module's default export, to `--plugins NAME`.
 * @throws WSGI_CORE_BAD_PLUGIN where the name is not kebab-case.
 */
export function definePlugin<const S extends Schema = Record<never, never>>(
  definition: Definition<S>,
): PluginFactory<S> {
  const { name, config = {} as S, dependencies = [], apply, supervise } = definition
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) {
    throw new BadPlugin(String(name), 'its name must be kebab-case')
  }
  const factory = (options = {}) => ({ plugin, options }) as PluginUse
  const plugin = Object.defineProperties(factory, {
    name: { value: name },
    config: { value: config },
    dependencies: { value: dependencies },
    apply: { value: apply },
    supervise: { value: supervise },
  }) as unknown as PluginFactory<S>
  return plugin
}

/** Tells a plugin by its shape, so that one made by another copy of wsgi-core counts too. */
export function isPlugin(value: unknown): value is Plugin {
  const plugin = value as Plugin | null
  return (
    (typeof plugin === 'object' || typeof plugin === 'function') &&
    plugin !== null &&
    typeof plugin.name === 'string' &&
    typeof plugin.apply === 'function' &&
    typeof plugin.config === 'object' &&
    plugin.config !== null &&
    Array.isArray(plugin.dependencies)
  )
}

/** @throws WSGI_CORE_BAD_PLUGIN where it is something else. */
export function toUse(value: Plugin | PluginUse): PluginUse {
  if (isPlugin(value)) return { plugin: value, options: {} }
  const use = value as Partial<PluginUse> | undefined
  if (typeof use === 'object' && use !== null && isPlugin(use.plugin)) return use as PluginUse
  if (typeof value === 'string') {
    throw new BadPlugin(value, "it is a name; add it to the option 'plugins', or import it")
  }
  throw new BadPlugin(String(value), 'it has no name and apply()')
}

/**
 * Sorts plugins so that each comes after what it depends on, and otherwise in the order given.
 * @throws WSGI_CORE_DUPLICATE_PLUGIN, WSGI_CORE_DEPENDENCY_CYCLE
 */
export function sortPlugins(uses: readonly PluginUse[]): PluginUse[] {
  const byName = indexByName(uses)
  const sorted: PluginUse[] = []
  const path: string[] = []
  const visit = (use: PluginUse) => {
    const { name, dependencies } = use.plugin
    if (sorted.includes(use)) return
    if (path.includes(name)) throw new DependencyCycle([...path, name].join(' → '))
    path.push(name)
    for (const dependency of dependencies) {
      const needed = byName.get(dependency)
      if (needed) visit(needed)
    }
    path.pop()
    sorted.push(use)
  }
  uses.forEach(visit)
  return sorted
}

function indexByName(uses: readonly PluginUse[]): Map<string, PluginUse> {
  const byName = new Map<string, PluginUse>()
  for (const use of uses) {
    if (byName.has(use.plugin.name)) throw new DuplicatePlugin(use.plugin.name)
    byName.set(use.plugin.name, use)
  }
  return byName
}
