import { createServer, type Server } from 'node:net'
import type { Logger } from 'pino'
import { Answers } from './answers.ts'
import { PACE_SHIFT } from './frames.ts'
import type { Front, Told } from './front.ts'
import { type Failure, type Job, keepBody } from './job.ts'
import { WorkerLink } from './link.ts'
import { Pace } from './pace.ts'
import { MAX_DEPTH, Queue } from './queue.ts'
import type { Folder } from './runtime-directory.ts'
import { type Executing, Scoreboard } from './scoreboard.ts'
import { KIND } from './slot.ts'
import { WaitingLine } from './waiting-line.ts'

/** Slots beyond those that workers execute: one that waits for each reader, and what one write batches. */
const BATCH = 16
/** How long a slot may be taken and not yet on the scoreboard before it counts as lost, in milliseconds. */
const LOST_AFTER = 1000
/** When a mark for which there was no room is tried again, in milliseconds. */
const MARK_AGAIN = 20
/** How often what need not be noticed at once is looked at, in milliseconds. */
const TICK = 250

/** What of the readers is kept free of slow requests, one at least. */
const QUICK_SHARE = 1 / 8
/** Flags of an answer that did not come in time. */
const TOO_SLOW = 25 << PACE_SHIFT

export interface DispatcherOptions {
  /** The most requests that may wait for a worker. */
  readonly limit: number
  /** Scoreboard entries, one for each worker thread there can be. */
  readonly entries: number
  /** Whether a request that can be executed once more is, when its worker dies. */
  readonly retrySafe: boolean
  /** Whether requests of slow kinds leave readers to others. */
  readonly quickLane: boolean
  /** This front's number, and how many share the queue; default 0 and 1. */
  readonly front?: number
  readonly fronts?: number
  readonly log: Pick<Logger, 'warn'>
}

/**
 * The way of requests to workers and of answers back. Only what workers will take soon stands in the pipe; the rest
 * waits here, where it can be dropped when its client leaves, counted and refused.
 */
export class Dispatcher implements Front {
  readonly #directory: Folder
  readonly #front: number
  readonly #fronts: number
  readonly #queue: Queue
  #answers: Answers | undefined
  readonly #scoreboard: Scoreboard
  readonly #server: Server
  readonly #links = new Set<WorkerLink>()
  readonly #limit: number
  readonly #log: Pick<Logger, 'warn'>
  readonly #retrySafe: boolean
  readonly #quickLane: boolean
  /** Since the queue was found full. */
  #refused = 0
  #timer: NodeJS.Timeout | undefined
  readonly #line = new WaitingLine()
  readonly #pace = new Pace()
  /** Of slow kinds, in the pipe or executed: so many, and so many that may be. */
  #slow = 0
  #slowLimit = 0
  #readers = 0
  #depth: number
  /** Of those under way: whose answer has begun, and whose client left before a worker began. */
  readonly #begun = new Set<number>()
  readonly #left = new Set<number>()
  #marks = new Map<number, () => void>()
  #lastMark = 0
  #closed = false

