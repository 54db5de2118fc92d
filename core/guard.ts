import type { FullTap } from 'tapable'
import { HookFailed } from './errors.ts'
import type { HookName, Hooks } from './hooks.ts'
import { joinTaps } from './joined-call.ts'

/** Wraps every tap, so that an error says which plugin failed in which hook, with the true error as its `cause`. */
export function guardHooks(hooks: Hooks): void {
  for (const name of Object.keys(hooks) as HookName[]) {
    hooks[name].intercept({ register: (tap) => guardTap(tap as FullTap, name) as never })
    joinTaps(hooks[name], bare, (error, plugin) => named(error, plugin, name))
  }
}

/** By guard, what it guards. */
const guarded = new WeakMap<object, Fn>()

function guardTap(tap: FullTap, hook: HookName): FullTap {
  const guard = GUARDS[tap.type](tap.fn as Fn, (error) => named(error, tap.name, hook))
  guarded.set(guard, tap.fn as Fn)
  return { ...tap, fn: guard }
}

const bare = ({ fn }: FullTap) => guarded.get(fn) ?? fn

type Fn = (...args: unknown[]) => unknown
type Name = (error: unknown) => Error

const GUARDS: Record<FullTap['type'], (fn: Fn, name: Name) => Fn> = {
  // no hook has more than three arguments, and no array is made for them: requests pass here
  sync: (fn, name) =>
    function guarded(one, two, three) {
      try {
        return fn(one, two, three)
      } catch (error) {
        throw name(error)
      }
    },
  promise: (fn, name) =>
    async function guarded(...args) {
      try {
        return await fn(...args)
      } catch (error) {
        throw name(error)
      }
    },
  async: (fn, name) =>
    function guarded(...args) {
      const done = args.pop() as Fn
      const callback: Fn = (error, result) => done(error ? name(error) : null, result)
      try {
        return fn(...args, callback)
      } catch (error) {
        return callback(error)
      }
    },
}

function named(error: unknown, plugin: string, hook: HookName): Error {
  if (error instanceof HookFailed) return error
  const text = error instanceof Error ? error.message : String(error)
  return Object.assign(new HookFailed(plugin, hook, text), { cause: error })
}
