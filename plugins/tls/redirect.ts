import type { IncomingMessage, ServerResponse } from 'node:http'

const DEFAULT_PORT = 443

/**
 * Sends the client to the same place over https, with its method and body (308). The engine has checked Host.
 * @returns false where there is no place to send it to: HTTP/1.0 without Host.
 */
export function redirect(
  { url = '/', headers: { host } }: IncomingMessage,
  response: ServerResponse,
  port = DEFAULT_PORT,
): boolean {
  if (!host || !url.startsWith('/')) return false
  const name = host.replace(/:\d*$/, '')
  const place = port === DEFAULT_PORT ? name : `${name}:${port}`
  response.writeHead(308, { location: `https://${place}${url}`, 'content-length': 0 }).end()
  return true
}
