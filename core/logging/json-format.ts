import type { LogRecord } from './record.ts'
import { escapeJson } from './text.ts'

/** One line of JSON: `time` (ISO 8601, UTC), `level` in gunicorn's word, `pid` and `msg`, then the record's fields. */
export function formatJson({ level, time, message, fields }: LogRecord): string {
  const line: Record<string, unknown> = Object.create(null) // a field may be called __proto__
  line.time = new Date(time).toISOString()
  line.level = level
  line.pid = process.pid
  line.msg = message
  for (const [key, value] of fields) line[OWN.has(key) ? `${key}_` : key] = value
  return `${escapeJson(JSON.stringify(line))}\n`
}

const OWN = new Set(['time', 'level', 'pid', 'msg'])
