import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Logger } from 'pino'
import { clock } from './clock.ts'
import type { Configuration } from './config/load.ts'
import { Core, type Life } from './core.ts'
import { ApplyFailed, Stopped } from './errors.ts'
import { failRequest, reportFailure } from './fastify.ts'
import { FinishedRequest } from './finished.ts'
import { isTapped, type ReadyTap } from './hooks.ts'
import type { EngineResponse, Handler, ParsedHead } from './http/door.ts'
import type { PreparedAnswer } from './http/prepared-head.ts'
import type { ListenerSpec } from './listeners.ts'
import type { AccessFormat } from './logging/access-format.ts'
import { Routes } from './routes.ts'

/** One configuration brought to life: plugins applied, Fastify built. It serves from `listen` until `retire`. */
export class Generation {
  readonly core: Core
  readonly configuration: Configuration
  readonly #log: Logger
  readonly #tap: Life['tap']
  readonly #routes: Routes
  #active = 0
  #idle: (() => void) | undefined
  #retiring = false
  #isMeasured = true
  readonly #upgraded = new Set<Duplex>()
  #prepared: Promise<void> = Promise.resolve()
  readonly #aborter = new AbortController()

  /** Takes a request. Set once Fastify is built; a generation that nobody observes takes the short way. */
  serve: Handler = (request, response) => this.#serveObserved(request, response)

  /** The answer that is ready for a request, where nobody wants to hear of it. */
  ready: (head: ParsedHead) => PreparedAnswer | undefined = nothingReady

