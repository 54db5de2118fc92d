import type { LogLevel, LogRecord } from './record.ts'
import { escapeControls, formatStamp } from './text.ts'

/** gunicorn's line, `[date +0000] [pid] [LEVEL] text`; what takes several lines stands below it, indented. */
export function formatText(record: LogRecord, colored = false): string {
  const level = `[${record.level.toUpperCase()}]`
  const shown = colored ? `${COLORS[record.level]}${level}\x1b[0m` : level
  return `[${formatStamp(record.time)}] [${process.pid}] ${shown} ${formatMessage(record)}`
}

/** The same without date, process and level, which syslog has in its own head. */
export function formatMessage({ message, fields }: LogRecord): string {
  let line = escapeControls(message)
  let below = ''
  for (const [key, value] of fields) {
    if (key === 'traceback' && typeof value === 'string') below += indent(value)
    else if (hasStack(value)) below += formatError(value)
    else line += ` ${formatValue(key)}=${formatValue(value)}`
  }
  return `${line}\n${below}`
}

/** Dim, green, yellow, red, and white on red. */
const COLORS: Readonly<Record<LogLevel, string>> = {
  debug: '\x1b[2m',
  info: '\x1b[32m',
  warning: '\x1b[33m',
  error: '\x1b[31m',
  critical: '\x1b[97;41m',
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
  if (typeof value === 'string') return quote(value)
  return escapeControls(JSON.stringify(value))
}

function quote(text: string): string {
  if (/^[^\s"'=\\{}[\]]+$/.test(text) && escapeControls(text) === text) return text
  return `"${escapeControls(text.replace(/["\\]/g, '\\$&'))}"`
}
