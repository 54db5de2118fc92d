import type { FastifyInstance } from 'fastify'

/** Hooks of Fastify that see requests and answers. */
const SEEING = new Set([
  ...['onRequest', 'preParsing', 'preValidation', 'preHandler', 'preSerialization'],
  ...['onSend', 'onResponse', 'onError', 'onTimeout', 'onRequestAbort'],
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

/** Watches what is added from now on. Fastify itself does not tell which hooks it has. */
export function watchHooks(fastify: FastifyInstance): FastifyHooks {
  const state = { areThere: false, seeAnswers: false, isConstrained: false }
  const addHook = fastify.addHook as (...args: unknown[]) => unknown
  fastify.addHook = function watched(this: FastifyInstance, ...args: unknown[]) {
    const [name] = args as [string]
    if (this === fastify && SEEING.has(name)) {
      state.areThere = true
      state.seeAnswers ||= name === 'onSend'
    }
    return addHook.apply(this, args)
  } as never
  fastify.addHook('onRoute', ({ constraints }) => {
    if (Object.keys(constraints ?? {}).length > 0) state.isConstrained = true
  })
  return state
}
