import { type OnReadOpts, Socket } from 'node:net'
import { AnswerMemory } from './answer-memory.ts'
import { AnswerPages } from './answer-pages.ts'
import {
  ASKS_FREED,
  BODY_GONE,
  BODY_LAST,
  encodeFrame,
  FAILED,
  FRAME,
  FRAME_HEADER,
  TAKEN_REFUSED,
} from './frames.ts'
import type { HandedFile, Job, Source } from './job.ts'
import { READ_SIZE, ReadBuffers } from './read-buffers.ts'
import { openDescriptor } from './worker-descriptor.ts'

/** What a link needs to know of the jobs under way. */
export interface Jobs {
  find(id: number): Job | undefined
  /** `flags`: of the frame that ends the answer. */
  settle(id: number, flags?: number): Job | undefined
  /** The first part of its answer is here. */
  begun(id: number): void
  /** Something has come that no worker writes. */
  garbled(): void
}

/** The largest head or control payload that is gathered before it is read. DATA passes through in pieces. */
const GATHER_LIMIT = READ_SIZE - FRAME_HEADER
/** Sizes of the payloads that are numbers. */
const PAYLOADS = new Map<number, number>([
  [FRAME.end, 0],
  [FRAME.abort, 0],
  [FRAME.file, 24],
  [FRAME.pull, 4],
  [FRAME.hello, 8],
  [FRAME.memory, 8],
  [FRAME.stored, 16],
  [FRAME.pipe, 8],
  [FRAME.splice, 8],
  [FRAME.spliced, 8],
])
/** The most that is put together. */
const JOIN_LIMIT = 65_536

/** The socket of one worker thread, and its pipe: big and streamed answers, files, bodies on demand. */
export class WorkerLink implements Source {
  readonly #socket: Socket
  /** Where its frames come from: the socket, or the pipe. */
  #input: Socket
  readonly #onread: OnReadOpts
  readonly #closed: (link: WorkerLink) => void
  readonly #jobs: Jobs
  readonly #buffers = new ReadBuffers()
  /** Bytes of a frame that is not complete yet, at the start of the buffer. */
  #kept = 0
  /** Bytes of the current DATA (or RESPONSE body) that are still to come, and whom they belong to. */
  #streaming = 0
  #job: Job | undefined
  /** Id of the request whose answer the current bytes end, else 0. */
  #ends = 0
  #endFlags = 0
  /** Who was given bytes of the current read. */
  readonly #given: Job[] = []
  #memory: AnswerMemory | undefined
  #pages: AnswerPages | undefined

