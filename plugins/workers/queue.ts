import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlink,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { type Job, keepBody } from './job.ts'
import {
  BLOCK_SIZE,
  BODY,
  ENVIRON_IN_BLOCK,
  KIND,
  SLOT_HEADER,
  SLOT_ROOM,
  SLOT_SIZE,
  writeSlotHeader,
} from './slot.ts'
import { writeAll } from './write-all.ts'

/** The most slots under way at a time; the pipe has room for as many (1 MiB), so no write ever waits. */
export const MAX_DEPTH = 192
/** Slots for control, besides: stop, wake, mark. */
const SPARE = 48
/** Milliseconds until a full pipe is tried again. */
const RETRY_AFTER = 1
const INDEX_BITS = 8
const INDEX_MASK = 0xff
const LAST_TURN = 0xff_ffff
const CONTROL = {
  flags: 0,
  body: BODY.none,
  environLength: 0,
  block: 0,
  bodyLength: 0,
  headTime: 0,
  bodyMicroseconds: 0,
}

/**
 * The writing end of the pipe that all workers read. Slots are gathered during one turn of the event loop and go out
 * in one system call at its end.
 */
export class Queue {
  readonly #front: number
  readonly #directory: string
  #fd = -1
  readonly #bodies: number
  /** Each front has blocks of its own: those of a dead one may still be read. */
  readonly #firstBlock: number
  readonly #stage = Buffer.alloc((2 * MAX_DEPTH + SPARE) * SLOT_SIZE)
  readonly #headers = new DataView(this.#stage.buffer, this.#stage.byteOffset, this.#stage.length)
  #staged = 0
  #scheduled = false
  /** Job by index; the low bits of a request's id are its index, the others tell apart who had it in turn. */
  readonly #jobs: (Job | undefined)[] = new Array(MAX_DEPTH).fill(undefined)
  readonly #free = Array.from({ length: MAX_DEPTH }, (_, index) => MAX_DEPTH - 1 - index)
  readonly #turns = new Uint32Array(MAX_DEPTH)

  constructor(directory: string, front: number) {
    this.#directory = directory
    this.#front = front
    this.#firstBlock = front * MAX_DEPTH
    this.#bodies = openSync(join(directory, 'bodies'), constants.O_RDWR | constants.O_CREAT, 0o600)
  }

  /** Opens the pipe, once it exists. For reading too: so it has a reader from the start, and never ends. */
  open(): void {
    this.#fd = openSync(join(this.#directory, 'queue'), constants.O_RDWR | constants.O_NONBLOCK)
  }

  /** Jobs that are dispatched and not settled. */
  get depth(): number {
    return MAX_DEPTH - this.#free.length
  }

