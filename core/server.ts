import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { type Configuration, loadConfiguration, type Sources } from './config/load.ts'
import type { CoreOptions } from './config/schema.ts'
import { BadState, CannotChangeUser, FrontsNotHere, Sealed, Stopped } from './errors.ts'
import { frontCount } from './fronts/count.ts'
import { Generation } from './generation.ts'
import type { Handle } from './handles.ts'
import type { Hooks } from './hooks.ts'
import type { Door, EngineResponse } from './http/door.ts'
import { type ListenerSpec, Listeners, listen } from './listeners.ts'
import { hasAccessLog, Logs } from './logging/logs.ts'
import { createOwnHooks, replayTaps } from './own-taps.ts'
import { Patience } from './patience.ts'
import { type Plugin, type PluginUse, type Sections, toUse } from './plugins.ts'
import { changeUser, giveFiles, wantsOtherUser } from './privileges.ts'
import { bindSignals } from './process-signals.ts'
import { Refusals } from './refusals.ts'
import { Retiring } from './retiring.ts'
import type { AnyGeneration, Role } from './role.ts'
import { version } from './version.ts'

/** Seconds that connections which were used a moment ago are kept when the server stops. */
const LAST_REQUESTS = 0.5
/** Milliseconds; nothing happens then. */
const LONG = 2 ** 30
const FRONTS_LATER = "the number of fronts changes with the server's next start"

type State = 'new' | 'starting' | 'serving' | 'stopping' | 'stopped'

/** Options of createServer: the core's own, a section for each plugin by name, and where else to look. */
export interface ServerOptions extends Partial<CoreOptions>, Sections {
  /** Config file that these options are laid over; default none. */
  readonly config?: string | null
}

/** Registers routes, Fastify plugins and Fastify hooks on the Fastify instance of each generation. */
export type FastifySetup = (fastify: FastifyInstance) => unknown

/**
 * Makes a server; nothing is opened or started before `listen`.
 * @example createServer({ bind: ['127.0.0.1:8000'] }).use(workers({ count: 4 })).use(wsgi({ app: 'hello:app' })).listen()
 */
export function createServer({ config = null, ...values }: ServerOptions = {}): Server {
  return new Server({ cwd: process.cwd(), env: {}, file: config, values })
}

/**
 * A server: its listeners and the generation that serves. Touches neither signals nor the process's exit, but where
 * `handleSignals` asks for it.
 */
export class Server {
  readonly #sources: Sources
  readonly #uses: PluginUse[]
  #isParking = false
  /** A parked server has nothing else that keeps its process from ending. */
  #keepAlive: NodeJS.Timeout | undefined
  readonly #listeners: Listeners
  readonly #refusals = new Refusals()
  readonly #warned = new Set<string>()
  #state: State = 'new'
  #role: Role | undefined
  #current: AnyGeneration | undefined
  #building: AnyGeneration | undefined
  #generations = 0
  readonly #kept = new Map<string, unknown>()
  #logs: Logs | undefined
  #starting: Promise<unknown> = Promise.resolve()
  #listening: Promise<unknown> = Promise.resolve()
  #reloading: Promise<void> = Promise.resolve()
  readonly #retiring = new Retiring()
  #closing: Promise<void> | undefined
  #releaseSignals: (() => void) | undefined
  readonly #patience = new Patience()

  constructor(sources: Sources) {
    this.#sources = sources
    this.#uses = [...(sources.uses ?? [])]
    this.#listeners = new Listeners(
      this.#door(),
      (...all) => (this.#role?.listen ?? listen)(...all),
      sources.sharing ?? { inherited: [], isShared: () => false },
    )
  }

