import { hostname } from 'node:os'
import type { LogLevel } from '../record.ts'

/** gunicorn's words for `--log-syslog-facility`, with their numbers (RFC 5424 §6.2.1). */
export const FACILITIES: Readonly<Record<string, number>> = {
  auth: 4,
  authpriv: 10,
  cron: 9,
  daemon: 3,
  ftp: 11,
  kern: 0,
  lpr: 6,
  mail: 2,
  news: 7,
  security: 4,
  syslog: 5,
  user: 1,
  uucp: 8,
  local0: 16,
  local1: 17,
  local2: 18,
  local3: 19,
  local4: 20,
  local5: 21,
  local6: 22,
  local7: 23,
}

const SEVERITIES: Readonly<Record<LogLevel, number>> = {
  critical: 2,
  error: 3,
  warning: 4,
  info: 6,
  debug: 7,
}

/** What a message says of its sender. */
export interface Sender {
  readonly facility: string
  /** APP-NAME: printable ASCII without spaces. */
  readonly name: string
}

/** In bytes, less than any transport takes in one message; the middle of a longer one is left out. */
const LONGEST = 32_768
const CUT = ' ... '

/** Makes messages of RFC 5424, without structured data. Each is one line of UTF-8. */
export function messageMaker({ facility, name }: Sender) {
  const base = (FACILITIES[facility] as number) * 8
  const host = hostname().replace(/[^!-~]/g, '') || '-'
  return (level: LogLevel, time: number, id: 'access' | 'error', text: string): string => {
    const head = `<${base + SEVERITIES[level]}>1 ${new Date(time).toISOString()} ${host}`
    return `${head} ${name} ${process.pid} ${id} - ${oneLine(text)}`
  }
}

/** A line break would end the message on a stream, and could begin a forged one. */
function oneLine(text: string): string {
  const line = text.trimEnd().replaceAll('\n', '\\n')
  if (Buffer.byteLength(line) <= LONGEST) return line
  const bytes = Buffer.from(line)
  return bytes.toString('utf8', 0, LONGEST / 2) + CUT + bytes.subarray(-LONGEST / 2).toString()
}
