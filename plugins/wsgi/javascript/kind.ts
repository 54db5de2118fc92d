/** What an application may be, by the option `interface`. */
export const INTERFACES = ['auto', 'wsgi', 'fastify', 'node', 'fetch'] as const
export type Interface = (typeof INTERFACES)[number]
export type Kind = Exclude<Interface, 'auto'>

type Shape = Record<string, unknown> | null | undefined

const has = (value: unknown, ...names: string[]) =>
  names.every((name) => typeof (value as Shape)?.[name] === 'function')

/**
 * Tells what an exported value is by its shape: a Fastify instance or plugin, an Express or Connect application, an
 * object with `fetch`, and else by the names of a function's parameters: `(req, res)`, `(request)`, `(fastify)`. A
 * function with two parameters that say nothing is WSGI-style. undefined: nothing that could be called.
 */
export function kindOf(value: unknown): Kind | undefined {
  if (has(value, 'routing', 'inject', 'ready')) return 'fastify'
  if (has(value, 'use', 'handle')) return 'node'
  if (has(value, 'fetch')) return 'fetch'
  if (typeof value !== 'function') return undefined
  if (Symbol.for('plugin-meta') in value || Symbol.for('fastify.display-name') in value) {
    return 'fastify'
  }
  return kindOfFunction(value as (...args: unknown[]) => unknown)
}

function kindOfFunction(value: (...args: unknown[]) => unknown): Kind {
  const first = firstParameter(value)
  if (/^_*(fastify|instance)$/i.test(first)) return 'fastify'
  if (value.length === 1) return /^_*env(iron)?$/i.test(first) ? 'wsgi' : 'fetch'
  return /^_*req(uest)?$/i.test(first) || value.length === 3 ? 'node' : 'wsgi'
}

const firstParameter = (value: (...args: unknown[]) => unknown) =>
  /^(?:async\s+)?(?:function\s*\*?\s*[\w$]*\s*)?(?:[\w$]+\s*(?=\())?\(?\s*([\w$]*)/.exec(
    String(value),
  )?.[1] ?? ''

/** Whether a value may be used as this kind. */
export function isUsable(value: unknown, kind: Kind): boolean {
  if (kind === 'fetch') return typeof value === 'function' || has(value, 'fetch')
  if (kind === 'fastify') return typeof value === 'function' || has(value, 'routing')
  return typeof value === 'function'
}