  constructor(accepted: Socket, jobs: Jobs, closed: (link: WorkerLink) => void) {
    this.#jobs = jobs
    this.#closed = closed
    this.#onread = {
      buffer: () => this.#room(),
      callback: (length) => {
        this.#read(this.#buffers.next.subarray(0, this.#kept + length))
        return true
      },
    }
    this.#socket = reread(accepted, this.#onread)
    this.#input = this.#socket
    this.#listen(this.#socket)
  }

  /** What has come over it is not read before its job has room. */
  get isPaused(): boolean {
    return this.#input.isPaused()
  }

  pause(): void {
    this.#input.pause()
  }

  resume(): void {
    this.#input.resume()
  }

  close(): void {
    this.#input.destroy()
  }

  #listen(input: Socket): void {
    input.on('error', () => {}) // its worker is gone: the supervisor hears of it from the spawner
    input.on('close', () => this.#ended(input))
    input.resume()
  }

  #ended(input: Socket): void {
    if (input !== this.#input) return // what the worker wrote before its end still lies in the pipe
    this.#socket.destroy()
    this.#memory?.close()
    this.#pages?.close()
    this.#closed(this)
  }

  /** Where the next read goes: behind what is kept. */
  #room(): Buffer {
    return this.#buffers.next.subarray(this.#kept)
  }

  #read(read: Buffer): void {
    let bytes = read
    let corked: Job | undefined
    while (bytes.length > 0 && !this.#input.destroyed) {
      const used = this.#streaming > 0 ? this.#pass(bytes) : this.#frame(bytes)
      if (used === 0) break
      bytes = bytes.subarray(used)
      if (corked || !this.#job || bytes.length === 0) continue
      corked = this.#job // several pieces came at once: they leave at once
      corked.cork()
    }
    corked?.uncork()
    this.#keep(bytes)
  }

  /** Puts what is left of a read in front of the next one. */
  #keep(left: Buffer): void {
    const lent = this.#given.length > 0 && this.#buffers.lend(this.#given)
    this.#given.length = 0
    this.#kept = left.length
    if (left.length === 0) return
    const next = this.#buffers.next
    if (lent) left.copy(next)
    else
      next.copyWithin(
        0,
        left.byteOffset - next.byteOffset,
        left.byteOffset - next.byteOffset + left.length,
      )
  }

  #give(job: Job | undefined): void {
    if (job && this.#given.at(-1) !== job) this.#given.push(job)
  }

  /** Passes body bytes on as they come. */
  #pass(bytes: Buffer): number {
    const piece = bytes.length > this.#streaming ? bytes.subarray(0, this.#streaming) : bytes
    this.#streaming -= piece.length
    this.#give(this.#job)
    if (this.#job?.data(piece, this) === false) this.pause()
    if (this.#streaming === 0 && this.#ends !== 0)
      this.#jobs.settle(this.#ends, this.#endFlags)?.end()
    return piece.length
  }

  /** @returns the bytes used; 0 where the frame is not complete yet. */
  #frame(bytes: Buffer): number {
    if (bytes.length < FRAME_HEADER) return 0
    const length = bytes.readUInt32LE(0)
    const id = bytes.readUInt32LE(4)
    const type = bytes[8] as number
    const headLength = bytes.readUInt32LE(12)
    if (!isAllowed(type, length, headLength)) return this.#refuse()
    const gathered = type === FRAME.data ? 0 : type <= FRAME.head ? headLength : length
    const start = FRAME_HEADER + gathered
    if (bytes.length < start) return 0
    if (type === FRAME.data) return this.#data(bytes, id, length)
    if (type === FRAME.head) this.#head(this.#jobs.find(id), bytes, start, length)
    else if (type === FRAME.response) this.#response(id, bytes, start, length)
    else this.#control(type, id, bytes.subarray(FRAME_HEADER, start), bytes[9] as number)
    return start
  }

  /** Small pieces of one answer that came together are put together: they go on as one. */
  #data(bytes: Buffer, id: number, length: number): number {
    const job = this.#jobs.find(id)
    let read = FRAME_HEADER + length
    let end = read
    while (end <= JOIN_LIMIT && isData(bytes, read, id)) {
      const next = read + FRAME_HEADER + bytes.readUInt32LE(read)
      if (next > bytes.length) break
      bytes.copyWithin(end, read + FRAME_HEADER, next)
      end += next - read - FRAME_HEADER
      read = next
    }
    this.#stream(job, end - FRAME_HEADER)
    if (read === FRAME_HEADER + length) return FRAME_HEADER // alone, and perhaps not all here yet
    this.#pass(bytes.subarray(FRAME_HEADER, end))
    return read
  }

  /** The worker notices, and leaves. */
  #refuse(): number {
    this.#jobs.garbled()
    this.close()
    return 0
  }

  #stream(job: Job | undefined, length: number, ends = 0): void {
    this.#job = job
    this.#streaming = length
    this.#ends = ends
  }

  #head(job: Job | undefined, bytes: Buffer, start: number, length: number): void {
    if (job) this.#jobs.begun(job.id)
    job?.head(bytes.toString('latin1', FRAME_HEADER, start))
    this.#stream(job, length - (start - FRAME_HEADER))
  }

  /** A whole answer that did not fit into the FIFO; sent on while it still comes in, and under way until it is here. */
  #response(id: number, bytes: Buffer, start: number, length: number): void {
    const flags = bytes[9] as number
    const failed = (flags & FAILED) !== 0
    const end = FRAME_HEADER + length
    if (failed || bytes.length >= end) {
      const job = this.#jobs.settle(id, flags)
      const bodyEnd = Math.min(bytes.length, end)
      this.#give(job)
      job?.whole(bytes.toString('latin1', FRAME_HEADER, start), bytes, start, bodyEnd, failed)
      this.#stream(undefined, end - start) // passed over
      return
    }
    this.#head(this.#jobs.find(id), bytes, start, length)
    this.#ends = id
    this.#endFlags = flags
  }

  #control(type: number, id: number, payload: Buffer, flags: number): void {
    if (type === FRAME.end) this.#jobs.settle(id, flags)?.end()
    else if (type === FRAME.abort) this.#jobs.settle(id)?.abort()
    else if (type === FRAME.information)
      this.#jobs.find(id)?.information(payload.toString('latin1'))
    else if (type === FRAME.file) void this.#file(id, payload)
    else if (type === FRAME.pull) void this.#pull(id, payload.readUInt32LE(0))
    else if (type === FRAME.stored) this.#stored(id, payload)
    else if (type === FRAME.spliced) this.#spliced(id, payload, flags)
    else if (type === FRAME.memory) this.#offeredMemory(payload)
    else if (type === FRAME.splice) this.#offeredPages(payload)
    else if (type === FRAME.pipe) this.#pipe(payload)
  }

  async #file(id: number, payload: Buffer): Promise<void> {
    const file: HandedFile = {
      pid: payload.readUInt32LE(0),
      descriptor: payload.readUInt32LE(4),
      offset: Number(payload.readBigUInt64LE(8)),
      length: Number(payload.readBigUInt64LE(16)),
    }
    const job = this.#jobs.find(id)
    const taken = job === undefined || (await job.file(file))
    if (taken) this.#jobs.settle(id)
    this.#socket.write(encodeFrame(FRAME.taken, id, taken ? 0 : TAKEN_REFUSED))
  }

  /** The worker's memory for big answers. */
  #offeredMemory(payload: Buffer): void {
    this.#memory ??= AnswerMemory.open(payload.readUInt32LE(0), payload.readUInt32LE(4))
    this.#take(this.#memory !== undefined)
  }

  /** The pipe for the pages of its big answers. */
  #offeredPages(payload: Buffer): void {
    this.#pages ??= AnswerPages.open(payload.readUInt32LE(0), payload.readUInt32LE(4))
    this.#take(this.#pages !== undefined)
  }

  /** The worker's pipe, by which its frames come from now on: that costs both sides half of what a socket does. */
  #pipe(payload: Buffer): void {
    const pipe = openPipe(payload.readUInt32LE(0), payload.readUInt32LE(4), this.#onread)
    if (pipe) {
      this.#input = pipe
      this.#listen(pipe)
    }
    this.#take(pipe !== undefined)
  }

  #take(taken: boolean): void {
    this.#socket.write(encodeFrame(FRAME.taken, 0, taken ? 0 : TAKEN_REFUSED))
  }

  /** The next bytes of an answer lie in the memory. */
  #stored(id: number, payload: Buffer): void {
    const job = this.#jobs.find(id)
    const memory = this.#memory
    const offset = Number(payload.readBigUInt64LE(0))
    const length = Number(payload.readBigUInt64LE(8))
    if (job && memory) this.#passOn(() => memory.pass(offset, length, job, this))
    this.#socket.write(encodeFrame(FRAME.freed, id, 0))
  }

  /** The next bytes of an answer are in the pipe for pages, and are read also when nobody wants them any more. */
  #spliced(id: number, payload: Buffer, flags: number): void {
    const pages = this.#pages
    const length = Number(payload.readBigUInt64LE(0))
    if (pages) this.#passOn(() => pages.pass(length, this.#jobs.find(id), this))
    if ((flags & ASKS_FREED) !== 0) this.#socket.write(encodeFrame(FRAME.freed, id, 0))
  }

  #passOn(pass: () => boolean): void {
    try {
      if (!pass()) this.pause()
    } catch {
      this.#refuse() // as for any frame that the protocol does not allow
    }
  }

  async #pull(id: number, max: number): Promise<void> {
    const job = this.#jobs.find(id)
    const answer = (await job?.pull(max)) ?? { bytes: undefined, last: true, gone: true }
    const flags = (answer.last ? BODY_LAST : 0) | (answer.gone ? BODY_GONE : 0)
    this.#socket.write(encodeFrame(FRAME.body, id, flags, answer.bytes))
  }
}

