/** What a request asks for. */
export interface Target {
  /** Decoded, without those that are empty. */
  readonly segments: readonly string[]
  /** The path ends with a slash. */
  readonly isFolder: boolean
  /** With its question mark; empty without. */
  readonly query: string
  /** The status that a location answers such a path with. */
  readonly fault: 400 | 404 | undefined
}

/**
 * Takes a request target apart and decodes it, once. Whatever could lead anywhere else than down is a fault: dot
 * segments, slashes and backslashes and NUL that were encoded, and what is no UTF-8, as overlong forms are.
 */
export function readTarget(url: string): Target | undefined {
  if (!url.startsWith('/')) return undefined // OPTIONS *
  const question = url.indexOf('?')
  const path = question < 0 ? url : url.slice(0, question)
  const query = question < 0 ? '' : url.slice(question)
  let fault: Target['fault']
  const segments: string[] = []
  for (const raw of path.split('/')) {
    if (raw === '') continue // as nginx's merge_slashes
    const segment = decodeSegment(raw)
    if (segment === undefined) fault = 400
    else if (!isSafeSegment(segment)) fault ??= 404
    segments.push(segment ?? raw)
  }
  return { segments, isFolder: path.endsWith('/'), query, fault }
}

function decodeSegment(raw: string): string | undefined {
  if (!raw.includes('%')) return raw
  try {
    return decodeURIComponent(raw)
  } catch {
    return undefined // as decodeURIComponent says it
  }
}

/** Whether a name stays in its folder, wherever it is used. */
export const isSafeSegment = (segment: string): boolean =>
  segment !== '.' && segment !== '..' && !/[/\\\0]/.test(segment)

/** Names that begin with a dot are private, but for the one that RFC 8615 defines. */
export const isHidden = (segment: string): boolean =>
  segment.startsWith('.') && segment !== '.well-known'

/** The path of these segments as a client may be given it: always of this host, never `//other.example`. */
export function pathOf(segments: readonly string[], isFolder: boolean): string {
  const path = segments.map((segment) => `/${encodeURIComponent(segment)}`).join('')
  return isFolder ? `${path}/` : path
}
