import { type GunicornSetting, gunicornSettings, judge } from '../core/index.ts'
import type { NodeOption, OptionToken } from './args.ts'

/** gunicorn's flags that no option stands for, dashes included. */
export type Foreign = ReadonlyMap<string, GunicornSetting>

export function foreignFlags(known: ReadonlyMap<string, unknown>): Foreign {
  const pairs = gunicornSettings.flatMap((setting) =>
    setting.flags.map((flag): [string, GunicornSetting] => [flag, setting]),
  )
  return new Map(pairs.filter(([flag]) => !known.has(bare(flag))))
}

const bare = (flag: string) => flag.replace(/^--?/, '')

/** So that the values of those that are written are not taken for the application. */
export function foreignOptions(
  foreign: Foreign,
  written: ReadonlySet<string>,
): Record<string, NodeOption> {
  const options: Record<string, NodeOption> = {}
  for (const [flag, setting] of foreign) {
    const type = setting.bare ? 'boolean' : 'string'
    if (flag.startsWith('--')) {
      if (written.has(bare(flag))) options[bare(flag)] = { type }
    } else options[`gunicorn ${flag}`] = { type, short: bare(flag) }
  }
  return options
}

/** Says what becomes of such a flag. */
export function judgeForeign(
  { rawName, value }: OptionToken,
  foreign: Foreign,
  faults: string[],
  warnings: Set<string>,
): void {
  const setting = foreign.get(rawName) as GunicornSetting
  const { fault, warning } = judge(setting, `argument ${rawName}`, value ?? 'given')
  if (fault) faults.push(fault)
  if (warning) warnings.add(warning)
}
