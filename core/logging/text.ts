/** `+0130`: how far the local time of that moment is from UTC. */
export function utcOffset(date: Date): string {
  const minutes = -date.getTimezoneOffset()
  const size = Math.abs(minutes)
  return `${minutes < 0 ? '-' : '+'}${pad(Math.trunc(size / 60))}${pad(size % 60)}`
}

export const pad = (number: number): string => String(number).padStart(2, '0')

// C0, DEL and C1, line separators, and what turns the direction of text.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
const CONTROLS = /[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g
const SHORT = new Map([
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
])

export const escapeControls = (text: string): string =>
  text.replace(CONTROLS, (character) => {
    const hex = character.charCodeAt(0).toString(16)
    return SHORT.get(character) ?? (hex.length > 2 ? `\\u${hex}` : `\\x${hex.padStart(2, '0')}`)
  })

/** JSON allows them bare in strings, a terminal obeys some of them. */
export const escapeJson = (json: string): string =>
  json.replace(
    CONTROLS,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

let stampSecond = Number.NaN
let stampText = ''

/** `2026-11-22 22:40:32 +0000`, in local time. */
export function formatStamp(time: number): string {
  const second = Math.floor(time / 1000)
  if (second === stampSecond) return stampText
  const date = new Date(time)
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`
  const clock = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`
  stampSecond = second
  stampText = `${day} ${clock} ${utcOffset(date)}`
  return stampText
}

export const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code

export const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error)
