import { type IncomingMessage, METHODS } from 'node:http'

/** With what was changed for the router, as it came. The access log reads these, too. */
type Request = IncomingMessage & { originalUrl?: string; originalMethod?: string }

/** Of the requests whose path was changed for the router. */
const targets = new WeakMap<IncomingMessage, string>()

/** To the router, a method that it does not know. Nobody has routes for this one. */
const STAND_IN = 'SOURCE'
const known = new Set(METHODS)

/**
 * Fastify's router refuses a path whose escapes are no UTF-8 (`/100%`, `/%FF`), and methods that Node has no name for. To
 * an application both may well mean something, so to the router each `%` of such a path stands for itself, and such
 * a method is another one. For Fastify's `rewriteUrl`.
 */
export function routableUrl(request: Request): string {
  const { url = '/', method = '' } = request
  if (!known.has(method)) {
    request.originalMethod = method
    request.method = STAND_IN
  }
  if (!url.includes('%')) return url
  const question = url.indexOf('?')
  const path = question < 0 ? url : url.slice(0, question)
  if (isDecodable(path)) return url
  targets.set(request, url)
  return path.replaceAll('%', '%25') + url.slice(path.length)
}

/** Routing is over: the request has its own target and method again. */
export function restoreRequest(request: Request): void {
  if (request.method === STAND_IN) request.method = request.originalMethod ?? STAND_IN
  if (request.originalUrl === request.url) return
  request.url = targets.get(request) ?? request.url
}

function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path)
    return true
  } catch {
    return false // as decodeURIComponent says it
  }
}
