import type { IncomingMessage } from 'node:http'

/** The targets that were changed for the router. */
const originals = new WeakMap<IncomingMessage, string>()

/**
 * Fastify's router refuses a path whose escapes are no UTF-8 (`/100%`, `/%FF`). To an application it may well mean
 * something, so to the router each `%` of such a path stands for itself. For Fastify's `rewriteUrl`.
 */
export function routableUrl(request: IncomingMessage): string {
  const { url = '/' } = request
  if (!url.includes('%')) return url
  const question = url.indexOf('?')
  const path = question < 0 ? url : url.slice(0, question)
  if (isDecodable(path)) return url
  originals.set(request, url)
  return path.replaceAll('%', '%25') + url.slice(path.length)
}

/** Routing is over: the request has its own target again. */
export function restoreUrl(request: IncomingMessage & { originalUrl?: string }): void {
  if (request.originalUrl === request.url) return
  request.url = originals.get(request) ?? request.url
}

function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path)
    return true
  } catch {
    return false // as decodeURIComponent says it
  }
}
