import { readdir, unlink } from 'node:fs'
import type { Logger } from 'pino'
import { type FrontLink, toPlain } from '../../core/index.ts'
import { Dispatcher } from './dispatcher.ts'
import type { Front } from './front.ts'
import type { ToFront, ToSupervisor, Unaddressed } from './front-messages.ts'
import { MAX_ENTRIES, type PoolOptions } from './pool.ts'
import { RemoteFront } from './remote-front.ts'
import { RuntimeDirectory } from './runtime-directory.ts'
import { KIND } from './slot.ts'
import type { Runtime } from './spawner.ts'
import { Supervisor } from './supervisor.ts'

/** From a front's death until what workers had not opened by then is removed, in milliseconds. */
const OPEN_BODIES = 1000

interface Member {
  readonly remote: RemoteFront
  readonly pid: number
  say(message: Unaddressed<ToFront>): void
}

type Join = Extract<ToSupervisor, { type: 'join' }>

/** A pool whose requests come from several processes; this one, number 0, watches over the workers. */
export class SharedPool {
  readonly #directory = new RuntimeDirectory()
  readonly #orders: Dispatcher
  readonly #supervisor: Supervisor
  readonly #fronts = new Map<number, Front>()
  readonly #members = new Map<number, Member>()
  readonly #left = new Set<number>()
  #grace = 0
  readonly #dead: RemoteFront[] = []
  #outcome: Unaddressed<ToFront> | undefined
  #stopped: Promise<void> | undefined
  #isOver = false

  constructor(options: PoolOptions, { runtime, watches }: Join, log: Logger) {
    const flags = { retrySafe: false, quickLane: false } // it dispatches no requests
    const settings = { limit: 0, ...flags, entries: MAX_ENTRIES, log }
    this.#orders = this.#directory.fill(() => new Dispatcher(this.#directory, settings))
    this.#fronts.set(0, this.#orders)
    const watch = watches
      ? (files: readonly string[]) => this.#tell({ type: 'files', files })
      : undefined
    this.#supervisor = new Supervisor(options, { ...runtime, watch } as Runtime, log, {
      directory: this.#directory.path,
      scoreboard: this.#orders.scoreboard,
      fronts: this.#fronts,
      orders: this.#orders,
    })
    this.#supervisor.launch()
    this.#supervisor.ready.then(
      () => this.#conclude({ type: 'ready' }),
      (error) => {
        this.#conclude({ type: 'failed', error: toPlain(error) })
        void this.stop(0)
      },
    )
  }

  receive(from: FrontLink, plugin: string, message: ToSupervisor): void {
    const { number } = from
    if (message.type === 'told')
      this.#members.get(number)?.remote.told(message.ticket, message.waited, message.request)
    else if (message.type === 'leave') this.#leave(number, message.grace)
    else {
      const { pool, pid } = message
      this.#join(number, pid, (body) => from.send(plugin, { ...body, pool }))
    }
  }

  /** A front has died: its requests are nobody's, and the workers go on. */
  gone(number: number): void {
    const member = this.#members.get(number)
    if (!member || this.#isOver) return
    this.#members.delete(number)
    this.#fronts.delete(number)
    this.#dead.push(member.remote)
    member.remote.died()
    const { scoreboard } = this.#orders
    for (const request of scoreboard.executing(MAX_ENTRIES)) {
      if (request.front === number) scoreboard.markGone(request)
    }
    this.#endWithTheLast()
    this.#orders.wakeAll(KIND.wake, () =>
      setTimeout(() => this.#removeBodies(number, member.pid), OPEN_BODIES),
    )
  }

  /** Has so many workers more, or fewer; at least one stays. */
  resize(delta: number): void {
    this.#supervisor.resize(delta)
  }

  /** Ends all workers: each finishes what it executes within `grace` milliseconds, then it is killed. */
  stop(grace: number): Promise<void> {
    this.#stopped ??= this.#stop(grace)
    return this.#stopped
  }

  async #stop(grace: number): Promise<void> {
    await this.#supervisor.stop(grace)
    this.#tell({ type: 'ended' })
    this.#isOver = true
    for (const remote of this.#dead) remote.close()
    for (const { remote } of this.#members.values()) remote.close()
    this.#orders.close()
    this.#directory.remove()
  }

  #join(number: number, pid: number, say: Member['say']): void {
    if (this.#stopped) return say({ type: 'ended' })
    const remote = new RemoteFront(this.#directory.file(`answers-${number}`), say)
    this.#members.set(number, { remote, pid, say })
    this.#fronts.set(number, remote)
    say({ type: 'place', directory: this.#directory.path })
    this.#supervisor.admit(number)
    if (this.#outcome) say(this.#outcome)
  }

  /** Those that have died do not count: a front that takes the place of one needs the workers. */
  #leave(number: number, grace: number): void {
    this.#left.add(number)
    this.#grace = grace
    this.#endWithTheLast()
  }

  #endWithTheLast(): void {
    const members = [...this.#members.keys()]
    const isOver = members.length > 0 && members.every((number) => this.#left.has(number))
    if (isOver) void this.stop(this.#grace)
  }

  /** The start has come to an end, well or not: those that come later hear of it too. */
  #conclude(outcome: Unaddressed<ToFront>): void {
    this.#outcome = outcome
    this.#tell(outcome)
  }

  #tell(message: Unaddressed<ToFront>): void {
    for (const { say } of this.#members.values()) say(message)
  }

  /** What a front had on the disk for workers, and what it was about to give them. */
  #removeBodies(number: number, pid: number): void {
    const { path } = this.#directory
    readdir(path, (_, names = []) => {
      const isIts = (name: string) =>
        name.startsWith(`body-${number}-`) || name.startsWith(`spool-${pid}-`)
      for (const name of names.filter(isIts)) unlink(this.#directory.file(name), () => {})
    })
  }
}