/** Whether a worker may send a frame that begins so. */
function isAllowed(type: number, length: number, headLength: number): boolean {
  if (type === FRAME.data) return true
  if (type === FRAME.information) return length <= GATHER_LIMIT
  if (type === FRAME.response || type === FRAME.head)
    return headLength <= length && headLength <= GATHER_LIMIT
  return PAYLOADS.get(type) === length
}

/** Whether a DATA frame of this answer stands at `at`, its header at least. */
const isData = (bytes: Buffer, at: number, id: number) =>
  at + FRAME_HEADER <= bytes.length &&
  bytes[at + 8] === FRAME.data &&
  bytes.readUInt32LE(at + 4) === id

/** The same connection, read into one buffer again and again: node:net offers that for sockets that connect only. */
function reread(accepted: Socket, onread: OnReadOpts): Socket {
  const source = accepted as unknown as { _handle: unknown }
  const handle = source._handle
  source._handle = null
  return new Socket({ handle, onread } as ConstructorParameters<typeof Socket>[0])
}

/** The reading end. @returns undefined where that process's descriptors are not for us. */
function openPipe(pid: number, descriptor: number, onread: OnReadOpts): Socket | undefined {
  const fd = openDescriptor(pid, descriptor)
  if (fd === undefined) return undefined // the worker then goes on with the socket
  const options = { fd, readable: true, writable: false, onread }
  return new Socket(options as ConstructorParameters<typeof Socket>[0])
}
