import type { IncomingMessage } from 'node:http'
import { type Door, type EngineResponse, errorPage } from '../../core/index.ts'
import { redirect } from './redirect.ts'

/** Answers requests that came without TLS to where TLS is spoken. */
export function plainDoor({ keepAlive }: Door, isRedirect: () => boolean): Door {
  return {
    serve(request, response) {
      response.shouldKeepAlive = false
      if (isRedirect() && redirect(request, response, request.socket.localPort)) return
      refuse(request, response)
    },
    takesUpgrades: () => false,
    upgrade() {},
    keepAlive,
  }
}

function refuse(_request: IncomingMessage, response: EngineResponse): void {
  const page = errorPage(400).replace('</h1>', '</h1><p>This port speaks HTTPS: use https://.</p>')
  response.writeHead(400, { 'content-type': 'text/html; charset=utf-8' }).end(page)
}
