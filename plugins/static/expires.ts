import { globExpression } from './globs.ts'

/** How long an answer may be kept. */
export type Expires = 'off' | 'max' | 'epoch' | number

export interface ExpiresRule {
  fits(path: string): boolean
  readonly expires: Expires
}

const SECONDS: Readonly<Record<string, number>> = {
  y: 31_536_000,
  M: 2_592_000,
  w: 604_800,
  d: 86_400,
  h: 3600,
  m: 60,
  s: 1,
}

/** Rules in nginx's words: `30d`, or `*.css=1h30m` where the pattern is for names, or for paths if it has a slash. */
export function parseExpires(rules: readonly string[]): ExpiresRule[] {
  return rules.map((rule) => {
    const at = rule.indexOf('=')
    const pattern = at < 0 ? '*' : rule.slice(0, at)
    const expression = globExpression(pattern)
    const isForPaths = pattern.includes('/')
    return {
      expires: parseTime(rule.slice(at + 1).trim()),
      fits: (path) => expression.test(isForPaths ? path : path.slice(path.lastIndexOf('/') + 1)),
    }
  })
}

function parseTime(text: string): Expires {
  if (text === 'off' || text === 'max' || text === 'epoch') return text
  const [, sign, parts = ''] = /^(-?)((?:\d+[yMwdhms]?\s*)+)$/.exec(text) ?? []
  if (parts === '') throw new Error(`'${text}' is no time; write max, off, epoch, or as in 30d`)
  let seconds = 0
  for (const [, count, unit = 's'] of parts.matchAll(/(\d+)([yMwdhms])?/g)) {
    seconds += Number(count) * (SECONDS[unit] as number)
  }
  return sign === '-' ? -seconds : seconds
}

/** The fields that nginx's `expires` gives. */
export function expiresFields(expires: Expires, now: number): string[] {
  if (expires === 'off') return []
  if (expires === 'max') {
    return ['Expires', 'Thu, 31 Dec 2037 23:55:55 GMT', 'Cache-Control', 'max-age=315360000']
  }
  if (expires === 'epoch') {
    return ['Expires', 'Thu, 01 Jan 1970 00:00:01 GMT', 'Cache-Control', 'no-cache']
  }
  const date = new Date(now + expires * 1000).toUTCString()
  return ['Expires', date, 'Cache-Control', expires < 0 ? 'no-cache' : `max-age=${expires}`]
}
