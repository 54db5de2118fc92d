import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import {
  addReplyHeaders,
  type EngineResponse,
  type Hooks,
  observeHead,
} from '../../../core/index.ts'
import type { FileHandOver } from '../../static/index.ts'
import { parseEarlyHints } from '../answer-head.ts'
import { buildEnviron, isUnder, parseEnviron } from '../environ.ts'
import { ObservedEnviron } from '../observed-environ.ts'
import { renderPage } from '../page.ts'
import { declaredLength, NO_BODY } from '../request-body.ts'
import { Answer, BrokenAnswer, type Outlet } from './answer.ts'
import type { Application, Environ } from './application.ts'
import { type Base, createEnviron } from './environ.ts'
import type { Head } from './head.ts'
import { MemoryInput, streamInput } from './input.ts'
import { environText, requestEnviron } from './request-environ.ts'

/** Bodies up to here are joined with their head into one string and one write. */
const JOIN_LIMIT = 4096

const NOTHING = new MemoryInput()

/** What all exchanges of a generation share. */
export interface FrontSetting {
  readonly app: Application
  readonly rootPath: string
  readonly base: Base
  readonly hooks: Hooks
  readonly log: Logger
  readonly observesEnviron: boolean
  readonly observesResponse: boolean
  /** Sends files that the application names, where a plugin is loaded for that. */
  readonly files: FileHandOver | undefined
}

/** One request for an application that runs in this process, and its answer on the way to the client. */
export class FrontExchange implements Outlet {
  readonly #setting: FrontSetting
  readonly #request: IncomingMessage
  readonly #reply: FastifyReply | undefined
  readonly #response: EngineResponse
  readonly #answer: Answer
  /** As pairs, where a tap has changed it or the log asks for it. */
  #environ = ''
  #room: (() => void) | undefined
  gone = false

  /** `reply` where the request came by way of Fastify. */
  constructor(
    request: IncomingMessage,
    response: EngineResponse,
    setting: FrontSetting,
    reply?: FastifyReply,
  ) {
    this.#setting = setting
    this.#request = request
    this.#reply = reply
    this.#response = response
    this.#response.owner = this
    this.#answer = new Answer(this, request.method === 'HEAD')
  }

  /** Taps that get one are tapped only where there is one. */
  get #fastifyRequest(): FastifyRequest {
    return (this.#reply as FastifyReply).request
  }

  start(): void {
    const { rootPath, app, base } = this.#setting
    const raw = this.#request
    const declared = declaredLength(raw.rawHeaders)
    if (rootPath !== '' && !isUnder(raw.url, rootPath)) return this.#refuseOutside()
    const length = declared === NO_BODY ? undefined : declared
    const input = declared === NO_BODY ? NOTHING : streamInput(() => raw)
    const environ = requestEnviron(raw, length, rootPath, base, input)
    if (environ === undefined) return this.#refuse(400)
    const final = this.#setting.observesEnviron ? this.#observe(environ, length) : environ
    if (final) this.#answer.run(app, final)
  }

