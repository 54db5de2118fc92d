import convict from 'convict'
import type { OptionDefinition } from '../plugins.ts'
import { FORMATS } from './formats.ts'
import { isSection, valueAt } from './gunicorn.ts'
import type { Arguments, Sources } from './load.ts'
import { type OptionSpec, variableOf } from './schema.ts'

type Values = Record<string, unknown>

/** The values of all sources under one another, checked. */
export interface Decoded {
  readonly values: Values
  /** One sentence for each value that is not allowed, with its place. */
  readonly faults: readonly string[]
  /** Where an option's value comes from. */
  placeOf(path: string): string
  /** All of it as JSON, which is a config file too; secrets that are set are masked. */
  print(): string
}

/** What is laid over one another. */
interface Layers {
  readonly args: Arguments
  readonly env: Sources['env']
  /** Of file and code. */
  readonly values: Values
  /** By path, the keys of `values` that were written otherwise. */
  readonly names: ReadonlyMap<string, string>
}

/** Lays arguments over our variables, those over `values`, those over other programs' variables and the defaults. */
export function decode(table: readonly OptionSpec[], layers: Layers): Decoded {
  const { args, env, values } = layers
  const config = convict(convictSchema(table) as never, {
    env: ownVariables(table, env),
    args: [],
  }) as unknown as Config
  const standIns = findStandIns(table, env, values)
  const misshapen = overlay(config, values, standIns, args.values, table)
  const placeOf = (path: string) => {
    const spec = table.find((each) => each.path === path)
    return spec ? place(spec, layers, standIns) : path
  }
  const faults = [
    ...misshapen.map(({ path, reason }) => `${placeOf(path)}: ${reason}`),
    ...invalidValues(config, placeOf),
  ]
  return {
    values: config.getProperties(),
    faults,
    placeOf,
    print: () => print(config, table),
  }
}

/** Our variables, for convict to lay over the values. */
function ownVariables(table: readonly OptionSpec[], env: Sources['env']): Record<string, string> {
  const own: Record<string, string> = {}
  for (const { definition } of table) {
    const name = variableOf(definition)
    if (name && env[name] !== undefined) own[name] = String(inCase(definition, env[name]))
  }
  return own
}

/** A word of a list of choices, in whatever case it was written: gunicorn takes `INFO` for `info`. */
function inCase({ format }: OptionDefinition, value: unknown): unknown {
  if (typeof format === 'string' || typeof value !== 'string' || format.includes(value))
    return value
  return format.find((choice) => choice.toLowerCase() === value.toLowerCase()) ?? value
}

/** A value as its format has it, from whatever shape the format reads. */
function inShape(definition: OptionDefinition, value: unknown): unknown {
  const { format } = definition
  const read = typeof format === 'string' ? FORMATS[format]?.read : undefined
  return read ? read(value) : inCase(definition, value)
}

/** Convict's shape: the core's keys, and one section a plugin. */
function convictSchema(table: readonly OptionSpec[]): Values {
  const schema: Values = {}
  for (const { path, definition } of table) {
    const [head, key] = path.split('.') as [string, string?]
    const { doc, format, default: fallback, nullable = false, sensitive = false } = definition
    const env = variableOf(definition)
    const leaf = { doc, format, default: fallback, nullable, sensitive, ...(env && { env }) }
    if (key === undefined) schema[head] = leaf
    else schema[head] = { ...(schema[head] as Values | undefined), [key]: leaf }
  }
  return schema
}

/** Another program's variable that stands in for an option, and its value written as ours. */
interface StandIn {
  readonly name: string
  readonly value: string
}

/** Other programs' variables (`PORT`, `WEB_CONCURRENCY`) count for options that no file and no code sets. */
function findStandIns(
  table: readonly OptionSpec[],
  env: Sources['env'],
  values: Values,
): Map<string, StandIn> {
  const found = new Map<string, StandIn>()
  for (const { path, definition } of table) {
    if (valueAt(values, path) !== undefined) continue
    for (const [name, translate] of Object.entries(definition.envAliases ?? {})) {
      if (env[name]) found.set(path, { name, value: translate(env[name]) })
    }
  }
  return found
}

/** The part of convict that is used, without its deep types: our schema is only known at run time. */
interface Config {
  load(values: Values): void
  get(path: string): unknown
  set(path: string, value: unknown): void
  validate(options: { allowed: 'strict' }): void
  getProperties(): Values
  toString(): string
}

/** @returns what is an object where none may be: convict would look for options in it, or pass it over. */
function overlay(
  config: Config,
  values: Values,
  standIns: ReadonlyMap<string, StandIn>,
  args: ReadonlyMap<string, unknown>,
  table: readonly OptionSpec[],
): { path: string; reason: string }[] {
  const misshapen: { path: string; reason: string }[] = []
  const known: Values = {}
  for (const { path, definition } of table) {
    const [head, key] = path.split('.') as [string, string?]
    const value = inShape(definition, standIns.get(path)?.value ?? valueAt(values, path))
    if (value === undefined) continue
    const reason = isSection(value) ? faultOf(definition, value) : undefined
    if (reason !== undefined) misshapen.push({ path, reason })
    else if (key === undefined) known[head] = value
    else known[head] = { ...(known[head] as Values | undefined), [key]: value }
  }
  config.load(known) // convict lays the environment over it
  for (const { path, definition } of table) {
    if (args.has(path)) config.set(path, inCase(definition, args.get(path)))
  }
  return misshapen
}

function faultOf({ format }: OptionDefinition, value: unknown): string | undefined {
  if (typeof format !== 'string') return `must be one of ${format.join(', ')}`
  try {
    FORMATS[format]?.check(value)
    return undefined
  } catch (error) {
    return `${(error as Error).message}: value was ${JSON.stringify(value)}`
  }
}

/** Convict lists all invalid values, one a line; each gets the place where the value came from. */
function invalidValues(config: Config, placeOf: (path: string) => string): string[] {
  try {
    config.validate({ allowed: 'strict' })
    return []
  } catch (error) {
    return String((error as Error).message)
      .split('\n')
      .map((line) => {
        const path = line.slice(0, line.indexOf(':'))
        return `${placeOf(path)}${line.slice(path.length)}`
      })
  }
}

function place(
  { path, definition }: OptionSpec,
  { args: { values, places }, env, names }: Layers,
  standIns: ReadonlyMap<string, StandIn>,
): string {
  if (values.has(path) && definition.arg) {
    return `argument --${definition.arg}${places?.get(path) ?? ''}`
  }
  const own = variableOf(definition)
  const variable = own && env[own] !== undefined ? own : standIns.get(path)?.name
  return variable ? `variable ${variable}` : `setting '${names.get(path) ?? path}'`
}

/** A secret that is not set needs no mask, and with one would not load again. */
function print(config: Config, table: readonly OptionSpec[]): string {
  const shown = config.getProperties()
  for (const { path, definition } of table) {
    if (!definition.sensitive || config.get(path) === definition.default) continue
    const [head, key] = path.split('.') as [string, string?]
    if (key === undefined) shown[head] = MASK
    else shown[head] = { ...(shown[head] as Values), [key]: MASK }
  }
  return JSON.stringify(shown, null, 2)
}

const MASK = '[Sensitive]'