  /** Ids of the jobs under way. */
  *underWay(): Iterable<number> {
    for (const job of this.#jobs) if (job) yield job.id
  }

  /** Puts a job into the pipe. There must be room: `depth` below MAX_DEPTH. @returns false where it failed instead. */
  push(job: Job): boolean {
    const index = this.#free.pop() as number
    const turn = ((this.#turns[index] as number) % LAST_TURN) + 1 // never 0, so no id is
    this.#turns[index] = turn
    job.id = ((turn << INDEX_BITS) | index) >>> 0
    this.#jobs[index] = job
    try {
      this.#encode(job, index)
    } catch (error) {
      this.settle(job.id) // a full disk, most often
      job.fail('storage', error as Error)
      return false
    }
    this.#schedule()
    return true
  }

  find(id: number): Job | undefined {
    const job = this.#jobs[id & INDEX_MASK]
    return job?.id === id ? job : undefined
  }

  /** Takes a job off the books: its answer is here, or nobody will give one. */
  settle(id: number): Job | undefined {
    const job = this.find(id)
    if (!job) return undefined
    if (job.body.kind === 'file') this.#removeFile(id)
    return this.#release(job)
  }

  /** Takes a job off the books that is to be pushed once more. @returns undefined where its body is gone. */
  reclaim(id: number): Job | undefined {
    const job = this.find(id)
    if (!job) return undefined
    if (job.body.kind === 'file' && !this.#bringBack(id, job.body.path)) return undefined
    if (job.body.kind === 'placed' && !this.#readBack(job, job.body)) return undefined
    return this.#release(job)
  }

  #release(job: Job): Job {
    const index = job.id & INDEX_MASK
    this.#jobs[index] = undefined
    this.#free.push(index)
    job.id = 0
    return job
  }

  /** A worker removes the file when it opens it. */
  #bringBack(id: number, path: string): boolean {
    try {
      renameSync(this.#file(id), path)
    } catch {
      rmSync(this.#file(id), { force: true })
    }
    return existsSync(path)
  }

  /** The block is the job's own until it is released. */
  #readBack(job: Job, { position, length }: { position: number; length: number }): boolean {
    const bytes = Buffer.allocUnsafe(length)
    try {
      if (readSync(this.#bodies, bytes, 0, length, position) !== length) return false
    } catch {
      return false // the disk has failed
    }
    job.body = { kind: 'memory', bytes }
    return true
  }

  /** Writes `count` control slots at once. @returns how many; there may be no room for all. */
  control(kind: number, count: number, id = 0): number {
    const possible = Math.max(0, Math.min(count, MAX_DEPTH + SPARE - this.#staged))
    for (let left = possible; left > 0; left--) {
      writeSlotHeader(this.#headers, this.#staged * SLOT_SIZE, {
        ...CONTROL,
        kind,
        id,
        front: this.#front,
      })
      this.#staged++
    }
    this.flush()
    return possible
  }

  /** Writes what is staged now. What the pipe has no room for, which control slots can bring about, is tried again. */
  readonly flush = (): void => {
    this.#scheduled = false
    if (this.#fd < 0) return
    const length = this.#staged * SLOT_SIZE
    const written = length === 0 ? 0 : this.#write(length)
    this.#staged = (length - written) / SLOT_SIZE
    if (this.#staged === 0) return
    this.#stage.copyWithin(0, written, length)
    this.#scheduled = true
    setTimeout(this.flush, RETRY_AFTER)
  }

  /** Pipes take whole pages, so a part that was written ends at a slot's end. */
  #write(length: number): number {
    try {
      return writeSync(this.#fd, this.#stage, 0, length)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0
      throw error
    }
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd)
    this.#fd = -1 // by now the number may be another file's
    closeSync(this.#bodies)
  }

  #schedule(): void {
    this.#staged++
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.flush)
  }

  #encode(job: Job, index: number): void {
    const at = this.#staged * SLOT_SIZE
    const { environ, body } = job
    const block = this.#firstBlock + index
    const inSlot = environ.length <= SLOT_ROOM
    if (inSlot) this.#stage.write(environ, at + SLOT_HEADER, 'latin1')
    const room = inSlot ? SLOT_ROOM - environ.length : BLOCK_SIZE - environ.length
    let kind: number = BODY.none
    if (body.kind === 'memory' || body.kind === 'lent')
      kind = this.#placeBytes(job, body.bytes, inSlot, room, at, block)
    else if (body.kind === 'file') kind = this.#placeFile(body.path, job.id)
    else if (body.kind === 'onDemand') kind = BODY.onDemand
    if (!inSlot && kind !== BODY.inline)
      writeAll(this.#bodies, Buffer.from(environ, 'latin1'), block * BLOCK_SIZE)
    writeSlotHeader(this.#headers, at, {
      kind: KIND.request,
      flags: inSlot ? 0 : ENVIRON_IN_BLOCK,
      body: kind,
      front: this.#front,
      id: job.id,
      environLength: environ.length,
      block,
      bodyLength: bodyLength(job),
      headTime: job.headTime,
      bodyMicroseconds: job.bodyMicroseconds,
    })
  }

  /** Where a body in memory goes: behind the environ if it fits there, else into the block, else into a file. */
  #placeBytes(
    job: Job,
    bytes: Buffer,
    inSlot: boolean,
    room: number,
    at: number,
    block: number,
  ): number {
    const { environ } = job
    const { length } = bytes
    if (inSlot && length <= room) {
      bytes.copy(this.#stage, at + SLOT_HEADER + environ.length)
      job.body = keepBody(job.body)
      return BODY.inline
    }
    const start = block * BLOCK_SIZE
    const position = inSlot ? start : start + environ.length
    if (!inSlot) writeAll(this.#bodies, Buffer.from(environ, 'latin1'), start)
    writeAll(this.#bodies, bytes, position)
    job.body = { kind: 'placed', position, length }
    return inSlot ? BODY.block : BODY.inline
  }

  #placeFile(path: string, id: number): number {
    try {
      renameSync(path, this.#file(id))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error
      symlinkSync(path, this.#file(id)) // it lies on another disk, and stays there until its request is over
    }
    return BODY.file
  }

  #file(id: number): string {
    return join(this.#directory, `body-${this.#front}-${id}`)
  }

  /** The worker has removed it when it opened it; if it died before, it is still here. */
  #removeFile(id: number): void {
    unlink(this.#file(id), () => {})
  }
}

function bodyLength({ body }: Job): number | undefined {
  if (body.kind === 'memory' || body.kind === 'lent') return body.bytes.length
  return body.kind === 'none' ? 0 : body.length
}
