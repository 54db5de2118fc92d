import { GUNICORN, type GunicornSetting } from './gunicorn-settings.ts'
import type { OptionSpec } from './schema.ts'

type Values = Record<string, unknown>

/** All settings, whatever their group. */
export const gunicornSettings: readonly GunicornSetting[] = GUNICORN.flatMap(
  (group) => group.settings,
)

/** Our option for a setting of gunicorn: the one with the same flag, or the same key, or the one that is named. */
export function optionFor(
  { name, flags, key }: GunicornSetting,
  table: readonly OptionSpec[],
): OptionSpec | undefined {
  return table.find(({ path, definition: { arg, argAliases = [], short } }) => {
    const spellings = [arg, ...argAliases].flatMap((each) => [`--${each}`, `--no-${each}`])
    if (flags.length > 0)
      return flags.some((flag) => spellings.includes(flag) || flag === `-${short}`)
    return path === key || squeeze(path.slice(path.indexOf('.') + 1)) === squeeze(name)
  })
}

/** What is to be said of a setting that no option stands for: nothing, a warning or a fault. */
export interface Verdict {
  readonly warning?: string
  readonly fault?: string
}

/** @param place the argument or key as it was written. */
export function judge(
  { name, unneeded, refused, plugin, idle = [] }: GunicornSetting,
  place: string,
  value: unknown,
): Verdict {
  if (isOff(value) || idle.includes(String(value))) return {}
  if (unneeded) return { warning: `${place} has no effect: ${unneeded}` }
  if (refused) return { fault: `${place}: not supported: ${refused}` }
  if (plugin) return { fault: `${place}: belongs to plugin '${plugin}'; add it to --plugins` }
  if (COMMAND.includes(name)) return { fault: `${place}: belongs on the command line` }
  return { fault: `${place}: no plugin that is loaded has this option; name an application` }
}

const COMMAND = ['config', 'check_config', 'print_config']

/** In a file, what asks for nothing. */
const isOff = (value: unknown) =>
  value === false ||
  value === null ||
  value === '' ||
  (typeof value === 'object' && Object.keys(value).length === 0)

/** Values with gunicorn's keys where our options have them. */
export interface Placed {
  readonly values: Values
  /** One sentence for each option that is set twice. */
  readonly faults: readonly string[]
  /** By path, the key as it was written. */
  readonly names: ReadonlyMap<string, string>
}

/** Moves gunicorn's keys (`workers: 4`, `max_requests: 100`, `wsgi_app: shop:app`) to where our options have them. */
export function placeGunicornKeys(values: Values, table: readonly OptionSpec[]): Placed {
  const placed: Values = {}
  const faults: string[] = []
  const names = new Map<string, string>()
  for (const [key, value] of Object.entries(values)) {
    const setting = findKey(key, value, table)
    const path = setting && optionFor(setting, table)?.path
    if (path === undefined) placed[key] = mergeSection(placed[key], value)
    else if (valueAt(values, path) !== undefined) {
      faults.push(`setting '${setting?.name}' is the same as '${path}'; remove one of them`)
    } else {
      put(placed, path, value)
      names.set(path, setting?.name ?? key)
    }
  }
  return { values: placed, faults, names }
}

/** Keys of gunicorn that no option stands for leave the values. */
export function judgeKeys(
  values: Values,
  table: readonly OptionSpec[],
): { values: Values; verdicts: Verdict[] } {
  const rest: Values = {}
  const verdicts: Verdict[] = []
  for (const [key, value] of Object.entries(values)) {
    const setting = findKey(key, value, table)
    if (setting) verdicts.push(judge(setting, `setting '${setting.name}'`, value))
    else rest[key] = value
  }
  return { values: rest, verdicts }
}

/** A section has a plugin's name, and may well have a setting's too. */
function findKey(
  key: string,
  value: unknown,
  table: readonly OptionSpec[],
): GunicornSetting | undefined {
  if (table.some((spec) => spec.path === key)) return undefined
  const setting = byKey.get(squeeze(key))
  return isSection(value) && !(setting && TABLES.includes(setting.name)) ? undefined : setting
}

/** Settings whose value is a table. */
const TABLES = ['secure_scheme_headers', 'logconfig_dict']

/** Whether the value of this key of gunicorn's is a table, whose keys are data. */
export const isGunicornTable = (key: string): boolean =>
  TABLES.includes(byKey.get(squeeze(key))?.name ?? '')

/** `max_requests`, `maxRequests` and `max-requests` are one key. */
const squeeze = (key: string) => key.replace(/[-_]/g, '').toLowerCase()

const byKey = new Map(gunicornSettings.map((setting) => [squeeze(setting.name), setting]))

/** A section, or what has the shape of one. */
export const isSection = (value: unknown): value is Values =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const mergeSection = (before: unknown, value: unknown) =>
  isSection(before) && isSection(value) ? { ...before, ...value } : value

/** The value of a path such as `bind` or `workers.count`. */
export function valueAt(values: Values, path: string): unknown {
  const [head, key] = path.split('.') as [string, string?]
  if (key === undefined) return values[head]
  const section = values[head]
  return isSection(section) ? section[key] : undefined
}

function put(values: Values, path: string, value: unknown): void {
  const [head, key] = path.split('.') as [string, string?]
  values[head] = key === undefined ? value : mergeSection(values[head], { [key]: value })
}
