import type { Application } from '../javascript/application.ts'
import { type AnswerPipes, isDead } from './answer-pipes.ts'
import { type Board, STATE } from './board.ts'
import { emit, log } from './control.ts'
import { Lane, type Shared } from './lane.ts'
import { EXIT, encodeFrame, FRAME, KIND, type WorkerConfig } from './protocol.ts'
import { Queue } from './queue.ts'
import type { ModuleFiles } from './watch-files.ts'

/** Milliseconds between two looks for clients that have left. */
const LOOK_EVERY = 250
/** Milliseconds between two looks at the memory in use. */
const WEIGH_EVERY = 1000

interface Parts {
  readonly config: WorkerConfig
  readonly worker: number
  readonly board: Board
  readonly pipes: AnswerPipes
  readonly bodies: number
  readonly app: Application
  readonly files: ModuleFiles | undefined
}

/** Serves until the process leaves or the front is gone. */
export class WorkerLife {
  readonly #parts: Parts
  readonly #lanes: Lane[]
  readonly #free: Lane[]
  readonly #queue: Queue
  readonly #limit: number
  #memoryLimit: number
  #weighAt = 0
  #count = 0
  #leaving = false

  constructor(parts: Parts) {
    const { config, worker, board, pipes, bodies, app } = parts
    const { directory, threads } = config
    this.#parts = parts
    this.#limit = drawLimit(config)
    this.#memoryLimit = config.max_worker_memory
    const shared: Shared = {
      directory,
      bodies,
      pipes,
      board,
      app,
      base: {
        software: config.environ.SERVER_SOFTWARE ?? '',
        generation: config.generation,
        multithread: threads > 1,
        multiprocess: config.workers > 1,
      },
      showsErrors: config.report_files,
      finished: (lane) => this.#finished(lane),
      lost: (front, lane) => void this.#lost(front, lane),
    }
    const entry = worker * threads
    this.#lanes = Array.from({ length: threads }, (_, at) => new Lane(at, entry + at, shared))
    this.#free = [...this.#lanes]
    this.#queue = new Queue(
      `${directory}/queue`,
      (slot) => this.#take(slot),
      () => this.leave('signal'),
    )
  }

  serve(): void {
    this.#checkMemoryLimit()
    this.#queue.resume()
    // it also keeps the process, while an app waits for what Node does not count
    setInterval(() => {
      for (const lane of this.#lanes) if (lane.busy) lane.look()
    }, LOOK_EVERY)
  }

  /** Takes nothing more; ends when what is executed has its answer. Told to the front once. */
  leave(reason: 'signal' | 'stop'): void {
    if (this.#leaving) return
    this.#leaving = true
    const { board, config, worker } = this.#parts
    board.setState(config.threads, STATE.leaving)
    emit('leaving', { worker, pid: process.pid, reason })
    this.#queue.close()
    this.#endIfIdle()
  }

  /** @returns whether there is room for another request. */
  #take(slot: Buffer): boolean {
    const [kind] = slot
    if (kind === KIND.request) (this.#free.pop() as Lane).execute(slot)
    else this.#obey(kind as number, slot)
    return !this.#leaving && this.#free.length > 0
  }

  #obey(kind: number, slot: Buffer): void {
    const front = slot[3] as number
    if (kind === KIND.stop) this.leave('stop')
    else if (kind === KIND.mark) {
      const entry = this.#parts.worker * this.#parts.config.threads
      const frame = encodeFrame({ type: FRAME.mark, request: slot.readUInt32LE(4) }, entry)
      this.#parts.pipes.write(front, frame)
    } else if (kind !== KIND.wake) throw new Error(`a slot of kind ${kind}`)
  }

  #finished(lane: Lane): void {
    this.#free.push(lane)
    const { worker, files } = this.#parts
    if (++this.#count === this.#limit) {
      emit('leaving', { worker, pid: process.pid, reason: 'max_requests' })
    }
    if (this.#memoryLimit > 0 && performance.now() >= this.#weighAt) this.#weigh()
    files?.report()
    if (this.#leaving) this.#endIfIdle()
    else this.#queue.resume()
  }

  #endIfIdle(): void {
    if (this.#free.length < this.#lanes.length) return
    const closed = Promise.all(this.#lanes.map((lane) => lane.close()))
    void closed.finally(() => process.exit(EXIT.ok))
  }

  /** A memory limit below what the loaded app takes would replace each worker after its first request. */
  #checkMemoryLimit(): void {
    const size = process.memoryUsage.rss()
    if (this.#memoryLimit === 0 || size <= this.#memoryLimit) return
    this.#memoryLimit = 0
    const text = `--max-worker-memory is below the ${size >> 20}M of a worker that has just started`
    log('error', `${text}; it is not heeded`)
  }

  /** Wishes to be replaced, once, when the process has grown past its limit. */
  #weigh(): void {
    this.#weighAt = performance.now() + WEIGH_EVERY
    const size = process.memoryUsage.rss()
    if (size <= this.#memoryLimit) return
    this.#memoryLimit = 0
    const { worker } = this.#parts
    emit('leaving', { worker, pid: process.pid, reason: 'max_memory', size })
  }

  /** A connection to a front has ended: with the front, or by a fault of ours. */
  async #lost(front: number, lane: Lane): Promise<void> {
    if (this.#leaving) return
    lane.drop(front)
    if (!(await isDead(this.#parts.config.directory, front))) this.leave('signal')
  }
}

/** max_requests with this worker's own jitter, so that workers do not all leave together; 0 is none. */
function drawLimit({ max_requests: limit, max_requests_jitter: jitter }: WorkerConfig): number {
  return limit === 0 ? 0 : limit + Math.floor(Math.random() * (jitter + 1))
}
