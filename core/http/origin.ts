/**
 * Whom a request is from, where somebody who may be believed has said so: a proxy, the PROXY protocol, uwsgi. It stands
 * for what the socket says. Fastify's `request.ip`, the access log and applications' environs go by it.
 */
export interface Origin {
  /** Of the client, without a port; '' where it has none. */
  readonly address: string
  /** '' where it is not known. */
  readonly port: string
  readonly scheme: 'http' | 'https'
  /** Addresses on the way, from who connected here to the client. */
  readonly hops: readonly string[]
  /** Of the server, as the client sees it; undefined: what the socket says. */
  readonly serverName?: string | undefined
  readonly serverPort?: string | undefined
  /** What a proxy has cut off the path. */
  readonly prefix?: string | undefined
  /** The beginning of the path that is not the application's, instead of the configured one. */
  readonly rootPath?: string | undefined
  /** Of the client's request, `HTTP/2.0`, where this one only carries it on. */
  readonly protocol?: string | undefined
  /** What else is known, by names for an environment. */
  readonly variables: readonly (readonly [name: string, value: string])[]
  /** For whoever renders it for an application: all but client's address and port, which several origins may share. */
  readonly common?: { text?: string | undefined } | undefined
  /** Likewise all of it, which several requests may share. */
  text?: string | undefined
}

/** @returns undefined where the socket tells whom the request is from. */
export const originOf = (request: object): Origin | undefined =>
  (request as { origin?: Origin }).origin

/** Before routing, in the hook `request`. */
export function setOrigin(request: object, origin: Origin): void {
  ;(request as { origin?: Origin }).origin = origin
}

/** The address of who sent the request, as far as is known; an IPv4 one shows as such whatever the socket's family. */
export function clientAddress(request: { socket: { remoteAddress?: string | undefined } }): string {
  return originOf(request)?.address ?? unmapped(request.socket.remoteAddress)
}

/** How the client's request came, to the outermost server that is known. */
export function schemeOf(request: { socket: object }): Origin['scheme'] {
  const { encrypted } = request.socket as { encrypted?: boolean }
  return originOf(request)?.scheme ?? (encrypted ? 'https' : 'http')
}

/** An IPv4 client of a socket that takes both families. */
export const unmapped = (address = ''): string =>
  address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
