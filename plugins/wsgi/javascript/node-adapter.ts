import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Application, Body, NodeHandler } from './application.ts'
import { EnvironRequest } from './environ-request.ts'
import { EnvironResponse } from './environ-response.ts'

/** An application of a `(request, response)` function, or of an Express or Connect application. */
export const fromNodeHandler =
  (handler: NodeHandler): Application =>
  (environ, startResponse): Promise<Body> => {
    const request = new EnvironRequest(environ)
    const response = new EnvironResponse(request, environ, startResponse)
    const next = (error?: unknown) => {
      if (error) return response.fail(error)
      response.statusCode = 404
      response.end()
    }
    try {
      const returned = handler(
        request as unknown as IncomingMessage,
        response as unknown as ServerResponse,
        next,
      )
      Promise.resolve(returned).catch((error) => response.fail(error))
    } catch (error) {
      response.fail(error)
    }
    return response.body
  }
