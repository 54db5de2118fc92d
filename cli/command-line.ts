import type { Arguments, OptionSpec, Sources } from '../core/index.ts'
import { type ParsedArguments, parseArguments } from './args.ts'
import { splitWords } from './words.ts'

const VARIABLE = 'GUNICORN_CMD_ARGS'

/**
 * Reads the command line over that of `GUNICORN_CMD_ARGS`, as gunicorn does: option by option, lists too. By the same
 * options it is read once.
 */
export function commandLine(argv: readonly string[], env: Sources['env']): ReadArguments {
  const read = reader(argv, env)
  let names: string | undefined
  let last: Arguments
  return (table) => {
    const paths = table.map(({ path }) => path).sort()
    if (names !== paths.join()) {
      names = paths.join()
      last = read(table)
    }
    return last
  }
}

export type ReadArguments = (table: readonly OptionSpec[]) => Arguments

function reader(argv: readonly string[], env: Sources['env']): ReadArguments {
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
