import { pino } from 'pino'
import type { FullTap } from 'tapable'
import type { Configuration } from './config/load.ts'
import { Core } from './core.ts'
import type { HookName } from './hooks.ts'

/** Who taps a hook, in the order in which they run. */
export interface HookTaps {
  readonly hook: HookName
  /** `SyncHook`, `AsyncSeriesHook`, ... */
  readonly kind: string
  readonly arguments: readonly string[]
  readonly plugins: readonly string[]
}

/**
 * Applies the plugins of a configuration to a core that never serves, and tells what they tap. What a plugin taps later,
 * within a hook, is not seen. What `apply` throws is told to `failed`, or thrown.
 */
export function inspectHooks(
  { plugins, ...configuration }: Pick<Configuration, 'core' | 'cwd' | 'files' | 'plugins'>,
  failed?: (plugin: string, error: unknown) => void,
): HookTaps[] {
  const core = new Core(configuration, {
    generation: 1,
    log: pino({ level: 'silent' }),
    signal: new AbortController().signal,
    reload: async () => {},
    kept: new Map(),
  })
  for (const { plugin, options } of plugins) {
    try {
      plugin.apply(core, options as never)
    } catch (error) {
      if (!failed) throw error
      failed(plugin.name, error)
    }
  }
  return Object.entries(core.hooks).map(([name, hook]) => ({
    hook: name as HookName,
    kind: hook.constructor.name,
    arguments: (hook as unknown as { _args: string[] })._args,
    plugins: (hook.taps as FullTap[]).map((tap) => tap.name),
  }))
}
