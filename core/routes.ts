import { createServer as createUnboundServer, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import type { Logger } from 'pino'
import type { Core } from './core.ts'
import {
  type Answer,
  answerUnrouted,
  failRequest,
  handleErrors,
  observeReplies,
  offer,
  tellOrigins,
} from './fastify.ts'
import { FastifyWatch } from './fastify-hooks.ts'
import { type Hooks, isTapped } from './hooks.ts'
import { adoptExpress } from './http/adopt.ts'
import type { EngineResponse, Handler } from './http/door.ts'
import { schemaController } from './schema-compilers.ts'
import { type Rewrite, Unrouted } from './unrouted.ts'

type Express = Parameters<typeof adoptExpress>[0]

/** Options that change nothing for who answers past Fastify's router. */
const HARMLESS_OPTIONS = new Set(['rewriteUrl', 'trustProxy'])

/**
 * How a request finds who answers it: by Fastify, or sooner where nothing of Fastify could concern it. Then `handleRaw` is
 * asked, without any object of Fastify's; and where that may not be, `handle` without the router.
 */
export class Routes {
  readonly #core: Core
  readonly #log: Logger
  #options!: FastifyServerOptions
  /** Fastify treats requests as it does by default. */
  #isUsual = false
  #fastify: FastifyInstance | undefined
  #building: Promise<void> | undefined
  #routed!: Handler
  /** What no route takes. */
  #answer: Answer
  /** In place of `#routed`, where nothing was added to Fastify. */
  #unrouted: Unrouted | undefined

  /** Takes a request, after `prepare`. */
  route: Handler = (request, response) => this.#routed(request, response)

  constructor(core: Core, log: Logger) {
    this.#core = core
    this.#log = log
    this.#answer = offer(core.hooks)
  }

  /** Where no plugin has anything to do with Fastify, it is loaded and built when a request first needs it. */
  async prepare(): Promise<void> {
    const { hooks } = this.#core
    const defaults = this.#defaultOptions()
    this.#options = hooks.fastifyOptions.call({ ...defaults })
    this.#isUsual = isUsual(this.#options, defaults)
    const isRaw = isAskedRaw(hooks)
    if (isRaw && !isTapped(hooks.server)) this.route = this.#takeDirectly
    else {
      this.#building = this.#build()
      await this.#building
      if (this.#unrouted) this.route = isRaw ? this.#takeDirectly : this.#unrouted.take
    }
  }

  takesUpgrades(): boolean {
    return this.#fastify !== undefined && this.#fastify.server.listenerCount('upgrade') > 0
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#fastify?.server.emit('upgrade', request, socket, head)
  }

  async close(): Promise<void> {
    await this.#building?.catch(() => {}) // its request has been told
    await this.#fastify?.close()
  }

  async #build(): Promise<void> {
    const { hooks } = this.#core
    // large: loaded while `prepare` is under way
    const { default: Fastify, LogController } = await import('fastify')
    const logController = new LogController({ disableRequestLogging: true })
    const fastify = Fastify({ logController, ...this.#options }) as unknown as FastifyInstance
    this.#fastify = fastify
    handleErrors(fastify, hooks)
    if (!this.#options.trustProxy) tellOrigins(fastify) // else Fastify itself finds out
    if (isTapped(hooks.response)) observeReplies(fastify, hooks)
    const watch = new FastifyWatch(fastify)
    this.#core.fastifyHooks = watch.hooks
    await hooks.server.promise(fastify)
    if (isTapped(hooks.handle)) {
      const answer: Answer = (request, reply) => this.#answer(request, reply)
      answerUnrouted(fastify, answer, (step) => watch.quietly(step))
    }
    await fastify.ready()
    if (isTapped(hooks.handle) && !watch.isTouched && this.#isUsual) this.#passBy(fastify)
    const { express } = fastify as unknown as { express?: Express } // where @fastify/express is registered
    if (express) adoptExpress(express)
  }

  #passBy(fastify: FastifyInstance): void {
    const { rewriteUrl } = this.#options
    // a bound function is slower to call
    const rewrite: Rewrite | undefined = rewriteUrl && ((raw) => rewriteUrl.call(fastify, raw))
    this.#unrouted = new Unrouted(this.#routed, this.#answer, rewrite)
    this.#answer = this.#unrouted.answer
  }

  readonly #takeDirectly: Handler = (request, response) => {
    let taken: boolean | undefined
    try {
      taken = this.#core.hooks.handleRaw.call(request, response)
    } catch (error) {
      return failRequest(error as Error, request, response, this.#core.hooks, this.#log)
    }
    if (taken !== true) void this.#routeLate(request, response)
  }

  async #routeLate(request: IncomingMessage, response: EngineResponse): Promise<void> {
    try {
      this.#building ??= this.#build()
      await this.#building
    } catch (error) {
      return failRequest(error as Error, request, response, this.#core.hooks, this.#log)
    }
    const route = this.#unrouted?.take ?? this.#routed
    route(request, response)
  }

  /** Fastify never listens here: its handler is kept, and its server is only what plugins hang their listeners on. */
  #defaultOptions(): FastifyServerOptions {
    const options = {
      loggerInstance: this.#log,
      childLoggerFactory: (logger: unknown) => logger,
      schemaController,
      return503OnClosing: false, // a retiring generation still answers what it took
      serverFactory: (handler: Handler) => {
        this.#routed = handler
        return createUnboundServer()
      },
    }
    return options as unknown as FastifyServerOptions
  }
}

function isUsual(options: object, defaults: object): boolean {
  const [given, usual] = [options, defaults] as [Record<string, unknown>, Record<string, unknown>]
  const names = Object.keys({ ...given, ...usual })
  return names.every((name) => HARMLESS_OPTIONS.has(name) || given[name] === usual[name])
}

/** Whether each that answers requests may do without Fastify's objects, and nobody wants to see those. */
function isAskedRaw({ handle, handleRaw, environ, response }: Hooks): boolean {
  if (isTapped(environ) || isTapped(response)) return false
  const raw = new Set(handleRaw.taps.map(({ name }) => name))
  return isTapped(handle) && handle.taps.every(({ name }) => raw.has(name))
}
