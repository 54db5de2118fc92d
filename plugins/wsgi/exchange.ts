import { closeSync, open, unlink } from 'node:fs'
import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import {
  addReplyHeaders,
  clock,
  type EngineRequest,
  type EngineResponse,
  type Hooks,
  observeHead,
  originOf,
  type PreparedHead,
  sendFile,
} from '../../core/index.ts'
import type { FileHandOver } from '../static/index.ts'
import type { Body, Failure, HandedFile, Job, Source, WorkerPool } from '../workers/index.ts'
import { parseEarlyHints } from './answer-head.ts'
import { buildEnviron, isUnder } from './environ.ts'
import type { KnownHeads } from './known-heads.ts'
import { beginSharing, endSharing, memoryShare } from './memory-share.ts'
import { ObservedEnviron } from './observed-environ.ts'
import { renderPage } from './page.ts'
import { PulledBody } from './pulled-body.ts'
import {
  type BodyFault,
  type BodyOptions,
  BodyReader,
  declaredLength,
  MEMORY_LIMIT,
  NO_BODY,
  spoolBytes,
} from './request-body.ts'
import { Spill } from './spill.ts'
import type { Storage } from './storage.ts'

/** Bytes of one answer in that file (nginx: proxy_max_temp_file_size). */
const SPILL_LIMIT = 1_073_741_824
/** Bodies up to here are joined with their head into one string and one write. */
const JOIN_LIMIT = 4096
/** An environ larger than a block of the protocol cannot travel. */
const ENVIRON_LIMIT = 65_536

const STATUS_OF: Record<Failure, number> = {
  overloaded: 503,
  stopping: 503,
  died: 502,
  storage: 507,
  timeout: 504,
}
const EMPTY: Body = { kind: 'none' }
/** RFC 9110 §9.2.1. */
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

/** What all exchanges of a generation share. */
export interface Setting {
  readonly pool: WorkerPool
  readonly hooks: Hooks
  readonly log: Logger
  readonly body: BodyOptions
  /** SCRIPT_NAME of all requests. */
  readonly rootPath: string
  readonly storage: Storage
  readonly heads: KnownHeads
  /** Read bodies before dispatch; false: the worker asks for them. */
  readonly buffering: boolean
  /** While the application is developed: the page that shows an error. */
  readonly errorPage?: ((traceback: string) => string) | undefined
  /** Sends files that the application names, where a plugin is loaded for that. */
  readonly files: FileHandOver | undefined
  readonly observesEnviron: boolean
  readonly observesResponse: boolean
}

/** One request on its way through a worker, and its answer on the way to the client. */
export class Exchange implements Job {
  id = 0
  kind: Job['kind'] = undefined
  isSlow = false
  environ = ''
  body: Body = EMPTY
  headTime: number
  bodyMicroseconds = 0
  wasRepeated = false
  readonly #setting: Setting
  /** Fastify's view of the request and the answer, where they came through it. */
  readonly #reply: FastifyReply | undefined
  readonly #request: IncomingMessage
  readonly #response: EngineResponse
  #spill: Spill | undefined
  #pulled: PulledBody | undefined
  #dispatched = false
  /** A 1xx answer went out. */
  #informed = false
  #over = false
  /** Its client did not keep up at some time. */
  #isBacklogged = false

  constructor(
    request: IncomingMessage,
    response: EngineResponse,
    setting: Setting,
    reply?: FastifyReply,
  ) {
    this.#setting = setting
    this.#request = request
    this.#response = response
    this.#reply = reply
    this.#response.owner = this
    this.headTime = this.#response.startedAt || clock.now()
  }

  get method(): string {
    return this.#request.method ?? ''
  }

  get url(): string {
    return this.#request.url ?? ''
  }

  get isRepeatable(): boolean {
    const seen = this.#over || this.#informed || this.#response.headersSent
    return !seen && this.body.kind !== 'onDemand' && SAFE_METHODS.has(this.method)
  }

  /** Whoever taps `environ` or `response` has each request come through Fastify. */
  get #fastifyRequest(): FastifyRequest {
    return (this.#reply as FastifyReply).request
  }

  /** Of the environ, by name in lower case. */
  variable(name: string): string | undefined {
    const parts = this.environ.split('\0')
    const at = parts.findIndex((key, index) => index % 2 === 0 && key.toLowerCase() === name)
    return at < 0 ? undefined : parts[at + 1]
  }

