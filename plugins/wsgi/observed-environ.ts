import { inspect } from 'node:util'
import { formatEnviron, parseEnviron } from './environ.ts'

/**
 * The environ as taps see it: a Map, which is filled when somebody first looks. Most taps do not, and what is not there
 * need not be read back.
 */
export class ObservedEnviron extends Map<string, string> {
  /** Gives the text of the environ; undefined once the map is filled. */
  #source: (() => string) | undefined

  constructor(source: () => string) {
    super()
    this.#source = source
  }

  /** @returns the text of what the map holds now; undefined where nobody has looked. */
  static changed(environ: ObservedEnviron): string | undefined {
    return environ.#source === undefined ? formatEnviron(environ) : undefined
  }

  /** Makes it a Map like any other. */
  static fill(environ: ObservedEnviron): void {
    Object.setPrototypeOf(environ, Map.prototype)
    const text = environ.#source?.() ?? ''
    environ.#source = undefined
    for (const [key, value] of parseEnviron(text)) environ.set(key, value)
  }

  [inspect.custom](): Map<string, string> {
    ObservedEnviron.fill(this)
    return this
  }
}

type Method = (this: Map<string, string>, ...args: unknown[]) => unknown

/** Whatever a Map has fills it first. */
for (const name of Reflect.ownKeys(Map.prototype)) {
  const { get, value } = Object.getOwnPropertyDescriptor(Map.prototype, name) as PropertyDescriptor
  const method = (get ?? value) as Method | string
  if (typeof method !== 'function' || name === 'constructor') continue
  const filling: Method = function filling(...args) {
    ObservedEnviron.fill(this as ObservedEnviron)
    return method.apply(this, args)
  }
  const descriptor = get ? { get: filling } : { value: filling }
  Object.defineProperty(ObservedEnviron.prototype, name, { configurable: true, ...descriptor })
}
Object.defineProperty(ObservedEnviron.prototype, 'constructor', { value: Map })
