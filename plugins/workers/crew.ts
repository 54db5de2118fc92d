import { WorkerHandle } from './worker-handle.ts'

/** The workers of a pool. */
export class Crew {
  readonly #workers = new Set<WorkerHandle>()

  /** A worker with the lowest number that is free. */
  add(): WorkerHandle {
    const taken = new Set(this.all.map((worker) => worker.number))
    let number = 0
    while (taken.has(number)) number++
    const handle = new WorkerHandle(number)
    this.#workers.add(handle)
    return handle
  }

  remove(worker: WorkerHandle): void {
    worker.state = 'dead'
    this.#workers.delete(worker)
  }

  /** As they are now: who goes through it may add and remove. */
  get all(): WorkerHandle[] {
    return [...this.#workers]
  }

  get size(): number {
    return this.#workers.size
  }

  /** Workers that read the queue. */
  get serving(): number {
    return this.all.filter((worker) => worker.takesWork).length
  }

  /** Workers that are to be here in a while: those that leave are not, those whose place is still to be taken are. */
  get staying(): WorkerHandle[] {
    return this.all.filter(
      ({ state, replacement }) => state !== 'leaving' || replacement?.state === 'dead',
    )
  }

  /** Whether anybody is leaving for good, and perhaps waits in a read. */
  get hasLeaving(): boolean {
    return this.all.some(({ state, replacement }) => state === 'leaving' && !replacement)
  }

  byNumber(number: number): WorkerHandle | undefined {
    return this.all.find((worker) => worker.number === number)
  }

  byPid(pid: number): WorkerHandle | undefined {
    return this.all.find((worker) => worker.pid === pid)
  }
}
