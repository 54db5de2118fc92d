import { closest, distance } from 'fastest-levenshtein'

/** The known name that a mistyped one was probably meant to be, if any is near enough. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined
  const best = closest(name, known as string[])
  const allowed = Math.max(2, Math.floor(name.length / 3))
  return distance(name, best) <= allowed ? best : undefined
}
