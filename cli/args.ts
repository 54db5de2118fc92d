import { parseArgs } from 'node:util'
import { FORMATS, nearest, type OptionDefinition, type OptionSpec } from '../core/index.ts'
import { foreignFlags, foreignOptions, judgeForeign } from './gunicorn-flags.ts'

/** Options of the command itself: they are no part of the configuration. */
export const COMMAND_OPTIONS: Readonly<Record<string, OptionDefinition>> = {
  config: {
    doc: 'Config file (JSON, YAML, TOML, JS or TS). Default: wsgi-core.config.* in the current folder.',
    format: 'text',
    default: null,
    arg: 'config',
    short: 'c',
    metavar: 'FILE',
  },
  checkConfig: flag(
    'check-config',
    'Load everything, the app included, then exit: 0 if all is well.',
  ),
  printConfig: flag('print-config', 'Print the configuration as JSON, then exit.'),
  version: flag('version', 'Print the version, then exit.', 'v'),
  help: flag('help', 'Print this help, then exit.', 'h'),
}

function flag(arg: string, doc: string, short?: string): OptionDefinition {
  return { doc, format: 'flag', default: false, arg, ...(short && { short }) }
}

export interface ParsedArguments {
  /** By option path; the options of the command by their key. `app` is the positional argument. */
  readonly values: ReadonlyMap<string, unknown>
  /** One sentence for each thing that is wrong. */
  readonly faults: readonly string[]
  /** One sentence for each option of gunicorn that has no effect. */
  readonly warnings: readonly string[]
}

interface Known {
  readonly path: string
  readonly definition: OptionDefinition
  readonly negates: boolean
}

/**
 * Reads the command line by an option table. Values stay text where their format will read them; repeatable options
 * give lists. Unknown options, missing values and surplus words become faults, none of them stops the reading.
 */
