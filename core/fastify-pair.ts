import type { IncomingMessage } from 'node:http'
import { createRequire } from 'node:module'
import { isDeepStrictEqual } from 'node:util'
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import { clock } from './clock.ts'
import { requireFromFastify } from './fastify-modules.ts'
import type { EngineResponse } from './http/door.ts'

/** What Fastify knows of a route. */
interface Context {
  readonly Request: new (...parts: unknown[]) => FastifyRequest
  readonly Reply: new (...parts: unknown[]) => FastifyReply
  readonly server: { genReqId(raw: IncomingMessage): string }
}

/** Parts of Fastify that it does not export. */
interface Inner {
  readonly kRouteContext: symbol
  readonly kReplyHijacked: symbol
  readonly kReplyStartTime: symbol
  readonly setupResponseListeners: (reply: FastifyReply) => void
  readonly parse: (query: string) => object
}

/** Makes requests and replies as Fastify's router makes them for what no route takes. */
export class PairMaker {
  readonly #inner: Inner
  readonly #context: Context
  readonly #log: FastifyBaseLogger
  readonly #noParams: object

  private constructor(inner: Inner, context: Context, { log, params }: FastifyRequest) {
    this.#inner = inner
    this.#context = context
    this.#log = log
    this.#noParams = Object.getPrototypeOf(params) as object
  }

  /** @returns undefined where its own would not be like these two, which Fastify has made. */
  static like(request: FastifyRequest, reply: FastifyReply): PairMaker | undefined {
    const inner = loadInner()
    const context = property(request, inner.kRouteContext) as Context | undefined
    if (context?.Request === undefined) return undefined
    const maker = new PairMaker(inner, context, request)
    const made = maker.#make(request.id, request.raw, reply.raw as EngineResponse)
    const varying = ['request', inner.kReplyStartTime]
    return isLike(made.request, request, []) && isLike(made, reply, varying) ? maker : undefined
  }

  make(raw: IncomingMessage, response: EngineResponse): FastifyReply {
    return this.#make(this.#context.server.genReqId(raw), raw, response)
  }

  /** Of a reply that is Fastify's to send, Fastify follows what becomes of it. */
  follow(reply: FastifyReply): void {
    const { kReplyHijacked, setupResponseListeners } = this.#inner
    if (property(reply, kReplyHijacked) !== true) setupResponseListeners(reply)
  }

  #make(id: string, raw: IncomingMessage, response: EngineResponse): FastifyReply {
    const { Request, Reply } = this.#context
    const [path, query] = this.#split(raw.url as string)
    const params = Object.create(this.#noParams) as Record<string, string>
    if (path !== '/') params['*'] = path.slice(1)
    const request = new Request(id, params, raw, query, this.#log, this.#context)
    const reply = new Reply(response, request, this.#log)
    const began = response.startedAt || clock.now()
    ;(reply as unknown as Record<symbol, unknown>)[this.#inner.kReplyStartTime] = began
    return reply
  }

  #split(url: string): [path: string, query: object] {
    const question = url.indexOf('?')
    if (question < 0) return [url, {}]
    const query = url.slice(question + 1)
    return [url.slice(0, question), query === '' ? {} : this.#inner.parse(query)]
  }
}

function loadInner(): Inner {
  const { parse } = createRequire(requireFromFastify.resolve('find-my-way'))('fast-querystring')
  const { setupResponseListeners } = requireFromFastify('./lib/reply')
  return { ...requireFromFastify('./lib/symbols'), setupResponseListeners, parse }
}

/** What only the real one has is the bookkeeping of steps that it has been through. */
function isLike(made: object, real: object, varying: readonly (string | symbol)[]): boolean {
  if (Object.getPrototypeOf(made) !== Object.getPrototypeOf(real)) return false
  if (!Object.keys(real).every((name) => Object.hasOwn(made, name))) return false
  const isSame = (name: string | symbol) =>
    varying.includes(name) || isDeepStrictEqual(property(made, name), property(real, name))
  return Reflect.ownKeys(made).every(isSame)
}

const property = (object: object, name: string | symbol): unknown =>
  (object as Record<string | symbol, unknown>)[name]
