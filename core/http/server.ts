import { createServer, type Server as HttpServer, type IncomingMessage } from 'node:http'
import type { Server as NetServer } from 'node:net'
import type { Duplex } from 'node:stream'
import { CountedResponse } from './response.ts'

/** Time for a whole head, in milliseconds (nginx: client_header_timeout, there 60 s between two reads). */
const HEAD_TIMEOUT = 10_000

/** Where a listener hands its requests in. What stands behind it changes with each generation. */
export interface Door {
  serve(request: IncomingMessage, response: CountedResponse): void
  /** Whether anybody takes `Connection: upgrade`; otherwise such a request is served as if it had not asked. */
  takesUpgrades(): boolean
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  /** Idle time of a kept connection in milliseconds. */
  readonly keepAlive: number
}

/**
 * The one place that makes an HTTP server. It emits nothing to Fastify: the door does. On `refresh` it looks at the
 * door again for what may have changed with a new generation.
 */
export function createHttpServer(door: Door): NetServer {
  const server = createServer({ ServerResponse: CountedResponse, noDelay: true }, (req, res) =>
    door.serve(req, res),
  )
  server.requestTimeout = 0 // a body has its own limit, by who reads it
  server.headersTimeout = HEAD_TIMEOUT
  const refresh = () => adapt(server, door)
  server.on('refresh', refresh)
  refresh()
  return server
}

function adapt(
  server: HttpServer<typeof IncomingMessage, typeof CountedResponse>,
  door: Door,
): void {
  server.keepAliveTimeout = door.keepAlive
  server.removeAllListeners('upgrade')
  // node:http treats a request as an upgrade only where somebody listens for it
  if (door.takesUpgrades())
    server.on('upgrade', (req, socket, head) => door.upgrade(req, socket, head))
}
