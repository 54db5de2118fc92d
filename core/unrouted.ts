import type { IncomingMessage } from 'node:http'
import type { Answer } from './fastify.ts'
import { PairMaker } from './fastify-pair.ts'
import type { Handler } from './http/door.ts'

/** Fastify's `rewriteUrl`. */
export type Rewrite = (request: IncomingMessage) => string

/** A target whose path the router takes as it is. */
const PLAIN_TARGET = /^\/[^%#?]*(?:\?|$)/
const WITHOUT_BODY = new Set(['GET', 'HEAD'])
const WITH_BODY = new Set(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
/** Some others Fastify refuses before any handler sees them. */
const PLAIN_TYPE = /^[\w.+-]+\/[\w.+-]+(?:;|$)/

/**
 * Past Fastify's router, where nobody has added anything to Fastify that a request could notice: whoever is to answer gets
 * the request and the reply that the router would have made. How, it learns from the first that come through there.
 * All that is out of the ordinary goes there, too.
 */
export class Unrouted {
  readonly #routed: Handler
  readonly #answer: Answer
  readonly #rewrite: Rewrite | undefined
  #maker: PairMaker | undefined
  #isTaught = false

  constructor(routed: Handler, answer: Answer, rewrite: Rewrite | undefined) {
    this.#routed = routed
    this.#answer = answer
    this.#rewrite = rewrite
  }

  /** For requests and replies that the router has made. */
  readonly answer: Answer = (request, reply) => {
    if (!this.#isTaught && isPlain(request.raw)) {
      this.#isTaught = true
      this.#maker = PairMaker.like(request, reply)
    }
    this.#answer(request, reply)
  }

  readonly take: Handler = (raw, response) => {
    const maker = this.#maker
    if (maker === undefined || !isPlain(raw) || !this.#keepsUrl(raw)) {
      return this.#routed(raw, response)
    }
    const reply = maker.make(raw, response)
    try {
      this.#answer(reply.request, reply)
    } catch (error) {
      reply.send(error)
    }
    maker.follow(reply)
  }

  #keepsUrl(raw: IncomingMessage & { originalUrl?: string }): boolean {
    if (this.#rewrite === undefined) return true
    raw.originalUrl = raw.url as string
    return this.#rewrite(raw) === raw.url
  }
}

function isPlain(raw: IncomingMessage): boolean {
  const { method = '', url = '' } = raw
  if (!PLAIN_TARGET.test(url)) return false
  if (WITHOUT_BODY.has(method)) return true
  return WITH_BODY.has(method) && PLAIN_TYPE.test(raw.headers['content-type'] ?? 'text/plain')
}
