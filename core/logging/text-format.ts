import { CENSOR, SECRET_NAMES } from './redaction.ts'
import { escapeControls, formatStamp, reasonOf } from './text.ts'

const LEVEL_NAMES = new Map([
  [10, 'DEBUG'],
  [20, 'DEBUG'],
  [30, 'INFO'],
  [40, 'WARNING'],
  [50, 'ERROR'],
  [60, 'CRITICAL'],
])

// pino's JSON becomes gunicorn's line here, after serializers and child bindings have had their
// say.
export function formatLine(json: string): string {
  const [, level, time] = /^\{"level":(\d+),"time":(\d+)/.exec(json) ?? []
  const entry = parseEntry(json)
  const name = LEVEL_NAMES.get(Number(level)) ?? 'INFO'
  const stamp = formatStamp(time === undefined ? Date.now() : Number(time))
  let line = `[${stamp}] [${process.pid}] [${name}] ${escapeControls(String(entry.msg ?? ''))}`
  let below = ''
  for (const [key, value] of Object.entries(entry)) {
    if (key === 'msg' || (key === 'level' && String(value) === level)) continue
    if (key === 'time' && String(value) === time) continue
    if (key === 'traceback' && typeof value === 'string') below += indent(value)
    else if (hasStack(value)) below += formatError(value)
    else line += ` ${formatText(key === 'pid' ? 'worker' : key)}=${formatValue(value)}`
  }
  return `${line}\n${below}`
}

function parseEntry(json: string): Record<string, unknown> {
  try {
    return JSON.parse(json, (name, value) =>
      SECRET_NAMES.has(name.toLowerCase()) ? CENSOR : value,
    )
  } catch (error) {
    // Logging must not throw: show what a foreign serializer made.
    return { msg: 'unreadable log entry', reason: reasonOf(error), entry: json.trimEnd() }
  }
}

interface ErrorRecord {
  readonly stack: string
  readonly code?: unknown
  readonly aggregateErrors?: unknown
}

const hasStack = (value: unknown): value is ErrorRecord =>
  typeof value === 'object' && value !== null && 'stack' in value && typeof value.stack === 'string'

function formatError(error: ErrorRecord): string {
  const code = typeof error.code === 'string' && !error.stack.includes(error.code) ? error.code : ''
  const parts = Array.isArray(error.aggregateErrors) ? error.aggregateErrors : []
  const text = code === '' ? error.stack : `${code}: ${error.stack}`
  return indent(text) + parts.filter(hasStack).map(formatError).join('')
}

const indent = (text: string): string =>
  `${text
    .trimEnd()
    .split('\n')
    .map((line) => `  ${escapeControls(line)}\n`)
    .join('')}`

function formatValue(value: unknown): string {
  if (typeof value === 'string') return formatText(value)
  return escapeControls(JSON.stringify(value))
}

function formatText(text: string): string {
  if (/^[^\s"'=\\{}[\]]+$/.test(text) && escapeControls(text) === text) return text
  return `"${escapeControls(text.replace(/["\\]/g, '\\$&'))}"`
}
