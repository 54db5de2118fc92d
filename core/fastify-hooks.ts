import { hasSubscribers } from 'node:diagnostics_channel'
import type { FastifyInstance } from 'fastify'

/** Hooks of Fastify that see requests and answers. */
const SEEING = new Set([
  ...['onRequest', 'preParsing', 'preValidation', 'preHandler', 'preSerialization'],
  ...['onSend', 'onResponse', 'onError', 'onTimeout', 'onRequestAbort'],
])

/** What an instance offers that changes nothing for any request. All else counts, also what is new in Fastify. */
const HARMLESS = new Set([
  ...['register', 'after', 'ready', 'onClose', 'close', 'decorate', 'addHook', 'addSchema'],
  ...['hasDecorator', 'hasRequestDecorator', 'hasReplyDecorator', 'getDecorator', 'hasPlugin'],
  ...['getSchema', 'getSchemas', 'hasRoute', 'findRoute', 'hasContentTypeParser', 'addresses'],
  ...['getDefaultJsonParser', 'defaultTextParser', 'hasConstraintStrategy', 'withTypeProvider'],
  ...['printRoutes', 'printPlugins', 'inject', 'routing'],
])

/** What plugins have asked of Fastify for all requests. */
export interface FastifyHooks {
  /** Somebody looks at requests or answers: none of them may pass by. */
  readonly areThere: boolean
  /** Somebody looks at answers, or changes them, before they are sent. */
  readonly seeAnswers: boolean
  /** Which route takes a request depends on more than its path. */
  readonly isConstrained: boolean
}

/** Nothing, as where Fastify is not needed. */
export const NO_HOOKS: FastifyHooks = {
  areThere: false,
  seeAnswers: false,
  isConstrained: false,
}

type Adder = (this: FastifyInstance, ...args: unknown[]) => unknown

/** Watches what is added to an instance, and to those within it, from now on. Fastify itself does not tell. */
export class FastifyWatch {
  readonly #hooks: { -readonly [Key in keyof FastifyHooks]: boolean } = { ...NO_HOOKS }
  // who listens there has had the instance before us
  #isTouched = hasSubscribers('fastify.initialization')

  constructor(fastify: FastifyInstance) {
    this.#watchAdders(fastify as unknown as Record<string, unknown>)
    this.#watchHooks(fastify)
  }

  get hooks(): FastifyHooks {
    return this.#hooks
  }

  /** Whether a hook, a route or anything else was added that a request could notice. */
  get isTouched(): boolean {
    return this.#isTouched
  }

  /** What the step adds is the server's own, and does not count. */
  quietly(step: () => void): void {
    const before = this.#isTouched
    step()
    this.#isTouched = before
  }

  #watchAdders(fastify: Record<string, unknown>): void {
    for (const [name, adder] of Object.entries(fastify)) {
      if (typeof adder !== 'function' || HARMLESS.has(name)) continue
      fastify[name] = watched(adder as Adder, () => {
        this.#isTouched = true
      })
    }
  }

  #watchHooks(fastify: FastifyInstance): void {
    const hooks = this.#hooks
    fastify.addHook = watched(fastify.addHook as Adder, (instance, name) => {
      if (!SEEING.has(name as string)) return
      this.#isTouched = true
      if (instance !== fastify) return
      hooks.areThere = true
      hooks.seeAnswers ||= name === 'onSend'
    }) as never
    fastify.addHook('onRoute', ({ constraints }) => {
      this.#isTouched = true
      if (Object.keys(constraints ?? {}).length > 0) hooks.isConstrained = true
    })
  }
}

const watched = (adder: Adder, told: (instance: FastifyInstance, first: unknown) => void): Adder =>
  function watchedAdder(this: FastifyInstance, ...args) {
    told(this, args[0])
    return adder.apply(this, args)
  }
