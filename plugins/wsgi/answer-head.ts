/** @returns the fields of a `103 Early Hints` (RFC 8297) by lower-case name; undefined where it has no link. */
export function parseEarlyHints(head: string): Record<string, string[]> | undefined {
  const [status = '', ...fields] = head.split('\0')
  if (!status.startsWith('103')) return undefined
  const hints: Record<string, string[]> = {}
  for (let index = 0; index < fields.length; index += 2) {
    const key = (fields[index] as string).toLowerCase()
    hints[key] = [...(hints[key] ?? []), fields[index + 1] as string]
  }
  return hints.link && hints
}
