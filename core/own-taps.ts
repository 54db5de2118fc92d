import type { FullTap } from 'tapable'
import { createHooks, type HookName, type Hooks } from './hooks.ts'

/**
 * Hooks for whoever composes a server: what taps them taps those of each generation, after its plugins. Only to
 * `handle` such a tap comes first, so that it can answer before the application does.
 * `check` is called for each tap and may refuse it.
 */
export function createOwnHooks(check: (name: string) => void): Hooks {
  const hooks = createHooks()
  const register = (tap: FullTap) => {
    check(tap.name)
    return tap
  }
  for (const name of namesOf(hooks)) hooks[name].intercept({ register: register as never })
  return hooks
}

/** Taps a generation's hooks with all that the own ones have. */
export function replayTaps(own: Hooks, hooks: Hooks): void {
  for (const name of namesOf(own)) {
    for (const tap of own[name].taps as FullTap[]) {
      const { type, fn, ...options } = tap
      const placed = name === 'handle' ? { stage: -1, ...options } : options
      const hook = hooks[name] as unknown as Tappable
      hook[TAP[type]](placed, fn)
    }
  }
}

type Tappable = Record<(typeof TAP)[keyof typeof TAP], (options: object, fn: unknown) => void>

const TAP = { sync: 'tap', async: 'tapAsync', promise: 'tapPromise' } as const

const namesOf = (hooks: Hooks) => Object.keys(hooks) as HookName[]
