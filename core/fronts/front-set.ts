import cluster from 'node:cluster'
import { setTimeout } from 'node:timers/promises'
import type { Logger } from 'pino'
import { Stopped } from '../errors.ts'
import { FrontProcess } from './front-process.ts'
import type { HeldListener } from './handles.ts'
import type { PlainSpec, PluginMessage } from './messages.ts'
import type { SupervisingGeneration } from './supervising-generation.ts'

/** A byte in the worker protocol; 0 is the supervisor. */
const LAST_NUMBER = 255
/** Between two attempts to start a front that keeps dying, in milliseconds: doubled each time, up to the last. */
const FIRST_BACK_OFF = 100
const LAST_BACK_OFF = 5000
/** A front that has served as long was no failed attempt. */
const SETTLED_AFTER = 1000
/** From the order to end at once to SIGKILL; workers have their own time limits within it. */
const KILL_AFTER = 10_000

interface Serving {
  readonly generation: SupervisingGeneration
  readonly listeners: readonly HeldListener[]
}

/** The fronts: all of one mind, and replaced where they die. */
export class FrontSet {
  readonly count: number
  readonly #log: Logger
  readonly #fronts = new Set<FrontProcess>()
  readonly #generations = new Set<SupervisingGeneration>()
  readonly #comingUp = new Set<Promise<void>>()
  /** What serves, and where. */
  #current: Serving | undefined
  #isChanging = false
  #isClosing = false
  #lastNumber = 0
  #failures = 0
  /** Replacements that are to be started in a moment. */
  #awaited = 0
  #emptied: (() => void) | undefined
  #ended: Promise<void> | undefined

  constructor(count: number, log: Logger) {
    this.count = count
    this.#log = log
    cluster.schedulingPolicy = cluster.SCHED_NONE // a plugin's own listener is shared, not passed on
  }

  get isClosing(): boolean {
    return this.#isClosing
  }

  /** Until `drop`, it hears of its fronts. */
  add(generation: SupervisingGeneration): void {
    this.#generations.add(generation)
  }

  drop(generation: SupervisingGeneration): void {
    this.#generations.delete(generation)
  }

