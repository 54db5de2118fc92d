import type { IncomingMessage, ServerResponse } from 'node:http'
import { errorPage, schemeOf } from '../../core/index.ts'
import type { TlsOptions } from './config.ts'
import { redirect } from './redirect.ts'

/** RFC 8555 §8.3: a token is of base64url. */
const CHALLENGE = /^\/\.well-known\/acme-challenge\/[\w-]+(?:\?|$)/

/** What is done with each request's head so that browsers come by https; undefined where nothing is to be done. */
export function httpsOnly(options: TlsOptions, port: () => number | undefined) {
  const hsts = hstsValue(options)
  const { redirectToHttps } = options
  if (hsts === undefined && !redirectToHttps) return undefined
  return (request: IncomingMessage, response: ServerResponse) => {
    if (schemeOf(request) === 'https') {
      // RFC 6797 §7.2: never over plain HTTP
      if (hsts !== undefined) response.setHeader('Strict-Transport-Security', hsts)
    } else if (redirectToHttps && !CHALLENGE.test(request.url ?? '')) {
      if (!redirect(request, response, port())) refuse(response)
    }
  }
}

function hstsValue(options: TlsOptions): string | undefined {
  const { hstsMaxAge, hstsIncludeSubdomains, hstsPreload } = options
  if (hstsMaxAge === 0) return undefined
  const words = [
    `max-age=${hstsMaxAge}`,
    ...(hstsIncludeSubdomains ? ['includeSubDomains'] : []),
    ...(hstsPreload ? ['preload'] : []),
  ]
  return words.join('; ')
}

/** It does not say which host it wants. */
function refuse(response: ServerResponse): void {
  response.writeHead(400, { 'content-type': 'text/html; charset=utf-8' }).end(errorPage(400))
}

const YEAR = 31_536_000

/** What browsers' lists ask for (hstspreload.org), where it is not met. */
export function preloadFault(options: TlsOptions): string | undefined {
  const { hstsMaxAge, hstsIncludeSubdomains, hstsPreload } = options
  if (!hstsPreload || (hstsIncludeSubdomains && hstsMaxAge >= YEAR)) return undefined
  return `--hsts-preload has no effect without --hsts-include-subdomains and --hsts-max-age ${YEAR} or more`
}