  constructor(directory: Folder, options: DispatcherOptions) {
    const { entries, retrySafe, quickLane, log, front = 0, fronts = 1 } = options
    const limit = Math.ceil(options.limit / fronts)
    this.#front = front
    this.#fronts = fronts
    this.#limit = limit
    this.#retrySafe = retrySafe
    this.#quickLane = quickLane
    this.#log = log
    this.#depth = Math.min(BATCH, limit)
    this.#directory = directory
    this.#queue = new Queue(directory.path, front)
    this.#scoreboard = new Scoreboard(directory.file('scoreboard'), entries, front === 0)
    const jobs = {
      find: (id: number) => this.#queue.find(id),
      settle: (id: number, flags?: number) => this.#settle(id, flags),
      begun: (id: number) => this.#begun.add(id),
      garbled: () => this.#garbled(),
    }
    const closed = (link: WorkerLink) => this.#links.delete(link)
    this.#server = createServer({ pauseOnConnect: true }, (socket) => {
      this.#links.add(new WorkerLink(socket, jobs, closed))
    })
    // no descriptor left, or no room for the file: what needs no link goes on
    this.#server.on('error', (err) => log.warn({ err }, 'workers cannot connect to the front'))
    this.#server.listen(directory.file(`front-${front}.sock`))
  }

  /** The spawner has made the FIFOs. Until then everything waits. */
  open(): void {
    if (this.#answers) return // a spawner that replaces another finds them open
    this.#queue.open()
    this.#answers = new Answers(this.#directory.file(`answers-${this.#front}`), {
      find: (id) => this.#queue.find(id),
      settle: (id, flags) => this.#settle(id, flags),
      marked: (id) => this.#marked(id),
      garbled: () => this.#garbled(),
    })
    this.#timer = setInterval(() => this.#tick(), TICK)
    this.#fill()
  }

  get scoreboard(): Scoreboard {
    return this.#scoreboard
  }

  /** Requests that wait here; those in the pipe not counted. */
  get waiting(): number {
    return this.#line.length
  }

  get underWay(): number {
    return this.#queue.depth
  }

  /** How many worker threads read the pipe. */
  set readers(count: number) {
    this.#readers = count
    const share = Math.floor(MAX_DEPTH / this.#fronts)
    this.#depth = Math.min(count * 2 + BATCH, count + this.#limit, share)
    this.#slowLimit = count < 2 ? count : count - Math.max(1, Math.floor(count * QUICK_SHARE))
    this.#fill()
  }

  get readers(): number {
    return this.#readers
  }

  /** Hands a job to whichever worker is idle first. What it is lent is needed no more when this returns. */
  dispatch(job: Job): void {
    this.#judge(job)
    if (this.#closed) job.fail('stopping')
    else if (!this.#line.hasQuick && this.#hasRoom && this.#mayGo(job)) this.#push(job)
    else if (this.isFull) this.#refuse(job)
    else this.#wait(job)
  }

  /** The client has left: a waiting job is dropped, the worker of one under way is told. */
  cancel(job: Job): void {
    if (job.id === 0) return this.#line.remove(job)
    const found = this.#executing().find(({ id }) => id === job.id)
    if (found) this.#scoreboard.markGone(found)
    else this.#left.add(job.id) // it stands in the pipe
  }

  /** Tells the workers that have begun, in the meantime, what nobody waits for. */
  tellLeft(): void {
    if (this.#left.size === 0) return
    for (const request of this.#executing()) {
      if (this.#left.delete(request.id)) this.#scoreboard.markGone(request)
    }
  }

  /** Takes the job that a scoreboard entry names off the books and fails it. */
  fail(id: number, failure: Failure, told?: Told): void {
    if (failure === 'died' && this.#retrySafe && this.#repeat(id)) return told?.(false)
    const job = this.#settle(id, failure === 'timeout' ? TOO_SLOW : 0)
    job?.fail(failure)
    told?.(job !== undefined, job && { method: job.method, url: job.url })
  }

  /** After a worker's death: what it took from the pipe and had not begun would be waited for in vain. */
  searchLost(): void {
    const suspects = [...this.#queue.underWay()]
    this.#mark(() => this.#reviewLost(suspects))
  }

  /** Writes `count` slots of a control kind. */
  control(kind: number, count: number): void {
    if (this.#answers) this.#queue.control(kind, count)
  }

  /** A slot for each reader, as far as the pipe has room for so many; `taken` is called when they have been read. */
  wakeAll(kind: number, taken: () => void): void {
    this.control(kind, Math.min(this.#readers, MAX_DEPTH))
    this.#mark(taken)
  }

  /** Fails everything that waits or is under way, and closes all ends. */
  close(): void {
    this.#closed = true
    clearInterval(this.#timer)
    for (const job of this.#line.clear()) job.fail('stopping')
    for (const id of [...this.#queue.underWay()]) this.fail(id, 'stopping')
    for (const link of this.#links) link.close()
    this.#server.close()
    this.#answers?.close()
    this.#queue.close()
    this.#scoreboard.close()
  }

  /** As many wait, here and in the pipe, as may. */
  get isFull(): boolean {
    return this.waiting + this.#queue.depth >= this.#readers + this.#limit
  }

  #wait(job: Job): void {
    job.body = keepBody(job.body)
    this.#line.push(job)
  }

  #refuse(job: Job): void {
    const limit = this.#limit
    if (this.#refused++ === 0) {
      this.#log.warn({ limit }, 'the queue is full; more is refused with 503')
    }
    job.fail('overloaded')
  }

  #garbled(): void {
    this.#log.warn('the application wrote to a descriptor of its worker; what it wrote is dropped')
  }

  #tick(): void {
    this.tellLeft()
    if (this.#refused === 0 || this.isFull) return
    this.#log.warn({ refused: this.#refused }, 'the queue has room again')
    this.#refused = 0
  }

  get #hasRoom(): boolean {
    return this.#queue.depth < this.#depth && this.#answers !== undefined
  }

  #executing(): Executing[] {
    const all = this.#scoreboard.executing(Number.MAX_SAFE_INTEGER)
    return all.filter(({ front }) => front === this.#front)
  }

  /** With one reader there is nothing to choose. */
  #judge(job: Job): void {
    if (!this.#quickLane || this.#readers < 2) return
    job.kind ??= this.#pace.kindOf(job.url)
    job.isSlow = this.#pace.isSlow(job.kind)
  }

  #mayGo(job: Job): boolean {
    return !job.isSlow || (this.#slow < this.#slowLimit && !this.#line.hasSlow)
  }

  #push(job: Job): void {
    if (this.#queue.push(job) && job.isSlow) this.#slow++
  }

  /** `flags` are those of the frame that ends the answer. */
  #settle(id: number, flags = 0): Job | undefined {
    const job = this.#queue.settle(id)
    if (job) this.#settled(job, flags >> PACE_SHIFT)
    if (this.#begun.size > 0) this.#begun.delete(id)
    if (this.#left.size > 0) this.#left.delete(id)
    if (this.#line.length > 0) this.#fill()
    return job
  }

  #settled(job: Job, exponent: number): void {
    if (job.isSlow) this.#slow--
    if (job.kind && exponent > 0) this.#pace.learn(job.kind, exponent)
  }

  #reclaim(id: number): Job | undefined {
    const job = this.#queue.reclaim(id)
    if (job) this.#settled(job, 0)
    return job
  }

  #fill(): void {
    while (this.#hasRoom) {
      const job = this.#line.shift(this.#slow < this.#slowLimit)
      if (!job) return
      this.#push(job)
    }
  }

  /** `taken` is called when all slots written so far have been taken by some worker. */
  #mark(taken: () => void): void {
    this.#lastMark++
    this.#marks.set(this.#lastMark, taken)
    this.#sendMark(this.#lastMark)
  }

  #sendMark(mark: number): void {
    if (!this.#answers || this.#closed || this.#queue.control(KIND.mark, 1, mark) === 1) return
    setTimeout(() => this.#sendMark(mark), MARK_AGAIN).unref()
  }

  #marked(mark: number): void {
    const taken = this.#marks.get(mark)
    this.#marks.delete(mark)
    taken?.()
  }

  /** Slots that were taken and show on no scoreboard entry, now or a moment later, went with the dead. */
  #reviewLost(suspects: readonly number[]): void {
    const seen = new Set(this.#executing().map(({ id }) => id))
    const review = () => {
      if (this.#closed) return
      for (const { id } of this.#executing()) seen.add(id)
      if (this.#hasUnread)
        wait() // an answer may lie there
      else for (const id of suspects) if (!seen.has(id)) this.#again(id)
    }
    // after a turn in which what has come was read: the event loop may have been busy all the time
    const wait = () => setTimeout(() => setImmediate(review), LOST_AFTER).unref()
    wait()
  }

  /** Some worker's answers wait until a client that does not keep up has room. */
  get #hasUnread(): boolean {
    for (const link of this.#links) if (link.isPaused) return true
    return false
  }

  /** The app never saw this request, so it can safely be given to another worker. */
  #again(id: number): void {
    if (this.#begun.has(id)) return // its worker is done with it; the rest of its answer is on the way
    const isWanted = !this.#left.has(id)
    const job = this.#reclaim(id)
    if (!job) return this.fail(id, 'died')
    this.#left.delete(id)
    if (isWanted) this.#dispatchFirst(job)
  }

  /** Its worker died while it executed this request, which may be executed once more. @returns whether it will be. */
  #repeat(id: number): boolean {
    const job = this.#queue.find(id)
    if (!job?.isRepeatable || job.wasRepeated || this.#begun.has(id)) return false
    if (!this.#reclaim(id)) return false
    this.#log.warn({ request: id }, 'a request whose worker died is given to another')
    job.wasRepeated = true
    this.#dispatchFirst(job)
    return true
  }

  /** It has waited before: it goes ahead of all that wait. */
  #dispatchFirst(job: Job): void {
    if (this.#closed) return job.fail('stopping')
    this.#line.pushFirst(job)
    this.#fill()
  }
}
