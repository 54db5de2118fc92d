import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import convict from 'convict'
import { type Address, parseBind } from '../address.ts'
import { BadConfig, NothingToServe } from '../errors.ts'
import { type Plugin, type PluginUse, sortPlugins } from '../plugins.ts'
import { addDependencies, resolvePlugin } from '../resolve.ts'
import { findConfigFile, loadConfigFile, unreadConfigFile } from './file.ts'
import './formats.ts'
import { judgeKeys, placeGunicornKeys, valueAt } from './gunicorn.ts'
import { mergeValues, normalizeKeys, unknownKeys } from './keys.ts'
import { type CoreOptions, type OptionSpec, optionTable, variableOf } from './schema.ts'

/** What the command line says, in terms of an option table. */
export interface Arguments {
  /** Values by option path. */
  readonly values: ReadonlyMap<string, unknown>
  /** What is wrong with them, one sentence each. */
  readonly faults: readonly string[]
  /** What has no effect, one sentence each. */
  readonly warnings?: readonly string[]
  /** What follows an option's name in a fault, for values that do not come from the command line itself. */
  readonly places?: ReadonlyMap<string, string>
}

/** Where a configuration comes from, from weak to strong: others' variables, file, code, our variables, arguments. */
export interface Sources {
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Config file; undefined: `wsgi-core.config.*` in `cwd`, if there is one; null: none. */
  readonly file?: string | null | undefined
  /** Values given in code, shaped like the config file. */
  readonly values?: Readonly<Record<string, unknown>>
  /** Plugins given in code. */
  readonly uses?: readonly PluginUse[]
  /** Reads the command line; called again once all plugins, and so all options, are known. */
  readonly parseArguments?: (table: readonly OptionSpec[]) => Arguments
  /** Called once, before the server becomes another user (`--user`): what root alone may do. */
  readonly beforeUserChange?: (configuration: Configuration) => void
  /** The plugin that a target (`hello:app`) brings along, and the option that holds the target. */
  readonly target?: {
    readonly plugin: string
    readonly option: string
    /** Without a target there must be a plugin at least. */
    readonly required?: boolean
  }
}

/** A complete, valid configuration. */
export interface Configuration {
  readonly core: CoreOptions
  readonly binds: readonly Address[]
  readonly cwd: string
  /** The config file that was read, or null. */
  readonly file: string | null
  /** In the order in which they are applied. */
  readonly plugins: readonly { readonly plugin: Plugin; readonly options: unknown }[]
  readonly table: readonly OptionSpec[]
  /** What was given and has no effect, one sentence each. */
  readonly warnings: readonly string[]
  /** All of it as JSON, which is a config file too; secrets that are set are masked. */
  print(): string
}

type Values = Record<string, unknown>
const NO_ARGUMENTS = (): Arguments => ({ values: new Map<string, unknown>(), faults: [] })

/**
 * Reads all sources, loads the plugins they name, and checks everything against the one schema that results.
 * @throws WSGI_CORE_BAD_CONFIG with all faults at once; what plugins' resolution throws.
 */
export async function loadConfiguration(sources: Sources): Promise<Configuration> {
  const parseArguments = sources.parseArguments ?? NO_ARGUMENTS
  const applicationTable = optionTable(await targetPlugins(sources, []))
  const probe = parseArguments(applicationTable)
  const read = await readFile(sources, probe.values)
  const file = placeGunicornKeys(read.values, applicationTable)
  const code = placeGunicornKeys(normalizeKeys(sources.values ?? {}), applicationTable)
  let values = mergeValues(file.values, code.values)
  const uses = await loadPlugins(sources, values, probe.values)
  const table = optionTable(uses.map((use) => use.plugin))
  const args = parseArguments(uses.length > 0 ? table : applicationTable)
  const sections = uses.map((use) => use.plugin.name)
  const placed = placeGunicornKeys(values, table)
  const judged = judgeKeys(placed.values, table)
  values = judged.values
  for (const { plugin, options } of uses) {
    if (isEmpty(options)) continue
    values = mergeValues(values, { [plugin.name]: options })
  }
  const config = convict(convictSchema(table) as never, {
    env: sources.env,
    args: [],
  }) as unknown as Config
  const faults = [
    ...args.faults,
    ...[file, code, placed].flatMap((each) => each.faults),
    ...judged.verdicts.flatMap(({ fault = [] }) => fault),
    ...unknownKeys(values, table, sections),
  ]
  const standIns = findStandIns(table, sources.env, values)
  overlay(config, values, standIns, args.values, table)
  const placeOf = (spec: OptionSpec) => place(spec, args, standIns, sources.env)
  faults.push(...invalidValues(config, placeOf, table))
  faults.push(...missingFolder(config, placeOf, table, sources.cwd))
  if (faults.length > 0) throw new BadConfig(faults.join('\n'))
  if (sources.target?.required && uses.length === 0) throw new NothingToServe()
  const ignored = judged.verdicts.flatMap(({ warning = [] }) => warning)
  const warnings = [...read.warnings, ...(args.warnings ?? []), ...ignored]
  return { ...finish(config, uses, table, sources.cwd), file: read.path, warnings }
}