export function parseArguments(
  argv: readonly string[],
  table: readonly OptionSpec[],
): ParsedArguments {
  const known = index(table)
  const foreign = foreignFlags(known)
  const written = new Set(argv.map((word) => word.replace(/^--|=.*/gs, '')))
  const { tokens } = parseArgs({
    args: [...argv],
    options: { ...foreignOptions(foreign, written), ...nodeOptions(known, written) },
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const values = new Map<string, unknown>()
  const faults: string[] = []
  const warnings = new Set<string>()
  let afterUnknown = -1
  let afterBare: (OptionToken & { readonly index: number }) | undefined
  for (const token of tokens) {
    const bare = afterBare
    afterBare = undefined
    if (bare && token.kind === 'positional' && isValueOf(bare, token, known)) {
      addOption({ ...bare, value: token.value }, known, values, faults)
      continue
    }
    if (token.kind === 'option') {
      if (findOption(token, known)) {
        addOption(token, known, values, faults)
        afterBare = token
      } else if (foreign.has(token.rawName)) judgeForeign(token, foreign, faults, warnings)
      else {
        faults.push(unknownOption(token.rawName, known))
        afterUnknown = token.value === undefined ? token.index + 1 : -1
      }
      // The word after an unknown option is probably its value.
    } else if (token.kind === 'positional' && token.index !== afterUnknown)
      addPositional(token.value, values, faults)
  }
  return { values, faults, warnings: [...warnings] }
}

/** Whether the word that follows an option which needs no value is one of its values all the same. */
function isValueOf(
  { name, value, index }: OptionToken & { readonly index: number },
  word: { readonly value: string; readonly index: number },
  known: ReadonlyMap<string, Known>,
): boolean {
  const { bare, format } = (known.get(name) as Known).definition
  const isNext = value === undefined && word.index === index + 1
  return isNext && bare !== undefined && format.includes(word.value.toLowerCase())
}

// `--w` is not `-w`.
const findOption = ({ name, rawName }: OptionToken, known: ReadonlyMap<string, Known>) =>
  name.length === 1 && rawName.startsWith('--') ? undefined : known.get(name)

/** All spellings of all options: `workers`, `w`, `no-preload`. */
function index(table: readonly OptionSpec[]): Map<string, Known> {
  const known = new Map<string, Known>()
  const specs = [
    ...Object.entries(COMMAND_OPTIONS),
    ...table.map((s) => [s.path, s.definition] as const),
  ]
  for (const [path, definition] of specs) {
    const { arg, argAliases = [], short } = definition
    if (arg === undefined) continue
    for (const name of [arg, ...argAliases]) {
      known.set(name, { path, definition, negates: false })
      if (isFlag(definition)) known.set(`no-${name}`, { path, definition, negates: true })
    }
    if (short) known.set(short, { path, definition, negates: false })
  }
  return known
}

const isFlag = ({ format }: OptionDefinition) => typeof format === 'string' && FORMATS[format]?.flag

const isRepeatable = ({ format }: OptionDefinition) =>
  typeof format === 'string' && FORMATS[format]?.repeatable

export type NodeOption = { type: 'string' | 'boolean'; short?: string }

/** Of the options without a short name only those that are written: to tell Node of hundreds takes a while. */
function nodeOptions(
  known: ReadonlyMap<string, Known>,
  written: ReadonlySet<string>,
): Record<string, NodeOption> {
  const options: Record<string, NodeOption> = {}
  for (const [name, { definition }] of known) {
    if (name.length === 1) continue
    const { short } = definition
    const main = name === definition.arg
    if (!written.has(name) && !(main && short)) continue
    options[name] = {
      type: isFlag(definition) || definition.bare !== undefined ? 'boolean' : 'string',
      ...(main && short && { short }),
    }
  }
  return options
}

export interface OptionToken {
  readonly name: string
  readonly rawName: string
  readonly value?: string | undefined
  readonly inlineValue?: boolean | undefined
}

const looksLikeOption = (text: string, known: ReadonlyMap<string, Known>) =>
  /^--?[a-z]/.test(text) && known.has(text.replace(/^--?/, '').replace(/=.*/s, ''))

function addOption(
  token: OptionToken,
  known: ReadonlyMap<string, Known>,
  values: Map<string, unknown>,
  faults: string[],
): void {
  const { name, rawName, inlineValue } = token
  // `-w=4` is `-w4`, as for gunicorn
  const isShort = inlineValue && !rawName.startsWith('--')
  const value = isShort ? token.value?.replace(/^=/, '') : token.value
  const { path, definition, negates } = known.get(name) as Known
  if (isFlag(definition)) {
    if (value !== undefined)
      faults.push(`argument ${rawName}: takes no value, '${value}' was given`)
    else values.set(path, !negates)
  } else if (value === undefined && definition.bare !== undefined) values.set(path, definition.bare)
  else if (value === undefined) faults.push(`argument ${rawName}: needs a value`)
  else if (!inlineValue && looksLikeOption(value, known))
    faults.push(`argument ${rawName}: needs a value, and '${value}' is an option`)
  else
    values.set(path, isRepeatable(definition) ? more(values.get(path), value, definition) : value)
}

function more(before: unknown, value: string, { format }: OptionDefinition): unknown {
  return [
    ...((before as string[] | undefined) ?? []),
    ...([FORMATS[format as string]?.parse(value)].flat() as string[]),
  ]
}

function unknownOption(rawName: string, known: ReadonlyMap<string, Known>): string {
  const names = [...known.keys()].filter((name) => name.length > 1)
  const near = rawName.startsWith('--') ? nearest(rawName.slice(2), names) : undefined
  return `argument ${rawName}: unknown option; ${near ? `did you mean '--${near}'?` : 'see --help'}`
}

function addPositional(value: string, values: Map<string, unknown>, faults: string[]): void {
  if (values.has('app')) {
    faults.push(
      `argument '${value}': one application at most, '${values.get('app')}' was given before`,
    )
  } else values.set('app', value)
}
