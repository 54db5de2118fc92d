import { requireFromFastify } from './fastify-modules.ts'

type Compile = (...args: unknown[]) => unknown
type Selector = () => Compile

/**
 * Fastify's own compilers of JSON schemas, loaded when a route first has a schema. They are most of what Fastify
 * loads when it is made, and a server that hands its requests to workers never needs them.
 */
export const schemaController = {
  compilersFactory: {
    buildValidator: validators(lazily('@fastify/ajv-compiler')),
    buildSerializer: lazily('@fastify/fast-json-stringify-compiler'),
  },
}

function lazily(name: string): Compile {
  let compile: Compile | undefined
  return (...args) => {
    compile ??= (requireFromFastify(name) as Selector)()
    return compile(...args)
  }
}

interface HeadersSchema {
  readonly required?: unknown
  readonly properties?: Readonly<Record<string, unknown>>
}

/** Fastify lowers the names in schemas of headers, but not where it takes the compiler for somebody else's. */
function validators(build: Compile): Compile {
  return (...args) => {
    const compile = build(...args) as (route: { schema: unknown; httpPart?: string }) => unknown
    return (route: { schema: unknown; httpPart?: string }) => {
      const plain = Object.getPrototypeOf(route.schema ?? null) === Object.prototype
      if (route.httpPart !== 'headers' || !plain) return compile(route)
      return compile({ ...route, schema: lowerNames(route.schema as HeadersSchema) })
    }
  }
}

function lowerNames(schema: HeadersSchema): HeadersSchema {
  const { required, properties } = schema
  const lower = (name: unknown) => String(name).toLowerCase()
  const entries = Object.entries(properties ?? {}).map(([name, value]) => [lower(name), value])
  return {
    ...schema,
    ...(Array.isArray(required) && { required: required.map(lower) }),
    ...(properties && { properties: Object.fromEntries(entries) }),
  }
}