  constructor(configuration: Configuration, life: Omit<Life, 'signal'>) {
    this.configuration = configuration
    this.#log = life.log
    this.#tap = life.tap
    this.#onClose = closeListener((response) => this.#finished(response))
    this.core = new Core(configuration, { ...life, signal: this.#aborter.signal })
    this.#routes = new Routes(this.core, life.log)
  }

  /** Requests whose answer is not out yet. */
  get active(): number {
    return this.#active
  }

  /** Has each finished request written to the access log. Before `build`. */
  writeAccessLog(log: { write(...request: Parameters<AccessFormat>): void }): void {
    this.core.hooks.finished.tap('access-log', (request, response, finished) => {
      const answer = response as EngineResponse
      if (!answer.isUnlogged) log.write(request, answer, finished)
    })
  }

  /**
   * Everything up to the first request. With `bind` the listeners are open before anything of the application runs,
   * and requests that come meanwhile wait for `admit`. @returns the listeners to open. Where it throws, call `abandon`.
   */
  async build(bind?: (specs: ListenerSpec[]) => Promise<void>): Promise<ListenerSpec[]> {
    this.#apply()
    this.#tap?.(this.core.hooks)
    if (!bind) this.#prepare()
    await this.#routes.prepare()
    this.#chooseWay()
    const specs = this.configuration.binds.map((address) => ({ address, scheme: 'http' as const }))
    const listeners = await this.core.hooks.listeners.promise(specs)
    if (bind) {
      this.#hold()
      await bind(listeners)
      this.#prepare()
    }
    await this.#prepared
    await this.core.hooks.beforeListen.promise()
    if (this.#aborter.signal.aborted) throw new Stopped()
    return listeners
  }

  #prepare(): void {
    this.#prepared = this.core.hooks.prepare.promise()
    this.#prepared.catch(() => {}) // reported where it is awaited
  }

  #hold(): void {
    const { serve, ready } = this
    this.ready = nothingReady
    const waiting: Parameters<Handler>[] = []
    this.serve = (...exchange) => void waiting.push(exchange)
    this.admit = () => {
      this.serve = serve
      this.ready = ready
      for (const exchange of waiting) if (!exchange[1].destroyed) this.serve(...exchange)
    }
  }

  /** Lets in the requests that had to wait. */
  admit: () => void = () => {}

  /** It serves from now on. Where this throws, it does so no more. */
  activate(listeners: { readonly addresses: readonly string[] }): Promise<unknown> {
    return this.core.hooks.afterListen.promise(listeners.addresses)
  }

  /** Makes `build` give up as soon as it can. */
  abort(): void {
    this.#aborter.abort(new Stopped())
  }

  /** A start that failed: undoes what was done. @returns what could not be undone. */
  async abandon(): Promise<Error[]> {
    await this.#prepared.catch(() => {}) // the first error is already on its way
    return this.#tearDown()
  }

  /** Takes no more requests: waits for those under way, drains, undoes. `hurry` ends the waiting early. */
  async retire(hurry: Promise<unknown>): Promise<Error[]> {
    this.#retiring = true
    const idle = new Promise<void>((resolve) => {
      this.#idle = resolve
      if (this.#active === 0) resolve()
    })
    await Promise.race([idle, hurry])
    const errors: Error[] = []
    await this.core.hooks.beforeRetire.promise().catch((error: Error) => errors.push(error))
    return [...errors, ...(await this.#tearDown())]
  }

  takesUpgrades(): boolean {
    return this.#routes.takesUpgrades()
  }

  /** An upgraded connection counts as a request under way; when the generation is torn down, it ends. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (isTapped(this.core.hooks.request) && !this.#admitsUpgrade(request, socket)) return
    this.#active++
    this.#upgraded.add(socket)
    socket.once('close', () => {
      this.#upgraded.delete(socket)
      this.#left()
    })
    this.#routes.upgrade(request, socket, head)
  }

  /** What taps do to a request they do to one for an upgrade too; who ends the response has answered instead. */
  #admitsUpgrade(request: IncomingMessage, socket: Duplex): boolean {
    const { hooks } = this.core
    const response = new ServerResponse(request)
    response.assignSocket(socket as Socket)
    response.shouldKeepAlive = false
    try {
      hooks.request.call(request, response)
    } catch (error) {
      failRequest(error as Error, request, response, hooks, this.#log)
    }
    if (response.destroyed) return false
    if (response.writableEnded) {
      socket.on('error', () => {}) // nobody is left to be told
      response.once('finish', () => socket.end())
      return false
    }
    response.detachSocket(socket as Socket)
    return true
  }

  #left(): void {
    this.#active--
    if (this.#active === 0) this.#idle?.()
  }

  #apply(): void {
    for (const { plugin, options } of this.configuration.plugins) {
      try {
        plugin.apply(this.core, options as never)
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error)
        throw Object.assign(new ApplyFailed(plugin.name, text), { cause: error })
      }
    }
  }

  #chooseWay(): void {
    const { hooks } = this.core
    this.#isMeasured = isTapped(hooks.finished)
    if (!isTapped(hooks.request) && !this.#isMeasured) this.serve = this.#servePlain
    if (canBeReady(hooks.ready) && !this.#isMeasured && areAmong(hooks.request, hooks.ready)) {
      this.ready = this.#findReady
    }
  }

  readonly #findReady = (head: ParsedHead): PreparedAnswer | undefined => {
    if (this.#retiring) return undefined
    try {
      return this.core.hooks.ready.call(head) || undefined
    } catch (error) {
      reportFailure(error as Error, head, this.core.hooks, this.#log)
      return undefined
    }
  }

  readonly #onClose: (this: EngineResponse) => void

  readonly #servePlain: Handler = (request, response) => {
    this.#active++
    this.#watch(response)
    if (this.#retiring) response.shouldKeepAlive = false
    this.#routes.route(request, response)
  }

  #serveObserved(request: IncomingMessage, response: EngineResponse): void {
    const { hooks } = this.core
    if (this.#isMeasured) this.#measure(request, response)
    this.#active++
    this.#watch(response)
    try {
      hooks.request.call(request, response)
    } catch (error) {
      failRequest(error as Error, request, response, hooks, this.#log)
    }
    if (response.headersSent || response.destroyed) return // a tap has begun the answer, though it may end later
    if (this.#retiring) response.shouldKeepAlive = false
    this.#routes.route(request, response)
  }

  #measure({ socket }: Partial<IncomingMessage>, response: EngineResponse): void {
    response.startedAt = clock.now()
    void socket?.remoteAddress // for the log: Node keeps it, and a socket that is closed tells no more
  }

  #watch(response: EngineResponse): void {
    if (response.whenClosed) response.whenClosed(this.#onClose)
    else response.on('close', this.#onClose)
  }

  #finished(response: EngineResponse): void {
    if (this.#isMeasured) this.#tellFinished(response)
    this.#left()
  }

  #tellFinished(response: EngineResponse): void {
    const { request } = response
    try {
      this.core.hooks.finished.call(request, response, new FinishedRequest(response))
    } catch (error) {
      reportFailure(error as Error, request, this.core.hooks, this.#log)
    }
  }

  async #tearDown(): Promise<Error[]> {
    const errors = await this.core.undo()
    await this.#routes.close().catch((error: Error) => errors.push(error))
    for (const socket of this.#upgraded) socket.destroy()
    return errors
  }
}

const nothingReady = () => undefined

type Taps = { readonly taps: readonly { readonly name: string }[] }

/** Whether anybody has answers that are ready. */
const canBeReady = ({ taps }: Taps) => (taps as readonly ReadyTap[]).some((tap) => !tap.onlyRefuses)

/** Whether all who tap the one tap the other, too. */
const areAmong = (one: Taps, other: Taps) =>
  one.taps.every(({ name }) => other.taps.some((tap) => tap.name === name))

/** One listener for all responses of a generation: `this` tells which. */
function closeListener(closed: (response: EngineResponse) => void) {
  return function onClose(this: EngineResponse) {
    closed(this)
    this.owner?.closed(this.writableFinished)
  }
}
