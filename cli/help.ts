import { FORMATS, type OptionDefinition, type OptionSpec } from '../core/index.ts'
import { COMMAND_OPTIONS } from './args.ts'

const WIDTH = 96
const INDENT = 28

/** The text of `--help`: options grouped by plugin. */
export function help(table: readonly OptionSpec[]): string {
  const sections = [...new Set(table.map((spec) => spec.section))]
  const groups = sections.map((section) => {
    const own = table.filter((spec) => spec.section === section).map((spec) => spec.definition)
    return group(section === 'core' ? 'Core' : `Plugin ${section}`, own)
  })
  return [
    'Usage: wsgi-core [OPTIONS] [APP]',
    '       wsgi-core reload --pid FILE [--timeout SECONDS]',
    '       wsgi-core plugins | hooks [OPTIONS] [APP] | new-plugin NAME\n',
    'APP is MODULE, MODULE:NAME, MODULE:OBJECT.ATTRIBUTE or MODULE:FACTORY("ARG", key=1);',
    'in JavaScript ./FILE.js, ./FILE.js:NAME or ./FILE.ts:FACTORY("ARG").\n',
    group('Command', Object.values(COMMAND_OPTIONS)),
    ...groups,
    'Each option can also be set in the config file and by a variable: --keep-alive is',
    'WSGI_CORE_KEEP_ALIVE. From weak to strong: defaults, PORT and WEB_CONCURRENCY, config file,',
    'WSGI_CORE_ variables, GUNICORN_CMD_ARGS, arguments.',
  ].join('\n')
}

function group(title: string, definitions: readonly OptionDefinition[]): string {
  const lines = definitions.filter((definition) => definition.arg !== undefined).map(optionHelp)
  return `${title}:\n${lines.join('\n')}\n`
}

function optionHelp(definition: OptionDefinition): string {
  const left = `  ${spelling(definition)}`
  const words = `${definition.doc}${fallback(definition)}`.split(' ')
  const lines = [left.length < INDENT - 1 ? left.padEnd(INDENT) : `${left}\n${' '.repeat(INDENT)}`]
  let width = INDENT
  for (const word of words) {
    if (width + word.length > WIDTH) {
      lines.push(`\n${' '.repeat(INDENT)}`)
      width = INDENT
    }
    lines.push(`${word} `)
    width += word.length + 1
  }
  return lines.join('').replace(/ +$/gm, '')
}

/** `-w, --workers N` */
export function spelling(definition: OptionDefinition): string {
  const { arg, argAliases = [], short, format, metavar } = definition
  const value = metavar ?? (typeof format === 'string' ? FORMATS[format]?.metavar : 'WORD')
  const dashes = definition.default === true ? '--no-' : '--' // the spelling that changes something
  const names = [short && `-${short}`, ...[arg, ...argAliases].map((name) => dashes + name)]
  return `${names.filter(Boolean).join(', ')}${value ? ` ${value}` : ''}`
}

function fallback({ default: value, format }: OptionDefinition): string {
  const choices = typeof format === 'string' ? '' : ` One of: ${format.join(', ')}.`
  const silent =
    ['', '.', '-'].includes(String(value)) || value === null || typeof value === 'boolean'
  return `${choices}${silent ? '' : ` Default: ${String(value)}.`}`
}
