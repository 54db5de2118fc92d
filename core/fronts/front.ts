import type { Logger } from 'pino'
import type { Configuration, Sources } from '../config/load.ts'
import type { Life } from '../core.ts'
import { Stopped } from '../errors.ts'
import { Generation } from '../generation.ts'
import type { ListenerSpec, Listeners, Sharing } from '../listeners.ts'
import type { Role } from '../role.ts'
import { Server } from '../server.ts'
import { type Handle, listenAt } from './handles.ts'
import type { SupervisorLink } from './links.ts'
import { type Order, type PlainSpec, type Report, toPlain } from './messages.ts'

/** The way to the supervisor. */
type Send = (report: Report) => void
type Build = Extract<Order, { order: 'build' }>

/** One of several fronts: a server that does what the supervisor says, when all others do. */
export class Front {
  readonly #send: Send
  readonly #server: Server
  /** Resolves when the front has closed, as the supervisor said. */
  readonly ended: Promise<void>
  #end!: () => void
  readonly #handles = new Map<number, Handle>()
  readonly #plugins = new Map<string, (body: unknown) => void>()
  #build: Build | undefined
  #building: FrontGeneration | undefined
  #isListening = false
  #abandoned = 0
  /** The handles that it serves at. */
  #wanted: readonly number[] = []

  constructor(send: Send) {
    this.#send = (report) => {
      if ('report' in report && report.report === 'retired') this.#forget(report.generation)
      send(report)
    }
    this.#server = new Server(this.#sources())
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
    send({ report: 'up' })
  }

  get log(): Logger | undefined {
    return this.#server.log
  }

  obey(order: Order, handle?: Handle): void {
    if ('plugin' in order) this.#plugins.get(keyOf(order.plugin, order.generation))?.(order.body)
    else if (order.order === 'build') void this.#start(order)
    else if (order.order === 'handle') this.#handles.set(order.handle, handle as Handle)
    else if (order.order === 'serve') this.#building?.serveAt(order.handles)
    else if (order.order === 'commit') this.#commit()
    else if (order.order === 'abandon') this.#abandon(order.generation)
    else if (order.order === 'reopenLogs') this.#server.reopenLogs()
    else void this.#server.close({ quick: order.quick }).finally(this.#end)
  }

  flushLogs(): void {
    this.#server.flushLogs()
  }

  async #start(build: Build): Promise<void> {
    const { generation } = build
    this.#build = build
    const isFirst = !this.#isListening
    this.#isListening = true
    try {
      await (isFirst ? this.#server.listen() : this.#server.reload())
    } catch (error) {
      this.#dropUnwanted()
      this.#send({ report: 'failed', generation, error: toPlain(error) })
      this.#send({ report: 'retired', generation })
    }
  }

  /** Nobody listens for it any more. */
  #forget(generation: number): void {
    for (const key of this.#plugins.keys()) {
      if (key.startsWith(`${generation} `)) this.#plugins.delete(key)
    }
  }

  /** All reload, or none. What comes of it is in the log. */
  async #askToReload(): Promise<void> {
    this.#send({ report: 'reload' })
  }

  #commit(): void {
    this.#wanted = this.#building?.handles ?? []
    this.#dropUnwanted()
    this.#building?.commit()
  }

  /** Handles that were lent for listeners which are no more, or have never been. */
  #dropUnwanted(): void {
    for (const [number, handle] of this.#handles) {
      if (this.#wanted.includes(number)) continue
      handle.close() // without effect where its listener has closed it
      this.#handles.delete(number)
    }
  }

  /** It may not have got as far as to have a generation of that number. */
  #abandon(generation: number): void {
    this.#abandoned = generation
    if (this.#building?.core.generation === generation) this.#building.abort()
  }

  /** The supervisor's configuration: whatever has become of files and variables since. */
  #sources(): Sources {
    const current = () => this.#build as Build
    return {
      get cwd() {
        return current().cwd
      },
      get values() {
        return current().values
      },
      env: {},
      file: null,
      target: { plugin: 'wsgi', option: 'app', required: true },
      role: async () => this.#role(),
      sharing: SUPERVISED,
    }
  }

  #role(): Role {
    return {
      speaks: false,
      listen: (spec, ...rest) => {
        const handle = this.#building?.handleOf(spec)
        return listenAt(this.#handles.get(handle as number) as Handle)(spec, ...rest)
      },
      createGeneration: (configuration, life) => {
        const { generation } = this.#build as Build
        const supervisor = this.#link(generation)
        const building = new FrontGeneration(
          configuration,
          { ...life, generation, reload: () => this.#askToReload(), links: { supervisor } },
          this.#send,
        )
        if (this.#abandoned === generation) building.abort()
        this.#building = building
        return building
      },
      reopenLogs() {},
      async close() {},
    }
  }

  #link(generation: number): SupervisorLink {
    const { front, count } = this.#build as Build
    return {
      front,
      count,
      send: (plugin, body) => this.#send({ plugin, generation, body }),
      listen: (plugin, received) => {
        this.#plugins.set(keyOf(plugin, generation), received)
      },
    }
  }
}

/** Sockets are the supervisor's, and so are their files: they stay when this front ends. */
const SUPERVISED: Sharing = { inherited: [], isShared: () => true, duplicate: async () => [] }

const keyOf = (plugin: string, generation: number) => `${generation} ${plugin}`

/** A generation that goes on only when those of the other fronts can too. */
class FrontGeneration extends Generation {
  readonly #send: Send
  readonly #number: number
  #specs: readonly ListenerSpec[] = []
  handles: readonly number[] = []
  #goOn: () => void = () => {}

  constructor(configuration: Configuration, life: Omit<Life, 'signal'>, send: Send) {
    super(configuration, life)
    this.#number = life.generation
    this.#send = send
  }

  override async build(): Promise<ListenerSpec[]> {
    const specs = await super.build()
    this.#specs = specs
    const plain: PlainSpec[] = specs.map(({ address, scheme }) => ({ address, scheme }))
    await this.#report({ report: 'built', generation: this.#number, listeners: plain })
    return specs
  }

  override async activate(listeners: Listeners): Promise<void> {
    await super.activate(listeners)
    await this.#report({ report: 'serving', generation: this.#number })
  }

  override async retire(hurry: Promise<unknown>): Promise<Error[]> {
    const errors = await super.retire(hurry)
    this.#send({ report: 'retired', generation: this.#number })
    return errors
  }

  /** All others are as far: open the listeners at these handles. */
  serveAt(handles: readonly number[]): void {
    this.handles = handles
    this.#goOn()
  }

  commit(): void {
    this.#goOn()
  }

  handleOf(spec: ListenerSpec): number | undefined {
    return this.handles[this.#specs.indexOf(spec)]
  }

  /** Says how far this one is, and waits for the others. */
  #report(report: Report): Promise<void> {
    const { signal } = this.core
    return new Promise((resolve, reject) => {
      this.#goOn = resolve
      const stop = () => reject(new Stopped())
      if (signal.aborted) return stop()
      signal.addEventListener('abort', stop, { once: true })
      this.#send(report)
    })
  }
}
