import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Address, parseBind } from '../address.ts'
import { BadConfig, NothingToServe } from '../errors.ts'
import type { Sharing } from '../listeners.ts'
import { type Plugin, type PluginUse, sortPlugins } from '../plugins.ts'
import { addDependencies, pluginFile, resolvePlugin } from '../resolve.ts'
import type { Role } from '../role.ts'
import { type Decoded, decode } from './decode.ts'
import { findConfigFile, loadConfigFile, unreadConfigFile } from './file.ts'
import { judgeKeys, placeGunicornKeys } from './gunicorn.ts'
import { mergeValues, normalizeKeys, unknownKeys } from './keys.ts'
import { type CoreOptions, type OptionSpec, optionTable } from './schema.ts'

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
  /** Called with the first configuration, before anything is opened; what it throws stops the start. */
  readonly configured?: (configuration: Configuration) => void
  /** Called once, before the server becomes another user (`--user`): what root alone may do. */
  readonly beforeUserChange?: (configuration: Configuration) => void
  /** Who else serves, or has served, at the same listening sockets. */
  readonly sharing?: Sharing
  /** How the server is one of several processes, by its first configuration; undefined where it is alone. */
  readonly role?: (configuration: Configuration) => Promise<Role | undefined>
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
  /** What it was read from: the config file, and plugins that are named by a path. */
  readonly files: readonly string[]
  /** In the order in which they are applied. */
  readonly plugins: readonly { readonly plugin: Plugin; readonly options: unknown }[]
  readonly table: readonly OptionSpec[]
  /** All of it, shaped like the config file, with what is secret. */
  readonly values: Readonly<Record<string, unknown>>
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
  // without anything to serve, an application's options are what the sources are about
  const table = uses.length > 0 ? optionTable(uses.map((use) => use.plugin)) : applicationTable
  const args = parseArguments(table)
  const sections = [...uses.map((use) => use.plugin.name), ...sectionsOf(table)]
  const placed = placeGunicornKeys(values, table)
  const judged = judgeKeys(placed.values, table)
  values = judged.values
  for (const { plugin, options } of uses) {
    if (isEmpty(options)) continue
    values = mergeValues(values, { [plugin.name]: options })
  }
  const names = new Map([file, code, placed].flatMap((each) => [...each.names]))
  const decoded = decode(table, { values, names, args, env: sources.env })
  const faults = [
    ...args.faults,
    ...[file, code, placed].flatMap((each) => each.faults),
    ...judged.verdicts.flatMap(({ fault = [] }) => fault),
    ...unknownKeys(values, table, sections),
    ...decoded.faults,
    ...missingFolder(decoded, sources.cwd),
  ]
  if (faults.length > 0) throw new BadConfig(faults.join('\n'))
  if (sources.target?.required && uses.length === 0) throw new NothingToServe()
  const ignored = judged.verdicts.flatMap(({ warning = [] }) => warning)
  const warnings = [...read.warnings, ...(args.warnings ?? []), ...ignored]
  return { ...finish(decoded, uses, table, sources.cwd), files: filesOf(read.path, uses), warnings }
}

const filesOf = (configFile: string | null, uses: readonly PluginUse[]) =>
  [configFile, ...uses.map(({ plugin }) => pluginFile(plugin))].filter((file) => file != null)

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
  if (target && (await hasTarget(sources, values, args, all))) await add(target.plugin)
  return sortPlugins(await addDependencies(all, cwd))
}

/** Only who knows all options can tell the target from the value of one. */
async function hasTarget(
  sources: Sources,
  values: Values,
  args: ReadonlyMap<string, unknown>,
  uses: readonly PluginUse[],
): Promise<boolean> {
  const { env, target, parseArguments = NO_ARGUMENTS } = sources
  const inFile = target && (values[target.plugin] as Values | undefined)?.[target.option]
  if ((inFile ?? env.WSGI_CORE_APP) !== undefined) return true
  if (uses.length === 0) return args.has('app') // they were read by the options that a target brings
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

/** Everything else starts from there: said now, and not by whatever fails first. */
function missingFolder({ values, placeOf }: Decoded, cwd: string): string[] {
  if (typeof values.chdir !== 'string') return []
  const folder = resolve(cwd, values.chdir)
  return existsSync(`${folder}/.`) ? [] : [`${placeOf('chdir')}: there is no folder '${folder}'`]
}

function finish(
  { values, print }: Decoded,
  uses: readonly PluginUse[],
  table: readonly OptionSpec[],
  cwd: string,
): Omit<Configuration, 'files' | 'warnings'> {
  const core = values as unknown as CoreOptions
  return {
    core,
    binds: core.bind.map((text) => inFolder(parseBind(text), resolve(cwd, core.chdir))),
    cwd: resolve(cwd, core.chdir),
    plugins: uses.map(({ plugin }) => ({ plugin, options: values[plugin.name] ?? {} })),
    table,
    values,
    print,
  }
}

const sectionsOf = (table: readonly OptionSpec[]) =>
  table.filter(({ path }) => path.includes('.')).map(({ section }) => section)

const isEmpty = (values: object) => Object.keys(values).length === 0

const inFolder = (address: Address, folder: string): Address =>
  address.kind === 'unix' ? { kind: 'unix', path: resolve(folder, address.path) } : address
