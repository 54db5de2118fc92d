import { nearest } from '../nearest.ts'
import { builtInPlugins } from '../resolve.ts'
import { isGunicornTable, isSection } from './gunicorn.ts'
import type { OptionSpec } from './schema.ts'

type Values = Record<string, unknown>

/**
 * `access_logfile` and `access-logfile` are read as `accessLogfile`, so that gunicorn's and YAML's habits work. So are
 * the keys of a section, but not its name, which is a plugin's, nor what lies deeper: that is data.
 */
export function normalizeKeys(values: Values): Values {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) =>
      isSection(value)
        ? [key, isGunicornTable(key) ? value : camelCaseKeys(value)]
        : [camelCase(key), value],
    ),
  )
}

/** The stronger values over the weaker ones, each option of a section by itself. */
export function mergeValues(weak: Values, strong: Values): Values {
  const merged = { ...weak }
  for (const [key, value] of Object.entries(strong)) {
    const before = weak[key]
    merged[key] = isSection(before) && isSection(value) ? { ...before, ...value } : value
  }
  return merged
}

const camelCase = (key: string) =>
  key.replace(/[-_]([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())

const camelCaseKeys = (values: Values): Values =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [camelCase(key), value]))

/** A sentence for each key that no option has, with the nearest one that exists. */
export function unknownKeys(
  values: Values,
  table: readonly OptionSpec[],
  sections: readonly string[],
): string[] {
  const paths = table.map((spec) => spec.path)
  return Object.entries(values).flatMap(([key, value]) => {
    if (paths.includes(key)) return []
    if (sections.includes(key)) return unknownInSection(key, value, paths)
    return [unknown(key, value, paths)]
  })
}

function unknownInSection(section: string, value: unknown, paths: readonly string[]): string[] {
  if (!isSection(value)) {
    const keys = paths.filter((path) => path.startsWith(`${section}.`))
    const remedy = keys.length > 0 ? `set '${keys.join("', '")}'` : 'remove it'
    return [`setting '${section}' is a section, not a value; ${remedy}`]
  }
  return Object.keys(value)
    .map((key) => `${section}.${key}`)
    .filter((path) => !paths.includes(path))
    .map((path) => unknown(path, undefined, paths))
}

function unknown(key: string, value: unknown, paths: readonly string[]): string {
  if (isSection(value) && builtInPlugins().includes(key)) {
    return `setting '${key}' belongs to plugin '${key}', which is not loaded; add it to 'plugins'`
  }
  const short = (path: string) => path.slice(path.indexOf('.') + 1)
  const near =
    nearest(key, paths) ?? paths.find((path) => short(path).toLowerCase() === key.toLowerCase())
  return `setting '${key}' is unknown${near ? `; did you mean '${near}'?` : '; see --help'}`
}