  /** Of the environ, by name in lower case. */
  variable(name: string): string | undefined {
    this.#environ ||= buildEnviron(this.#request, undefined, this.#setting.rootPath) ?? ''
    for (const [key, value] of parseEnviron(this.#environ)) {
      if (key.toLowerCase() === name) return value
    }
    return undefined
  }

  /** The answer is out, or the client has left. */
  closed(completed: boolean): void {
    this.gone = true
    this.#room?.()
    if (!completed) this.#answer.cancel()
  }

  whole(head: Head, body: Uint8Array): void {
    if (this.gone) return
    if (this.#handOver(head.fields)) return
    if (!this.#writeHead(head.code, head.reason, head.fields)) return
    if (body.length > JOIN_LIMIT) this.#response.end(body)
    else this.#response.end(asBuffer(body).toString('latin1'), 'latin1')
  }

  head({ code, reason, fields }: Head): void {
    if (this.#handOver(fields)) return
    if (code < 200) this.#response.shouldKeepAlive = false // no answer can follow a final 1xx
    this.#writeHead(code, reason, fields)
  }

  data(chunk: Uint8Array): Promise<void> | undefined {
    if (this.gone || this.#response.write(chunk)) return undefined
    return new Promise((resolve) => {
      const done = () => {
        this.#room = undefined
        this.#response.off('drain', done)
        resolve()
      }
      this.#room = done
      this.#response.on('drain', done)
    })
  }

  end(): void {
    if (!this.gone) this.#response.end()
  }

  hints({ fields }: Head): void {
    const hints = parseEarlyHints(['103 Early Hints', ...fields].join('\0'))
    // RFC 9110 §15.2: HTTP/1.0 knows no 1xx
    if (!hints || this.#request.httpVersion === '1.0') return
    this.#response.writeEarlyHints(hints)
  }

  fail(error: Error | undefined, headSent: boolean): void {
    if (error === undefined) return
    const { method, url } = this.#request
    if (error instanceof BrokenAnswer) this.#setting.log.error({ method, url }, error.message)
    else this.#setting.log.error({ err: error, method, url }, 'Error handling request')
    this.#tellFailed(error)
    if (this.gone) return
    if (headSent) this.#cutOff()
    else this.#sendPage(500)
  }

  report(level: 'warning' | 'error', message: string, error?: Error): void {
    const { method, url } = this.#request
    const details = { ...(error !== undefined && { err: error }), method, url }
    this.#setting.log[level === 'warning' ? 'warn' : 'error'](details, message)
  }

  done(): void {}

  /** @returns what the taps leave; undefined where one has failed, and the request is answered. */
  #observe(environ: Environ, length: number | undefined): Environ | undefined {
    const { rootPath, base, hooks } = this.#setting
    try {
      const observed = new ObservedEnviron(environText(this.#request, length, rootPath))
      hooks.environ.call(observed, this.#fastifyRequest)
      const changed = ObservedEnviron.changed(observed)
      if (changed === undefined) return environ
      this.#environ = changed
      return createEnviron(changed, base, environ['wsgi.input'])
    } catch (error) {
      this.#tapFailed(error as Error)
      return undefined
    }
  }

  /** @returns whether a file goes out in place of the answer, of which nothing more is wanted then. */
  #handOver(fields: readonly string[]): boolean {
    const sent = this.#setting.files?.handOver(fields, this.#request, this.#response, this.#reply)
    if (sent === undefined) return false
    this.gone = true
    sent.catch((error: Error) => this.#tapFailed(error))
    return true
  }

  /** @returns whether it went out. If not, a page that says so did. */
  #writeHead(code: number, reason: string | undefined, fields: string[]): boolean {
    if (this.#response.headersSent) return false // the engine has refused the rest of the body
    const headers = this.#reply ? addReplyHeaders(fields, this.#reply) : fields
    if (!this.#setting.observesResponse) {
      this.#response.writeHead(code, reason, headers)
      return true
    }
    try {
      this.#writeObserved(code, reason, headers)
      return true
    } catch (error) {
      this.#tapFailed(error as Error)
      return false
    }
  }

  #writeObserved(code: number, reason: string | undefined, given: string[]): void {
    const { hooks } = this.#setting
    const { statusCode, fields } = observeHead(hooks, code, given, this.#fastifyRequest)
    this.#response.writeHead(statusCode, statusCode === code ? reason : undefined, fields)
  }

  /** A tap that throws costs its request, and no other. The page goes out untouched. */
  #tapFailed(error: Error): void {
    this.report('error', 'request failed', error)
    this.#tellFailed(error)
    if (this.#response.headersSent) this.#response.destroy()
    else {
      const { page, headers } = renderPage(500, this.#response.shouldKeepAlive)
      this.#response.writeHead(500, STATUS_CODES[500], headers)
      this.#response.end(page)
    }
    this.gone = true
    this.#answer.cancel()
  }

  #tellFailed(error: Error): void {
    try {
      this.#setting.hooks.failed.call(error, this.#request)
    } catch (err) {
      this.#setting.log.error({ err }, 'request failed')
    }
  }

  /** The client must see that the answer is not whole; what the app gave before still goes out. */
  #cutOff(): void {
    this.gone = true
    const response = this.#response
    if (response.socket?.writable) response.socket.write('', () => response.destroy())
    else response.destroy()
  }

  #refuseOutside(): void {
    const { log, rootPath } = this.#setting
    log.error({ path: this.#request.url, rootPath }, 'request outside of the root path')
    this.#refuse(500)
  }

  /** The request itself is at fault; what is left of its body is not read. */
  #refuse(status: number): void {
    this.#response.shouldKeepAlive = false
    this.#sendPage(status)
  }

  #sendPage(status: number): void {
    const { page, headers } = renderPage(status, this.#response.shouldKeepAlive)
    if (this.#writeHead(status, undefined, headers)) this.#response.end(page)
  }
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
