import { CENSOR, SECRET_NAMES } from './redaction.ts'
import { reasonOf } from './text.ts'

/** gunicorn's words for `--log-level`, the most talkative first. */
export const LOG_LEVELS = ['debug', 'info', 'warning', 'error', 'critical'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** One entry of the error log, before it becomes text or JSON. */
export interface LogRecord {
  readonly level: LogLevel
  /** Milliseconds since 1970. */
  readonly time: number
  readonly message: string
  readonly fields: readonly (readonly [key: string, value: unknown])[]
}

const LEVELS = new Map<string | undefined, LogLevel>([
  ['10', 'debug'],
  ['20', 'debug'],
  ['30', 'info'],
  ['40', 'warning'],
  ['50', 'error'],
  ['60', 'critical'],
])

/** Reads pino's JSON, after serializers and child bindings have had their say. */
export function parseRecord(json: string): LogRecord {
  const [, level, time] = /^\{"level":(\d+),"time":(\d+)/.exec(json) ?? []
  const { msg, ...entry } = parseEntry(json)
  const isOwn = (key: string, value: unknown) =>
    (key === 'level' && String(value) === level) || (key === 'time' && String(value) === time)
  return {
    level: LEVELS.get(level) ?? 'info',
    time: time === undefined ? Date.now() : Number(time),
    message: String(msg ?? ''),
    // `pid` is the server's own: another one is a worker's
    fields: Object.entries(entry)
      .filter(([key, value]) => !isOwn(key, value))
      .map(([key, value]) => [key === 'pid' ? 'worker' : key, value]),
  }
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