  /**
   * Adds a plugin, before `listen`. Order does not matter; dependencies do.
   * @throws WSGI_CORE_BAD_PLUGIN, WSGI_CORE_SEALED
   */
  use(plugin: Plugin | PluginUse): this {
    const use = toUse(plugin)
    if (this.#state !== 'new') throw new Sealed(use.plugin.name)
    this.#uses.push(use)
    return this
  }

  /**
   * The hooks of every generation, to tap before `listen`: such a tap runs after those of plugins, and in `handle` before
   * them, so before the application.
   */
  readonly hooks: Hooks = createOwnHooks((name) => {
    if (this.#state !== 'new') throw new Sealed(name)
  })

  /** Has this called with the Fastify instance of each generation. Routes made there win over the application. */
  fastify(setup: FastifySetup): this {
    this.hooks.server.tapPromise('fastify', async (fastify) => void (await setup(fastify)))
    return this
  }

  /**
   * Obeys the process's signals from now on, as the command line does: TERM, INT, QUIT, HUP, TTIN, TTOU, USR1. After
   * the stop that one of them asks for the process exits with 0, or with `exit: false` is left alone.
   */
  handleSignals({ exit = true } = {}): this {
    if (this.#state === 'stopped') throw new BadState('handle signals', this.#state)
    this.#releaseSignals?.()
    this.#releaseSignals = bindSignals(this, exit)
    return this
  }

  /**
   * Answers a request that another HTTP server has parsed, or that was made up, as if it had come over a listener.
   * For a host that has the sockets, and for tests.
   */
  readonly handle = (request: IncomingMessage, response: ServerResponse): void => {
    if (!this.#current) throw new BadState('answer', this.#state)
    const answer = response as EngineResponse
    if (!('request' in response)) Object.assign(answer, { request, startedAt: 0, bodyBytes: 0 })
    this.#current.serve(request, answer)
  }

  /** Where the server can be reached, for example `http://127.0.0.1:8000`. */
  get addresses(): string[] {
    return this.#listeners.addresses
  }

  /** The listening sockets, each with the address that it was opened for: another process can inherit them. */
  get sockets(): { readonly address: string; readonly handle: Handle }[] {
    return this.#state === 'serving' ? this.#listeners.sockets : []
  }

  /** Whether the sockets are open while nothing here serves. */
  get isParked(): boolean {
    return this.#state === 'serving' && this.#current === undefined
  }

  /** The configuration of the generation that serves. */
  get configuration(): Configuration | undefined {
    return this.#current?.configuration
  }

  /** The server's error log, once `listen` or `check` has read the configuration. */
  get log(): Logger | undefined {
    return this.#logs?.logger
  }

  /** Reads the configuration, brings it to life and opens the listeners. A failure undoes what was done. */
  listen(): Promise<this> {
    const listening = this.#listen()
    this.#listening = listening.catch(() => {}) // whoever has started it is told
    return listening
  }

  async #listen(): Promise<this> {
    this.#enter('new', 'starting', 'listen')
    try {
      await this.#start()
      if (this.#state !== 'starting') throw new Stopped()
      this.#state = 'serving'
      return this
    } catch (error) {
      await this.close({ quick: this.#state === 'starting' })
      throw error
    }
  }

  /** Brings the configuration to life without opening anything, and stops again: `--check-config`. */
  async check(): Promise<void> {
    this.#enter('new', 'starting', 'check')
    try {
      const configuration = await this.#configure(quietly, true)
      if (wantsOtherUser(configuration)) changeUser(configuration)
      const generation = await this.#build(configuration)
      const [error] = await generation.retire(Promise.resolve())
      if (error) throw error
    } finally {
      await this.#stopped()
    }
  }

  /**
   * Reads the configuration again and builds a new generation beside the one that serves; swaps when it is ready, and
   * the promise resolves; the old one drains. Where the new one fails the old one goes on, and the promise rejects.
   * Calls queue up, behind the start too.
   */
  reload(): Promise<void> {
    const next = this.#reloading.catch(() => {}).then(() => this.#reload())
    this.#reloading = next
    return next
  }

  /**
   * Accepts nothing more, answers what is under way within `gracefulTimeout`, ends the workers; the listening sockets
   * stay open, for other processes that have them, until the next reload brings everything back.
   */
  park(): Promise<void> {
    const parked = this.#reloading.catch(() => {}).then(() => this.#park())
    this.#reloading = parked
    return parked
  }

  /** Stops: accepts nothing more, lets requests finish within `gracefulTimeout` (`quick`: not at all), undoes. */
  close({ quick = false } = {}): Promise<void> {
    if (quick) this.#patience.end()
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** Has one worker more, or one fewer, until the next reload. Waits for what is under way: a start, a reload. */
  async resize(delta: 1 | -1): Promise<void> {
    await this.#listening
    await this.#reloading.catch(() => {})
    if (this.isParked && delta > 0) return this.reload()
    if (this.#state === 'serving') this.#current?.core.hooks.resize.call(delta)
  }

  /** Opens the log files anew, after a rotation. A file that cannot be opened is logged: the old one goes on. */
  reopenLogs(): void {
    this.#logs?.reopen()
    this.#role?.reopenLogs()
  }

  /** Writes what the logs still hold, for an exit that cannot wait. */
  flushLogs(): void {
    this.#logs?.flushSync()
  }

  async #configure(
    adjust = (loaded: Configuration) => loaded,
    alone = false,
  ): Promise<Configuration> {
    const configuration = adjust(await loadConfiguration({ ...this.#sources, uses: this.#uses }))
    if (!this.#logs) {
      this.#sources.configured?.(configuration)
      if (!alone) this.#role = await this.#findRole(configuration)
      this.#logs = new Logs(configuration)
      this.#say(`Starting wsgi-core ${version}`)
    } else if (this.isParked && this.#role) this.#role = await this.#findRole(configuration)
    else if (!this.#role && frontCount(configuration.core.fronts) > 1) this.#warn([FRONTS_LATER])
    this.#warn(configuration.warnings)
    return configuration
  }

  async #findRole(configuration: Configuration): Promise<Role | undefined> {
    const { role } = this.#sources
    if (!role && configuration.core.fronts !== 1) throw new FrontsNotHere()
    return role?.(configuration)
  }

  /** What concerns the server as a whole. */
  #say(text: string): void {
    if (this.#role?.speaks ?? true) this.log?.info(text)
  }

  /** What has no effect is said once, not at each reload. */
  #warn(warnings: readonly string[]): void {
    for (const text of warnings) {
      if (!this.#warned.has(text)) this.log?.warn(text)
      this.#warned.add(text)
    }
  }

  /** Brings a generation up to where it serves. */
  #start(): Promise<void> {
    const started = this.#configure().then((configuration) => this.#serve(configuration))
    this.#starting = started
    return started
  }

  async #serve(configuration: Configuration): Promise<void> {
    await this.#build(configuration, async (built, specs) => {
      this.#current ??= built // the first listener may accept before the last one is open
      const old = this.#current
      const change = await this.#listeners.open(specs, configuration.core)
      try {
        this.#swap(built)
        built.admit()
        await built.activate(this.#listeners)
        if (old === built) this.#announce()
      } catch (error) {
        await this.#listeners.rollback(change)
        this.#swap(old)
        throw error
      }
      this.#listeners.commit(change, configuration.core)
    })
  }

  #swap(generation: AnyGeneration): void {
    clearInterval(this.#keepAlive)
    this.#current = generation
  }

  /** The lines that people grep, as gunicorn writes them. */
  #announce(): void {
    for (const address of this.addresses) {
      this.#say(`Listening at: ${address} (${process.pid})`)
    }
  }

  async #build(
    configuration: Configuration,
    ready?: (built: AnyGeneration, specs: ListenerSpec[]) => Promise<void>,
  ): Promise<AnyGeneration> {
    if (this.#state === 'stopping') throw new Stopped()
    const logs = this.#logs as Logs
    const isFirst = this.#current === undefined
    const change = logs.prepare(configuration)
    const generation = this.#createGeneration(configuration, logs.logger)
    this.#building = generation
    if (hasAccessLog(configuration.core)) generation.writeAccessLog(logs)
    try {
      if (isFirst) await change.commit()
      const specs = await generation.build(ready && this.#bindFirst(generation))
      await ready?.(generation, specs)
    } catch (error) {
      if (isFirst) this.#current = undefined
      await change.discard()
      const { active } = generation // it may have served before `afterListen` failed
      const grace = this.#grace(configuration)
      this.#report(await (active > 0 ? generation.retire(grace) : generation.abandon()))
      throw error
    } finally {
      this.#building = undefined
    }
    if (!isFirst) await change.commit()
    return generation
  }

  /** Where the server is to become another user: it binds as root, and all that follows is that user's. */
  #bindFirst(generation: AnyGeneration): ((specs: ListenerSpec[]) => Promise<void>) | undefined {
    const { configuration } = generation
    if (!wantsOtherUser(configuration)) return undefined
    if (this.#current) throw new CannotChangeUser('another user', 'start the server anew for that')
    return async (specs) => {
      this.#current = generation
      await this.#listeners.open(specs, configuration.core)
      this.#sources.beforeUserChange?.(configuration)
      giveFiles(configuration)
      changeUser(configuration)
    }
  }

  #createGeneration(configuration: Configuration, log: Logger): AnyGeneration {
    const life = {
      generation: ++this.#generations,
      log,
      reload: () => this.reload(),
      kept: this.#kept,
      tap: (hooks: Hooks) => replayTaps(this.hooks, hooks),
    }
    return this.#role?.createGeneration(configuration, life) ?? new Generation(configuration, life)
  }

  async #reload(): Promise<void> {
    await this.#listening
    if (this.#state === 'starting') await this.#starting.catch(() => {}) // whoever has started it is told
    if (this.#state !== 'serving') throw new BadState('reload', this.#state)
    const old = this.#current
    await this.#retiring.room()
    try {
      await this.#start()
    } finally {
      if (old && this.#current !== old) this.#retire(old)
    }
  }

  async #park(): Promise<void> {
    await this.#listening
    if (this.#state !== 'serving') throw new BadState('park', this.#state)
    if (!this.#sources.sharing) throw new BadState('park', 'not shared')
    const current = this.#current
    if (!current) return
    this.#isParking = true
    try {
      await this.#leave(current)
    } finally {
      this.#isParking = false
    }
  }

  async #leave(current: AnyGeneration): Promise<void> {
    const sockets = this.#role ? [] : this.#listeners.sockets.map(({ handle }) => handle)
    const copies = (await this.#sources.sharing?.duplicate(sockets)) ?? []
    if (this.#role) current.core.hooks.beforeClose.call()
    await this.#lastRequests(this.#listeners.park(copies))
    this.#report(await current.retire(this.#grace(current.configuration)))
    this.#listeners.closeAllConnections()
    await this.#role?.close()
    this.#current = undefined
    this.#keepAlive = setInterval(() => {}, LONG)
    this.#say('No workers any more: HUP or TTIN brings them back')
  }

  /** Who has just had an answer may be sending the next request: it is still answered, and told of the end. */
  async #lastRequests(closed: Promise<void>): Promise<void> {
    await Promise.race([closed, this.#patience.wait(LAST_REQUESTS)])
  }

  /** Nobody waits for it but `close`. */
  #retire(generation: AnyGeneration): void {
    const grace = this.#grace(generation.configuration)
    this.#retiring.add(generation, grace, (errors) => this.#report(errors))
  }

  /** How long what was taken may go on. */
  #grace({ core }: Configuration): Promise<void> {
    return this.#patience.wait(core.gracefulTimeout)
  }

  async #close(): Promise<void> {
    if (this.#state === 'new' || this.#state === 'stopped') return this.#stopped()
    const hasServed = this.#state === 'serving'
    this.#state = 'stopping'
    this.#building?.abort()
    await this.#starting.catch(() => {}) // whoever has started it is told
    if (this.#isParking) await this.#reloading.catch(() => {})
    await this.#announceStop()
    const patience = this.#patience.wait(this.#current?.configuration.core.gracefulTimeout ?? 0)
    const closed = this.#listeners.close()
    if (!this.#patience.isOver) await this.#lastRequests(closed)
    this.#report((await this.#current?.retire(patience)) ?? [])
    if (hasServed) await this.#reloading.catch(() => {}) // else it waits for the start, which waits for this
    await this.#retiring.done()
    this.#listeners.closeAllConnections()
    await closed
    await this.#hearLast()
    this.#say('Shutting down: Master')
    await this.#stopped()
  }

  /** Load balancers need time to learn that nothing more is to be sent here. */
  async #announceStop(): Promise<void> {
    const current = this.#current
    if (!current) return
    try {
      current.core.hooks.beforeClose.call()
    } catch (error) {
      this.#report([error as Error])
    }
    const { shutdownDelay } = current.configuration.core
    if (shutdownDelay === 0 || this.#patience.isOver) return
    this.#say(`Accepting requests for ${shutdownDelay} more seconds`)
    await this.#patience.wait(shutdownDelay)
  }

  /** Responses that were cut off say so some turns after their connections: let them have their line in the log. */
  async #hearLast(): Promise<void> {
    const isBusy = () => (this.#current?.active ?? 0) > 0
    for (let turn = 0; turn < 10 && isBusy(); turn++) await new Promise(setImmediate)
  }

  async #stopped(): Promise<void> {
    this.#state = 'stopped'
    this.#releaseSignals?.()
    clearInterval(this.#keepAlive)
    await this.#role?.close()
    if (this.#patience.isOver) this.flushLogs()
    await this.#logs?.close()
  }

  #report(errors: readonly Error[]): void {
    for (const err of errors) this.log?.error({ err }, 'clean-up failed')
  }

  #enter(from: State, to: State, what: string): void {
    if (this.#state !== from) throw new BadState(what, this.#state)
    this.#state = to
  }

  #door(): Door {
    const current = () => this.#current as AnyGeneration
    return {
      serve: (request, response) => current().serve(request, response),
      ready: (head) => current().ready(head),
      takesUpgrades: () => this.#current?.takesUpgrades() ?? false,
      upgrade: (request, socket, head) => current().upgrade(request, socket, head),
      get keepAlive() {
        return current()?.core.options.keepAlive * 1000
      },
      refused: (status, reason, socket) => {
        if (this.log) this.#refusals.log(this.log, status, reason, socket)
      },
    }
  }
}

/** A check is no life: warnings are all that it may have to say. */
function quietly(configuration: Configuration): Configuration {
  const { core } = configuration
  const isTalkative = core.logLevel === 'info' || core.logLevel === 'debug'
  return isTalkative ? { ...configuration, core: { ...core, logLevel: 'warning' } } : configuration
}
