/** Events for the front: one JSON object a line, each by one write, so that writers never mix. */
import { writeSync } from 'node:fs'
import { CONTROL, EVENT_LIMIT } from './protocol.ts'

const CUT = '\n    ... [shortened] ...\n'
/** Milliseconds until a full socket is tried again. */
const RETRY_AFTER = 5
const clock = new Int32Array(new SharedArrayBuffer(4))

/** Sends one event. A front that is gone is no error here. */
export function emit(event: string, fields: object = {}): void {
  const line = encode({ event, ...fields })
  for (;;) {
    try {
      writeSync(CONTROL, line)
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return
      Atomics.wait(clock, 0, 0, RETRY_AFTER)
    }
  }
}

/** A line for the error log. */
export function log(level: string, message: string, error?: unknown, details: object = {}): void {
  const traceback = error === undefined ? undefined : stackOf(error)
  emit('log', { level, message, pid: process.pid, ...details, ...(traceback && { traceback }) })
}

/** The stack of an error, and of those that caused it, without this program's own frames. */
export function stackOf(error: unknown): string {
  try {
    return stacksOf(error, MOST_CAUSES).join('\ncaused by ')
  } catch {
    return 'an error that cannot be shown'
  }
}

/** An error may be its own cause. */
const MOST_CAUSES = 10

function stacksOf(error: unknown, most: number): string[] {
  if (!(error instanceof Error)) return [String(error)]
  const lines = (error.stack ?? String(error)).split('\n')
  const stack = lines.filter((line) => !OWN.test(line)).join('\n')
  const goesOn = error.cause !== undefined && most > 0
  return [stack, ...(goesOn ? stacksOf(error.cause, most - 1) : [])]
}

const OWN = /^\s+at .*(\/plugins\/wsgi\/(node|javascript)\/|node:internal\/)/

/** One line of at most EVENT_LIMIT bytes; the longest text loses its middle. */
function encode(event: Record<string, unknown>): Buffer {
  let line = Buffer.from(`${JSON.stringify(event)}\n`)
  while (line.length > EVENT_LIMIT) {
    const texts = Object.entries(event).filter(([, value]) => typeof value === 'string')
    const [key, text] = texts.sort(([, a], [, b]) => String(b).length - String(a).length)[0] as [
      string,
      string,
    ]
    const keep = Math.floor((text.length * EVENT_LIMIT * 0.8) / line.length / 2)
    event[key] = text.slice(0, keep) + CUT + text.slice(text.length - keep)
    line = Buffer.from(`${JSON.stringify(event)}\n`)
  }
  return line
}