  /** Reads the body where there is one, then hands the request to the pool. */
  start(): void {
    const request = this.#request
    const declared = declaredLength(request.rawHeaders)
    if (declared === NO_BODY) return this.#dispatch(undefined)
    if (declared === 0) return this.#dispatch(0)
    const { body, buffering } = this.#setting
    if (declared !== undefined && declared > body.limit) return this.#refuse(413)
    if (!buffering) {
      this.body = { kind: 'onDemand', length: declared }
      return this.#dispatch(declared)
    }
    if (declared === undefined || declared > MEMORY_LIMIT) return this.#readBody()
    // most small bodies come along with their head, in what the engine is reading at this moment
    const bytes = (this.#request as EngineRequest).lendBody?.()
    if (bytes) this.#bodyRead({ kind: 'lent', bytes })
    else process.nextTick(takeBody, this)
  }

  /** The engine has read what it had. */
  takeBody(): void {
    if (this.#over) return
    const bytes = (this.#request as EngineRequest).takeBody?.()
    if (bytes) this.#bodyRead({ kind: 'memory', bytes })
    else this.#readBody()
  }

  #readBody(): void {
    new BodyReader(this.#request, this.#setting.body, (result) => this.#bodyRead(result))
  }

  whole(head: string, bytes: Buffer, start: number, end: number, failed: boolean): void {
    if (this.#over || this.#isSecond()) return
    if (failed) return this.#applicationFailed(bytes.toString('utf8', start, end))
    const response = this.#response
    const body =
      end - start <= JOIN_LIMIT ? bytes.toString('latin1', start, end) : bytes.subarray(start, end)
    const known = this.method === 'HEAD' ? undefined : this.#setting.heads.find(head)
    if (known && response.sendPrepared) this.#sendKnown(known, body)
    else if (this.#sendHead(head)) response.end(body, 'latin1')
  }

  head(head: string): void {
    if (!this.#over && !this.#isSecond()) this.#sendHead(head)
  }

  /** Two threads of the application may answer at once. */
  #isSecond(): boolean {
    if (!this.#response.headersSent) return false
    this.#cutOff(new Error('the application sent a second head'))
    return true
  }

  data(bytes: Buffer, source: Source, left?: () => void): boolean {
    if (this.#over || bytes.length === 0) return true
    const response = this.#response
    if (!this.#spill) {
      if (response.write(bytes, left)) return true
      this.#share()
      if (response.writableLength < memoryShare()) return true
      this.#startSpill()
      return true
    }
    return this.#spill.write(bytes, () => source.resume())
  }

  end(): void {
    if (this.#over) return
    if (this.#spill) this.#spill.end()
    else this.#response.end()
  }

  get flushed(): boolean {
    return this.#response.writableLength === 0 && this.#spill?.hasCopied !== false
  }

  cork(): void {
    this.#response.cork()
  }

  uncork(): void {
    this.#response.uncork()
  }

  information(head: string): void {
    if (this.#over || this.#response.headersSent) return
    const hints = parseEarlyHints(head)
    // RFC 9110 §15.2: HTTP/1.0 knows no 1xx
    if (!hints || this.#request.httpVersion === '1.0') return
    try {
      this.#informed = true
      this.#response.writeEarlyHints(hints)
    } catch (err) {
      this.#setting.log.warn({ err }, 'early hints that cannot be sent') // node:http checks Link's form
    }
  }

  file({ pid, descriptor, offset, length }: HandedFile): Promise<boolean> {
    return new Promise((resolve) => {
      open(`/proc/${pid}/fd/${descriptor}`, 'r', (error, fd) => {
        resolve(!error)
        if (error) return
        if (this.#over) return closeSync(fd)
        const whole = [{ start: offset, length }]
        sendFile(this.#response, fd, whole, (failure) => this.#break(failure))
      })
    })
  }

  async pull(max: number): Promise<{ bytes: Buffer; last: boolean; gone: boolean }> {
    this.#pulled ??= new PulledBody(this.#request, this.#setting.body)
    const piece = await this.#pulled.read(max)
    return typeof piece === 'number' ? this.#refusePull(piece) : piece
  }

  /** To the app it is as if its client had left. */
  #refusePull(status: BodyFault) {
    if (this.#response.headersSent)
      this.#cutOff(new Error(`the request's body is refused: ${status}`))
    else this.#refuse(status)
    this.#over = true
    return { bytes: Buffer.alloc(0), last: true, gone: true }
  }

  abort(): void {
    if (this.#over) return
    this.#cutOff(new Error('the application failed after its head was sent'))
  }

  fail(failure: Failure, cause?: Error): void {
    if (this.#over) return
    if (cause) {
      this.#tellFailed(cause)
      return this.#refuse(this.#setting.storage.failed(cause))
    }
    const status = STATUS_OF[failure]
    this.#failed(status, new Error(`no answer from a worker: ${failure}`))
  }

  /** The answer is out, or the client has left. */
  closed(completed: boolean): void {
    this.#over = true
    this.#spill?.close()
    if (this.#isBacklogged) endSharing()
    this.#removeSpool()
    if (!completed && this.#dispatched) this.#setting.pool.cancel(this)
  }

  /** The pool takes the file away as soon as it has a slot for the request; it may have come to none. */
  #removeSpool(): void {
    if (this.body.kind === 'file') unlink(this.body.path, () => {})
  }

  #bodyRead(result: Body | BodyFault): void {
    if (typeof result === 'number') return this.#refuse(result)
    this.bodyMicroseconds = Math.round((clock.now() - this.headTime) * 1000)
    this.body = result
    if (this.#over) return this.#removeSpool()
    this.#dispatch(
      result.kind === 'file' ? result.length : (result as { bytes: Buffer }).bytes.length,
    )
  }

  #dispatch(length: number | undefined): void {
    const { pool, observesEnviron } = this.#setting
    const request = this.#request
    const rootPath = originOf(request)?.rootPath ?? this.#setting.rootPath
    if (rootPath !== '' && !isUnder(request.url, rootPath)) return this.#refuseOutside(rootPath)
    const environ = buildEnviron(request, length, rootPath)
    if (environ === undefined) return this.#refuse(400)
    this.environ = environ
    if (observesEnviron && !this.#observeEnviron()) return
    if (this.environ.length > ENVIRON_LIMIT) return this.#refuse(431)
    if (this.#isCramped()) return this.#spool()
    this.#dispatched = true
    pool.dispatch(this)
  }

  #refuseOutside(rootPath: string): void {
    const path = this.#request.url
    this.#setting.log.error({ path, rootPath }, 'request outside of the root path')
    this.#refuse(500)
  }

  /** @returns whether the taps let the request go on. */
  #observeEnviron(): boolean {
    try {
      const { environ } = this
      const observed = new ObservedEnviron(() => environ)
      this.#setting.hooks.environ.call(observed, this.#fastifyRequest)
      this.environ = ObservedEnviron.changed(observed) ?? environ
      return true
    } catch (error) {
      this.#headFailed(error as Error)
      return false
    }
  }

  /** Whether environ and body are too much for one block. */
  #isCramped(): boolean {
    if (this.environ.length <= SLOT_ENVIRON || !('bytes' in this.body)) return false
    return this.environ.length + this.body.bytes.length > ENVIRON_LIMIT
  }

  #spool(): void {
    const { bytes } = this.body as { bytes: Buffer }
    spoolBytes(Buffer.from(bytes), this.#setting.storage, (result) => {
      if (typeof result === 'number') return this.#refuse(result)
      this.body = result
      if (this.#over) return this.#removeSpool()
      this.#dispatched = true
      this.#setting.pool.dispatch(this)
    })
  }

  /** A head that was rendered before, unless somebody has another word in it. */
  #sendKnown(known: PreparedHead, body: string | Uint8Array): void {
    if (!this.#reply || this.#isLeft(known, this.#reply)) {
      this.#response.sendPrepared?.(known, body)
    } else if (!this.#over) this.#response.end(body, 'latin1')
  }

  /** @returns whether the head stays as it is. If not, another went out, or a page that says why not. */
  #isLeft({ statusCode: code, fields }: PreparedHead, reply: FastifyReply): boolean {
    const { hooks, observesResponse } = this.#setting
    const given = addReplyHeaders([...fields], reply)
    try {
      const head = observesResponse
        ? observeHead(hooks, code, given, reply.request)
        : { statusCode: code, fields: given }
      if (head.statusCode === code && isSame(head.fields, fields)) return true
      this.#response.writeHead(head.statusCode, head.fields)
    } catch (error) {
      this.#headFailed(error as Error)
    }
    return false
  }

  #sendHead(head: string): boolean {
    const fields = head.split('\0')
    const status = fields.shift() as string
    const code = Number(status.slice(0, 3))
    if (this.#handOver(fields)) return false
    if (code < 200) this.#response.shouldKeepAlive = false // no answer can follow a final 1xx
    return this.#writeHead(code, status.slice(4), fields)
  }

  /** @returns whether a file goes out in place of the answer, of which nothing more is wanted then. */
  #handOver(fields: readonly string[]): boolean {
    const sent = this.#setting.files?.handOver(fields, this.#request, this.#response, this.#reply)
    if (sent === undefined) return false
    this.#over = true
    sent.catch((error: Error) => this.#headFailed(error))
    return true
  }

  /** @returns whether it went out. If not, a page that says so did. */
  #writeHead(code: number, reason: string | undefined, fields: string[]): boolean {
    const headers = this.#reply ? addReplyHeaders(fields, this.#reply) : fields
    try {
      if (this.#setting.observesResponse) this.#writeObserved(code, reason, headers)
      else this.#response.writeHead(code, reason, headers)
      return true
    } catch (error) {
      this.#headFailed(error as Error)
      return false
    }
  }

  /** A tap that throws, or a head that cannot be sent, costs its request, and no other. The page goes out untouched. */
  #headFailed(error: Error): void {
    const { method, url } = this.#request
    this.#setting.log.error({ err: error, method, url }, 'request failed')
    if (this.#response.headersSent) this.#break(error)
    else {
      this.#tellFailed(error)
      const { page, headers } = renderPage(500, this.#response.shouldKeepAlive)
      this.#response.writeHead(500, STATUS_CODES[500], headers)
      this.#response.end(page)
      this.#over = true
    }
    if (this.#dispatched) this.#setting.pool.cancel(this)
  }

  #tellFailed(error: Error): void {
    try {
      this.#setting.hooks.failed.call(error, this.#request)
    } catch (err) {
      this.#setting.log.error({ err }, 'request failed')
    }
  }

  #writeObserved(code: number, reason: string | undefined, given: string[]): void {
    const { hooks } = this.#setting
    const { statusCode, fields } = observeHead(hooks, code, given, this.#fastifyRequest)
    this.#response.writeHead(statusCode, statusCode === code ? reason : undefined, fields)
  }

  #share(): void {
    if (this.#isBacklogged) return
    this.#isBacklogged = true
    beginSharing()
  }

  #startSpill(): void {
    const response = this.#response
    const { storage } = this.#setting
    const fail = (error: Error) => {
      storage.failed(error)
      this.#break(error)
    }
    try {
      const write = (bytes: Buffer) => response.write(bytes)
      this.#spill = new Spill(storage.directory, SPILL_LIMIT, {
        write,
        end: () => response.end(),
        fail,
      })
    } catch (error) {
      return fail(error as Error)
    }
    response.on('drain', () => this.#spill?.resume())
  }

  /** The client must see that the answer is not whole. */
  #break(error: Error): void {
    this.#tellFailed(error)
    this.#over = true
    this.#response.destroy()
  }

  /** As `#break`, but what the app gave before still goes out. */
  #cutOff(error: Error): void {
    this.#tellFailed(error)
    this.#over = true
    this.#spill?.close()
    const response = this.#response
    // after this turn: until then it is corked, where all came at once
    setImmediate(() => {
      if (response.socket?.writable) response.socket.write('', () => response.destroy())
      else response.destroy()
    })
  }

  /** The traceback is empty unless the application is developed. */
  #applicationFailed(traceback: string): void {
    const page = traceback === '' ? undefined : this.#setting.errorPage?.(traceback)
    this.#failed(500, new Error('the application failed'), page)
  }

  #failed(status: number, error: Error, page?: string): void {
    if (this.#response.headersSent) return this.#cutOff(error)
    this.#tellFailed(error)
    this.#sendPage(status, page)
  }

  /** The request itself is at fault; what is left of its body is not read. */
  #refuse(status: number): void {
    if (this.#over || this.#response.headersSent) return
    this.#response.shouldKeepAlive = false
    this.#sendPage(status)
  }

  #sendPage(status: number, text?: string): void {
    const { page, headers } = renderPage(status, this.#response.shouldKeepAlive, text)
    if (this.#writeHead(status, undefined, headers)) this.#response.end(page)
  }
}

const SLOT_ENVIRON = 4056

const isSame = (some: readonly string[], others: readonly string[]) =>
  some.length === others.length && some.every((each, index) => each === others[index])

const takeBody = (exchange: Exchange) => exchange.takeBody()
