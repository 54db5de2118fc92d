import { type FullTap, SyncBailHook, SyncHook } from 'tapable'

/** What tapable's hooks make their calls by. Its own types do not tell. */
interface Compiling {
  readonly constructor: unknown
  compile?: (options: CompileOptions) => Fn
}

interface CompileOptions {
  readonly taps: readonly FullTap[]
  readonly interceptors: readonly unknown[]
  readonly args: readonly string[]
  readonly type: string
}

type Fn = (...args: unknown[]) => unknown

/** What follows a tap's call, by kind of hook. */
const RUNS = new Map<unknown, (call: string) => string>([
  [SyncHook, (call) => `${call};`],
  [SyncBailHook, (call) => `result = ${call}; if (result !== undefined) return result;`],
])

/**
 * Has a synchronous hook run all of its taps within one guard, in a straight line, rather than each within its own: on the way
 * of a request that is most of what a tap costs. `bare` finds a tap without its guard; `name` is told what a tap throws, and
 * whose it was. Who intercepts the hook besides us gets tapable's own call, with guarded taps; so does who has a tapable that
 * makes its calls in another way.
 */
export function joinTaps(
  hook: object,
  bare: (tap: FullTap) => unknown,
  name: (error: unknown, plugin: string) => Error,
): void {
  const compiling = hook as Compiling
  const run = RUNS.get(compiling.constructor)
  const { compile } = compiling
  if (run === undefined || compile === undefined) return
  compiling.compile = (options) => {
    const { taps, interceptors, args, type } = options
    if (type !== 'sync' || interceptors.length > 1) return compile.call(hook, options)
    const plugins = taps.map((tap) => tap.name)
    const failed = (error: unknown, at: number) => name(error, plugins[at] as string)
    return writeCall(args, taps.length, run)(failed, ...taps.map(bare)) as Fn
  }
}

/** As tapable does: in code of its own each tap has a call of its own, which the engine knows the target of. */
function writeCall(args: readonly string[], count: number, run: (call: string) => string): Fn {
  const taps = Array.from({ length: count }, (_, index) => `tap${index}`)
  const calls = taps.map((tap, index) => `at = ${index}; ${run(`${tap}(${args})`)}`)
  const body = `let at, result; try { ${calls.join('\n')} } catch (error) { throw failed(error, at) }`
  return new Function('failed', ...taps, `return function call(${args}) { ${body} }`) as Fn
}
