import type { IncomingMessage, ServerResponse } from 'node:http'
import type {
  FastifyBaseLogger,
  FastifyError,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
} from 'fastify'
import { errorPage } from './error-page.ts'
import type { Hooks } from './hooks.ts'
import type { ParsedHead } from './http/door.ts'
import { clientAddress, originOf, schemeOf } from './http/origin.ts'
import { ObservedHead } from './observed-head.ts'

/** Errors of routes and hooks: the client sees a plain page, the log and the `failed` hook the rest. */
export function handleErrors(fastify: FastifyInstance, hooks: Hooks): void {
  fastify.setErrorHandler((error: FastifyError, request, reply) => {
    const status = error.statusCode ?? 500
    if (status < 500) return reply.send(error)
    reportFailure(error, request.raw, hooks, request.log)
    return sendPage(reply, status)
  })
}

/** Tells the log and the `failed` hook. A tap that fails there is logged too and takes nobody along. */
export function reportFailure(
  error: Error,
  request: IncomingMessage | ParsedHead,
  hooks: Hooks,
  log: FastifyBaseLogger,
): void {
  log.error({ err: error, method: request.method, url: request.url }, 'request failed')
  try {
    hooks.failed.call(error, 'fields' in request ? undefined : request)
  } catch (err) {
    log.error({ err }, 'request failed')
  }
}

/** As `reportFailure`; the client sees a plain page, or that the answer which has begun is not whole. */
export function failRequest(
  error: Error,
  request: IncomingMessage,
  response: ServerResponse,
  hooks: Hooks,
  log: FastifyBaseLogger,
): void {
  reportFailure(error, request, hooks, log)
  if (response.headersSent) response.destroy()
  else response.writeHead(500, { 'content-type': 'text/html; charset=utf-8' }).end(errorPage(500))
}

/** Gives a request to who is to answer it. */
export type Answer = (request: FastifyRequest, reply: FastifyReply) => void

/** What no route takes is answered with its body unread. `quietly` hides from a watch what is added for that. */
export function answerUnrouted(
  fastify: FastifyInstance,
  answer: Answer,
  quietly: (step: () => void) => void,
): void {
  fastify.register(async (instance) => {
    quietly(() => {
      instance.removeAllContentTypeParsers()
      instance.addContentTypeParser('*', (_request, _payload, done) => done(null))
      instance.setNotFoundHandler(answer)
    })
  })
}

/** By the `handle` hook. */
export const offer =
  (hooks: Hooks): Answer =>
  (request, reply) => {
    hooks.handle.callAsync(request, reply, (error, taken) => {
      try {
        if (error) refuse(error, request, reply, hooks)
        else if (taken !== true) sendPage(reply, 404)
      } catch (failure) {
        reply.send(failure) // fields that somebody has set cannot be sent: Fastify does without
      }
    })
  }

/** Also where the tap had taken the reply out of Fastify's hands. */
function refuse(error: Error, request: FastifyRequest, reply: FastifyReply, hooks: Hooks): void {
  if (!reply.sent) reply.send(error)
  else if (reply.raw.writableEnded) reportFailure(error, request.raw, hooks, request.log)
  else failRequest(error, request.raw, reply.raw, hooks, request.log)
}

/** Lets the `response` hook see the heads of Fastify's own replies; hijacked ones call it themselves. */
export function observeReplies(fastify: FastifyInstance, hooks: Hooks): void {
  let failed: WeakSet<FastifyRequest> | undefined
  fastify.addHook('onSend', (request, reply, payload, done) => {
    if (failed?.has(request)) return done(null, payload) // the page that says so goes out untouched
    try {
      observe(request, reply, hooks)
    } catch (error) {
      failed ??= new WeakSet()
      failed.add(request)
      return done(error as Error)
    }
    done(null, payload)
  })
}

function observe(request: FastifyRequest, reply: FastifyReply, hooks: Hooks): void {
  const { statusCode } = reply
  const head = new ObservedHead(statusCode, reply)
  hooks.response.call(head, request)
  if (head.statusCode !== statusCode) reply.code(head.statusCode)
  const changed = ObservedHead.changed(head)
  if (changed !== undefined) replaceHeaders(reply, changed)
}

function replaceHeaders(reply: FastifyReply, fields: readonly string[]): void {
  for (const name of Object.keys(reply.getHeaders())) reply.removeHeader(name)
  const byName = new Map<string, string[]>()
  for (let index = 0; index < fields.length; index += 2) {
    const [name, value] = [fields[index] as string, fields[index + 1] as string]
    byName.set(name, [...(byName.get(name) ?? []), value])
  }
  for (const [name, values] of byName) reply.header(name, values.length > 1 ? values : values[0])
}

function sendPage(reply: FastifyReply, status: number): FastifyReply {
  return reply.code(status).type('text/html; charset=utf-8').send(errorPage(status))
}

type Getter = (this: FastifyRequest) => unknown

/** What Fastify reads of the socket; the rest of what it tells of a client stands in the request's fields. */
const OF_THE_CLIENT: Readonly<Record<string, Getter>> = {
  ip() {
    return clientAddress(this.raw) || undefined
  },
  ips() {
    return originOf(this.raw)?.hops ?? [clientAddress(this.raw)]
  },
  protocol() {
    return schemeOf(this.raw)
  },
}

/** `request.ip`, `ips` and `protocol` go by the request's origin. */
export function tellOrigins(fastify: FastifyInstance): void {
  for (const [name, getter] of Object.entries(OF_THE_CLIENT)) {
    fastify.decorateRequest(name, { getter } as never)
  }
}
