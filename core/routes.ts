import { createServer as createUnboundServer, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import type { Logger } from 'pino'
import type { Core } from './core.ts'
import {
  answerUnrouted,
  failRequest,
  handleErrors,
  observeReplies,
  tellOrigins,
} from './fastify.ts'
import { watchHooks } from './fastify-hooks.ts'
import { type Hooks, isTapped } from './hooks.ts'
import { adoptExpress } from './http/adopt.ts'
import type { EngineResponse } from './http/door.ts'
import { schemaController } from './schema-compilers.ts'

export type Handler = (request: IncomingMessage, response: EngineResponse) => void

type Express = Parameters<typeof adoptExpress>[0]

/** How a request finds who answers it: by Fastify, or at once where nothing of Fastify could concern it. */
export class Routes {
  readonly #core: Core
  readonly #log: Logger
  #options!: FastifyServerOptions
  #fastify: FastifyInstance | undefined
  #building: Promise<void> | undefined
  #routed!: Handler

  /** Takes a request, after `prepare`. */
  route: Handler = (request, response) => this.#routed(request, response)

  constructor(core: Core, log: Logger) {
    this.#core = core
    this.#log = log
  }

  /** Where no plugin has anything to do with Fastify, it is loaded and built when a request first needs it. */
  async prepare(): Promise<void> {
    const { hooks } = this.#core
    this.#options = hooks.fastifyOptions.call(this.#defaultOptions())
    if (isDirect(hooks)) this.route = this.#takeDirectly
    else await this.#build()
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
    this.#core.fastifyHooks = watchHooks(fastify)
    await hooks.server.promise(fastify)
    if (isTapped(hooks.handle)) answerUnrouted(fastify, hooks)
    await fastify.ready()
    const { express } = fastify as unknown as { express?: Express } // where @fastify/express is registered
    if (express) adoptExpress(express)
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
    this.#routed(request, response)
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

/** Whether no plugin has anything to do with Fastify, and each that answers requests may do without it. */
function isDirect({ handle, handleRaw, server, environ, response }: Hooks): boolean {
  if (isTapped(server) || isTapped(environ) || isTapped(response)) return false
  const raw = new Set(handleRaw.taps.map(({ name }) => name))
  return isTapped(handle) && handle.taps.every(({ name }) => raw.has(name))
}
