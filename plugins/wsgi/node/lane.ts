import { createReadStream, openSync, type ReadStream, readSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { Answer, BrokenAnswer, type Outlet } from '../javascript/answer.ts'
import type { Application, Environ, Input } from '../javascript/application.ts'
import { type Base, createEnviron } from '../javascript/environ.ts'
import type { Head } from '../javascript/head.ts'
import { ComingInput, MemoryInput, streamInput } from '../javascript/input.ts'
import type { AnswerPipes } from './answer-pipes.ts'
import type { Board } from './board.ts'
import { log, stackOf } from './control.ts'
import { Link } from './link.ts'
import {
  ATOMIC_LIMIT,
  BLOCK_SIZE,
  BODY,
  ENVIRON_IN_BLOCK,
  FAILED,
  FRAME,
  FRAME_HEAD,
  paceFlags,
  SLOT_HEAD,
  writeFrameHead,
} from './protocol.ts'

/** A stream's frames are small enough that a client's leaving is noticed soon. */
const DATA_LIMIT = 1 << 20
const TRACE_LIMIT = 16_384
const FAILED_HEAD = '500 Internal Server Error'
const MONOTONIC = Number(process.hrtime.bigint()) / 1e6 - performance.now()

/** What all lanes of a worker share. */
export interface Shared {
  readonly directory: string
  /** The `bodies` file. */
  readonly bodies: number
  readonly pipes: AnswerPipes
  readonly board: Board
  readonly app: Application
  readonly base: Base
  /** While the app is developed: whoever made the request is shown its error. */
  readonly showsErrors: boolean
  /** A lane has ended its request. */
  finished(lane: Lane): void
  /** A front's connection has ended. */
  lost(front: number, lane: Lane): void
}

/** One request at a time: its environ, its answer. A worker has `threads` of them. */
export class Lane implements Outlet {
  readonly number: number
  readonly #entry: number
  readonly #shared: Shared
  readonly #links = new Map<number, Link>()
  readonly #small = Buffer.allocUnsafeSlow(ATOMIC_LIMIT)
  #answer: Answer | undefined
  #front = 0
  #request = 0
  #began = 0
  #served = 0
  #text = ''
  #bodyFile: ReadStream | undefined
  /** This request's answer goes by the socket. */
  #link: Link | undefined

  constructor(number: number, entry: number, shared: Shared) {
    this.number = number
    this.#entry = entry
    this.#shared = shared
  }

  get busy(): boolean {
    return this.#answer !== undefined
  }

  get gone(): boolean {
    return this.#shared.board.isGone(this.number, this.#front, this.#request)
  }

  /** Executes the request of a slot, which is valid during the call only. */
  execute(slot: Buffer): void {
    const { board, app, base } = this.#shared
    const front = slot[3] as number
    const request = slot.readUInt32LE(4)
    this.#front = front
    this.#request = request
    this.#began = performance.now()
    board.begin(this.number, front, request, (this.#began + MONOTONIC) * 1e6)
    const { text, input } = this.#read(slot)
    this.#text = text
    const environ = createEnviron(text, base, input)
    this.#addTimes(environ, slot)
    this.#answer = new Answer(this, environ.REQUEST_METHOD === 'HEAD')
    this.#answer.run(app, environ)
  }

  /** Stops the app where its client has left. */
  look(): void {
    if (this.#answer && this.gone) this.#answer.cancel()
  }

  /** The front of this request is gone: nobody can be answered. */
  drop(front: number): void {
    this.#links.delete(front)
    if (front === this.#front) this.#answer?.cancel()
  }

  async close(): Promise<void> {
    await Promise.all([...this.#links.values()].map((link) => link.close()))
  }

  whole(head: Head, body: Uint8Array): void {
    const flags = this.#pace()
    const text = headText(head)
    const length = text.length + body.length
    if (this.#link || FRAME_HEAD + length > ATOMIC_LIMIT) {
      if (this.gone) return this.fail(undefined, false)
      const payload = Buffer.allocUnsafe(length)
      payload.write(text, 0, 'latin1')
      payload.set(body, text.length)
      const type = FRAME.response
      const request = this.#request
      this.#connect().send({ type, request, flags, headLength: text.length }, payload)
      return
    }
    this.#sendSmall(text, body, flags)
  }

  head(head: Head): void {
    const text = headText(head)
    const link = this.#connect()
    link.cork() // the first bytes of the body go along
    process.nextTick(() => link.uncork())
    const frame = { type: FRAME.head, request: this.#request, headLength: text.length }
    link.send(frame, Buffer.from(text, 'latin1'))
  }

  data(chunk: Uint8Array): Promise<void> | undefined {
    const link = this.#connect()
    let keepsUp = true
    for (let at = 0; at < chunk.length; at += DATA_LIMIT) {
      const piece = chunk.subarray(at, at + DATA_LIMIT)
      keepsUp = link.send({ type: FRAME.data, request: this.#request }, piece)
    }
    return keepsUp ? undefined : link.room()
  }

  end(): void {
    this.#connect().send({ type: FRAME.end, request: this.#request, flags: this.#pace() })
  }

  hints(head: Head): void {
    const text = Buffer.from(headText(head), 'latin1')
    this.#connect().send({ type: FRAME.information, request: this.#request }, text)
  }

  fail(error: Error | undefined, headSent: boolean): void {
    if (error instanceof BrokenAnswer) this.report('error', error.message)
    else if (error !== undefined) this.report('error', 'Error handling request', error)
    if (headSent || error === undefined) {
      this.#connect().send({ type: FRAME.abort, request: this.#request })
    } else if (this.#shared.showsErrors || this.#link) this.#sendFailure(error)
    else this.#sendSmall(FAILED_HEAD, new Uint8Array(0), FAILED)
  }

  report(level: 'warning' | 'error', message: string, error?: Error): void {
    const { method, url, path } = describe(this.#text)
    const text =
      level === 'error' ? `${message}${error === undefined ? ': ' : ' '}${path}` : message
    log(level, text, error, { request: this.#request, method, url })
  }

  done(): void {
    this.#served++
    this.#shared.board.end(this.number, (this.#began + MONOTONIC) * 1e6, this.#served)
    this.#answer = undefined
    this.#link = undefined
    this.#bodyFile?.destroy()
    this.#bodyFile = undefined
    this.#shared.finished(this)
  }

  #pace(): number {
    return paceFlags(performance.now() - this.#began)
  }

  #connect(): Link {
    const front = this.#front
    let link = this.#links.get(front)
    if (!link) {
      const ended = () => this.#shared.lost(front, this)
      link = new Link(this.#shared.directory, front, this.#entry, ended)
      this.#links.set(front, link)
    }
    this.#link = link // from now on the whole answer goes there
    return link
  }

  #sendSmall(text: string, body: Uint8Array, flags: number): void {
    const frame = this.#small
    const length = text.length + body.length
    const request = this.#request
    // no spread: where properties follow one, V8 11 gives each object a map of its own, which outlives quick collections
    const fields = { type: FRAME.response, request, flags, headLength: text.length }
    writeFrameHead(frame, fields, this.#entry, length)
    frame.write(text, FRAME_HEAD, 'latin1')
    frame.set(body, FRAME_HEAD + text.length)
    this.#shared.pipes.write(this.#front, frame, FRAME_HEAD + length)
  }

  #sendFailure(error: Error): void {
    const trace = this.#shared.showsErrors ? Buffer.from(stackOf(error)) : Buffer.alloc(0)
    const payload = Buffer.concat([Buffer.from(FAILED_HEAD), trace.subarray(-TRACE_LIMIT)])
    const headLength = FAILED_HEAD.length
    const fields = { type: FRAME.response, request: this.#request, flags: FAILED, headLength }
    this.#connect().send(fields, payload)
  }

  #addTimes(environ: Environ, slot: Buffer): void {
    const read = slot.readUInt32LE(24) / 1e6 + slot.readUInt32LE(28) * (2 ** 32 / 1e6)
    const body = slot.readUInt32LE(32) / 1e6
    const waited = (this.#began + MONOTONIC - read) / 1e3 - body
    environ['wsgi_core.request_id'] = this.#request
    environ['wsgi_core.queue_time'] = Math.max(waited, 0)
    environ['wsgi_core.body_time'] = body
  }

  #read(slot: Buffer): { text: string; input: Input } {
    const flags = slot[1] as number
    const kind = slot[2] as number
    const length = slot.readUInt32LE(8)
    const size = kind === BODY.pull ? 0 : slot.readUInt32LE(16) + slot.readUInt32LE(20) * 2 ** 32
    const end = SLOT_HEAD + length
    if (flags & ENVIRON_IN_BLOCK) {
      const inline = kind === BODY.inline ? size : 0
      const block = this.#block(slot, length + inline)
      return {
        text: block.toString('latin1', 0, length),
        input: this.#input(kind, block.subarray(length)),
      }
    }
    const text = slot.toString('latin1', SLOT_HEAD, end)
    if (kind === BODY.none) return { text, input: new MemoryInput() }
    if (kind === BODY.inline) {
      return { text, input: new MemoryInput(Buffer.from(slot.subarray(end, end + size))) }
    }
    const memory = kind === BODY.block ? this.#block(slot, size) : EMPTY
    return { text, input: this.#input(kind, memory) }
  }

  #input(kind: number, memory: Uint8Array): Input {
    if (kind === BODY.file) return this.#file()
    if (kind === BODY.pull) return this.#pulled()
    if (kind <= BODY.block) return new MemoryInput(memory)
    throw new Error(`body kind ${kind}`)
  }

  #block(slot: Buffer, size: number): Buffer {
    const block = Buffer.allocUnsafe(size)
    const place = slot.readUInt32LE(12) * BLOCK_SIZE
    if (readSync(this.#shared.bodies, block, 0, size, place) !== size) {
      throw new Error(`block at ${place} of 'bodies' holds less than ${size} bytes`)
    }
    return block
  }

  /** A file that vanishes with its last descriptor. */
  #file(): Input {
    const path = join(this.#shared.directory, `body-${this.#front}-${this.#request}`)
    const fd = openSync(path, 'r')
    unlinkSync(path)
    const stream = createReadStream('', { fd })
    this.#bodyFile = stream
    return streamInput(() => stream)
  }

  #pulled(): Input {
    const request = this.#request
    const link = this.#connect()
    let last = false
    return new ComingInput(async () => {
      if (last) return undefined
      const piece = await link.pull(request)
      if (piece.gone) throw new Error('the client is gone')
      last = piece.last
      return piece.bytes.length === 0 && last ? undefined : piece.bytes
    })
  }
}

const EMPTY = new Uint8Array(0)

const headText = ({ code, reason, fields }: Head): string => {
  const line = `${code} ${reason}`
  return fields.length === 0 ? line : `${line}\0${fields.join('\0')}`
}

/** The request as the front sent it, whatever the app made of its environ. */
function describe(text: string) {
  const parts = text.split('\0')
  const variable = (name: string) => {
    const at = parts.findIndex((key, index) => index % 2 === 0 && key === name)
    return at < 0 ? '' : (parts[at + 1] as string)
  }
  const path = Buffer.from(variable('SCRIPT_NAME') + variable('PATH_INFO'), 'latin1').toString()
  return { method: variable('REQUEST_METHOD'), url: variable('RAW_URI'), path }
}
