import type { Arguments, OptionSpec, Sources } from '../core/index.ts'
import { type ParsedArguments, parseArguments } from './args.ts'
import { splitWords } from './words.ts'

const VARIABLE = 'GUNICORN_CMD_ARGS'

/** Reads the command line over that of `GUNICORN_CMD_ARGS`, as gunicorn does: option by option, lists too. */
export function commandLine(
  argv: readonly string[],
  env: Sources['env'],
): (table: readonly OptionSpec[]) => Arguments {
  const { words, fault } = splitWords(env[VARIABLE] ?? '')
  return (table) => {
    const typed = parseArguments(argv, table)
    const preset = fault || words.length === 0 ? NOTHING : parseArguments(words, table)
    const values = new Map(preset.values)
    const app = values.get('app')
    values.delete('app')
    const places = new Map([...values.keys()].map((path) => [path, PLACE]))
    for (const [path, value] of typed.values) {
      values.set(path, value)
      places.delete(path)
    }
    return {
      values,
      places,
      faults: [
        ...(fault ? [`variable ${VARIABLE}: ${fault}`] : []),
        ...preset.faults.map((text) => `variable ${VARIABLE}: ${text}`),
        ...typed.faults,
      ],
      warnings: [
        ...(app ? [`variable ${VARIABLE}: the application '${app}' is not read there`] : []),
        ...preset.warnings.map((text) => `variable ${VARIABLE}: ${text}`),
        ...typed.warnings,
      ],
    }
  }
}

const NOTHING: ParsedArguments = { values: new Map(), faults: [], warnings: [] }
const PLACE = ` of ${VARIABLE}`