  /** Has every front build a generation. @returns its listeners. @throws what the first one failed of. */
  async build(generation: SupervisingGeneration): Promise<readonly PlainSpec[]> {
    await Promise.all(this.#comingUp)
    if (this.#isClosing) throw new Stopped()
    this.#isChanging = true
    if (this.#members.length === 0) await this.#startAll()
    const [first] = await Promise.all(this.#members.map((front) => this.#build(front, generation)))
    return (first as { listeners: readonly PlainSpec[] }).listeners
  }

  /** Has every front serve it. Where one cannot, `abandon` takes the others back. */
  async serve(
    generation: SupervisingGeneration,
    listeners: readonly HeldListener[],
  ): Promise<void> {
    const { number } = generation
    await Promise.all(
      this.#members.map((front) => {
        const serving = front.reaches('serving', number)
        lendAll(front, number, listeners)
        return serving
      }),
    )
    for (const front of this.#members) front.hasServed = true
    this.#current = { generation, listeners }
    this.#tell({ order: 'commit', generation: number })
    this.#changed()
  }

  /** Has every front give it up. */
  async abandon({ number }: SupervisingGeneration): Promise<void> {
    const gone = this.#members.map((front) => front.reaches('retired', number).catch(() => {}))
    this.#tell({ order: 'abandon', generation: number })
    await Promise.all(gone)
    for (const front of this.#members) if (!front.hasServed) front.kill() // it has nothing to go back to
    this.#changed()
  }

  /** Resolves when no front has anything left of it. */
  async retired({ number }: SupervisingGeneration): Promise<void> {
    await Promise.all(
      [...this.#fronts].map((front) => front.reaches('retired', number).catch(() => {})),
    )
  }

  reopenLogs(): void {
    this.#tell({ order: 'reopenLogs' })
  }

  /** All end: gracefully, or, `quick`, at once. A replacement that is on its way up has nothing to finish. */
  close(quick: boolean): void {
    this.#isClosing = true
    for (const front of this.#fronts) {
      if (this.#current && !front.isMember) front.kill()
      else front.send({ order: 'close', quick })
    }
  }

  /** Resolves when no process is left; by force where it takes too long. */
  end(): Promise<void> {
    this.close(true)
    this.#ended ??= this.#end()
    return this.#ended
  }

  async #end(): Promise<void> {
    if (this.#fronts.size === 0) return
    const emptied = new Promise<void>((resolve) => {
      this.#emptied = resolve
    })
    const killed = setTimeout(KILL_AFTER, undefined, { ref: false }).then(() => {
      for (const front of this.#fronts) front.kill()
    })
    await Promise.race([emptied, killed.then(() => emptied)])
  }

  #build(front: FrontProcess, { number, plain }: SupervisingGeneration) {
    const built = front.reaches('built', number)
    const { count } = this
    front.send({ order: 'build', generation: number, front: front.number, count, ...plain })
    return built
  }

  get #members(): FrontProcess[] {
    return [...this.#fronts].filter((front) => front.isMember)
  }

  #tell(order: Parameters<FrontProcess['send']>[0]): void {
    for (const front of this.#members) front.send(order)
  }

  #changed(): void {
    this.#isChanging = false
    this.#fillUp()
  }

  async #startAll(): Promise<void> {
    const fronts = Array.from({ length: this.count }, () => this.#fork())
    await Promise.all(
      fronts.map(async (front) => {
        await front.reaches('up')
        front.isMember = true
      }),
    )
  }

  #fork(): FrontProcess {
    const front = new FrontProcess(
      this.#nextNumber(),
      cluster.fork(),
      (message) => this.#received(front, message),
      () => this.#reload(),
      (how) => this.#lose(front, how),
    )
    this.#fronts.add(front)
    this.#log.info(`Booting front with pid: ${front.pid}`)
    return front
  }

  /** One that no front has; it comes back only after all others. */
  #nextNumber(): number {
    const taken = new Set([...this.#fronts].map(({ number }) => number))
    do {
      this.#lastNumber = (this.#lastNumber % LAST_NUMBER) + 1
    } while (taken.has(this.#lastNumber))
    return this.#lastNumber
  }

  #received(front: FrontProcess, message: PluginMessage): void {
    for (const generation of this.#generations) {
      if (generation.number === message.generation) generation.received(front, message)
    }
  }

  #reload(): void {
    this.#current?.generation.reload().catch((err) => {
      this.#log.error({ err }, 'the reload failed; the server goes on as it was')
    })
  }

  #lose(front: FrontProcess, how: string): void {
    this.#fronts.delete(front)
    for (const generation of this.#generations) generation.lost(front.number)
    if (this.#isClosing) {
      if (this.#fronts.size === 0) this.#emptied?.()
      return
    }
    if (!this.#current) return // the start fails of it
    this.#log.error(`Front (pid:${front.pid}) ended by ${how}, and is replaced`)
    this.#fillUp()
  }

  /** Replacements wait for a change that is under way: it fails where a front dies in it. */
  #fillUp(): void {
    if (this.#isChanging || this.#isClosing || !this.#current) return
    while (this.#fronts.size + this.#awaited < this.count) {
      const delay = this.#failures === 0 ? 0 : FIRST_BACK_OFF * 2 ** this.#failures
      this.#failures++
      this.#awaited++
      const up = this.#replaceAfter(Math.min(delay, LAST_BACK_OFF))
      this.#comingUp.add(up)
      void up.finally(() => this.#comingUp.delete(up))
    }
  }

  async #replaceAfter(delay: number): Promise<void> {
    await setTimeout(delay)
    this.#awaited--
    if (!this.#isChanging && !this.#isClosing && this.#fronts.size < this.count)
      await this.#bringUp()
  }

  async #bringUp(): Promise<void> {
    const front = this.#fork()
    const { generation, listeners } = this.#current as Serving
    const { number } = generation
    try {
      await front.reaches('up')
      await this.#build(front, generation)
      const serving = front.reaches('serving', number)
      lendAll(front, number, listeners)
      await serving
      front.send({ order: 'commit', generation: number })
      front.isMember = true
      front.hasServed = true
      void setTimeout(SETTLED_AFTER, undefined, { ref: false }).then(() => this.#settled(front))
    } catch (err) {
      if (!this.#isClosing)
        this.#log.error({ err }, 'a front cannot be replaced; it is tried again')
      front.kill()
    }
  }

  #settled(front: FrontProcess): void {
    if (this.#fronts.has(front)) this.#failures = 0
  }
}

function lendAll(
  front: FrontProcess,
  generation: number,
  listeners: readonly HeldListener[],
): void {
  for (const { number, _handle } of listeners) front.lend(number, _handle)
  front.send({ order: 'serve', generation, handles: listeners.map(({ number }) => number) })
}