async function readFile(
  { file, cwd }: Sources,
  args: ReadonlyMap<string, unknown>,
): Promise<{ path: string | null; values: Values; warnings: string[] }> {
  const named = args.get('config') as string | undefined
  const path = named ?? (file === undefined ? findConfigFile(cwd) : file)
  if (path !== null) {
    const file = await loadConfigFile(path, cwd)
    return { path: file.path, values: normalizeKeys(file.values), warnings: [] }
  }
  return { path: null, values: {}, warnings: file === undefined ? unreadConfigFile(cwd) : [] }
}

/** `--plugins` or its variable replace the file's list; what code and the target bring is added. */
async function loadPlugins(
  sources: Sources,
  values: Values,
  args: ReadonlyMap<string, unknown>,
): Promise<PluginUse[]> {
  const { env, cwd, uses = [], target } = sources
  const variable = env.WSGI_CORE_PLUGINS?.split(',')
  const listed = args.get('plugins') ?? variable ?? values.plugins ?? []
  const names = [listed].flat().flatMap((name) => String(name).split(','))
  const all = [...uses]
  const add = async (name: string) => {
    if (all.some((use) => use.plugin.name === name)) return
    all.push({ plugin: await resolvePlugin(name, cwd), options: {} })
  }
  for (const name of new Set(names.map((each) => each.trim()).filter((each) => each !== ''))) {
    await add(name)
  }
  if (target && (await hasTarget(sources, values, all))) await add(target.plugin)
  return sortPlugins(await addDependencies(all, cwd))
}

/** Only who knows all options can tell the target from the value of one. */
async function hasTarget(
  sources: Sources,
  values: Values,
  uses: readonly PluginUse[],
): Promise<boolean> {
  const { env, target, parseArguments = NO_ARGUMENTS } = sources
  const inFile = target && (values[target.plugin] as Values | undefined)?.[target.option]
  if (inFile !== undefined || env.WSGI_CORE_APP !== undefined) return true
  return parseArguments(optionTable(await targetPlugins(sources, uses))).values.has('app')
}

/** These plugins, and those that a target would bring. */
async function targetPlugins(
  { cwd, target }: Sources,
  uses: readonly PluginUse[],
): Promise<Plugin[]> {
  const all = [...uses]
  if (target && !all.some((use) => use.plugin.name === target.plugin)) {
    all.push({ plugin: await resolvePlugin(target.plugin, cwd), options: {} })
  }
  return (await addDependencies(all, cwd)).map((use) => use.plugin)
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

function overlay(
  config: Config,
  values: Values,
  standIns: ReadonlyMap<string, StandIn>,
  args: ReadonlyMap<string, unknown>,
  table: readonly OptionSpec[],
): void {
  const known: Values = {}
  for (const { path } of table) {
    const [head, key] = path.split('.') as [string, string?]
    const value = standIns.get(path)?.value ?? valueAt(values, path)
    if (value === undefined) continue
    if (key === undefined) known[head] = value
    else known[head] = { ...(known[head] as Values | undefined), [key]: value }
  }
  config.load(known) // convict lays the environment over it
  for (const [path, value] of args) {
    if (table.some((spec) => spec.path === path)) config.set(path, value)
  }
}

/** Convict lists all invalid values, one a line; each gets the place where the value came from. */
function invalidValues(
  config: Config,
  placeOf: (spec: OptionSpec) => string,
  table: readonly OptionSpec[],
): string[] {
  try {
    config.validate({ allowed: 'strict' })
    return []
  } catch (error) {
    return String((error as Error).message)
      .split('\n')
      .map((line) => {
        const path = line.slice(0, line.indexOf(':'))
        const spec = table.find((each) => each.path === path)
        return spec ? `${placeOf(spec)}${line.slice(path.length)}` : line
      })
  }
}

/** Everything else starts from there: said now, and not by whatever fails first. */
function missingFolder(
  config: Config,
  placeOf: (spec: OptionSpec) => string,
  table: readonly OptionSpec[],
  cwd: string,
): string[] {
  const chdir = config.get('chdir')
  if (typeof chdir !== 'string') return []
  const folder = resolve(cwd, chdir)
  if (existsSync(`${folder}/.`)) return []
  const spec = table.find(({ path }) => path === 'chdir') as OptionSpec
  return [`${placeOf(spec)}: there is no folder '${folder}'`]
}

function place(
  { path, definition }: OptionSpec,
  { values, places }: Arguments,
  standIns: ReadonlyMap<string, StandIn>,
  env: Sources['env'],
): string {
  if (values.has(path) && definition.arg) {
    return `argument --${definition.arg}${places?.get(path) ?? ''}`
  }
  const own = variableOf(definition)
  const variable = own && env[own] !== undefined ? own : standIns.get(path)?.name
  return variable ? `variable ${variable}` : `setting '${path}'`
}

function finish(
  config: Config,
  uses: readonly PluginUse[],
  table: readonly OptionSpec[],
  cwd: string,
): Omit<Configuration, 'file' | 'warnings'> {
  const values = config.getProperties()
  const core = values as unknown as CoreOptions
  return {
    core,
    binds: core.bind.map((text) => inFolder(parseBind(text), resolve(cwd, core.chdir))),
    cwd: resolve(cwd, core.chdir),
    plugins: uses.map(({ plugin }) => ({ plugin, options: values[plugin.name] ?? {} })),
    table,
    print: () => print(config, table),
  }
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

const isEmpty = (values: object) => Object.keys(values).length === 0

const inFolder = (address: Address, folder: string): Address =>
  address.kind === 'unix' ? { kind: 'unix', path: resolve(folder, address.path) } : address
