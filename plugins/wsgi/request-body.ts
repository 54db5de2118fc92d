import { close, open, unlink, write, writeFile } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import type { Body } from '../workers/index.ts'
import type { Storage } from './storage.ts'

/** Larger bodies go to a file. As much as a block of the protocol holds. */
export const MEMORY_LIMIT = 65_536

/** As many are put together: each takes a hundred bytes beside its own. */
const MOST_PIECES = 64

/** Why a body did not arrive; the status says it to the client. */
export type BodyFault = 400 | 408 | 413 | 503 | 507

export interface BodyOptions {
  /** For files of large bodies. */
  readonly storage: Storage
  /** The most bytes. */
  readonly limit: number
  /** Milliseconds that may pass between two reads (nginx: client_body_timeout). */
  readonly timeout: number
}

/** The head announces no body. */
export const NO_BODY = -1

/** The length of the body that the head announces: undefined for a chunked one, NO_BODY for none at all. */
export function declaredLength(raw: readonly string[]): number | undefined {
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] as string
    if (name.length === 14 && name.toLowerCase() === 'content-length') return Number(raw[index + 1])
    if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') return undefined
  }
  return NO_BODY
}

let spools = 0
const spoolPath = (directory: string) => join(directory, `spool-${process.pid}-${++spools}`)

/** Puts a body that is in memory into a file. */
export function spoolBytes(
  bytes: Buffer,
  storage: Storage,
  done: (body: Body | BodyFault) => void,
): void {
  const path = spoolPath(storage.directory)
  writeFile(path, bytes, { flag: 'wx', mode: 0o600 }, (error) => {
    if (error) unlink(path, () => {})
    done(error ? storage.failed(error) : { kind: 'file', path, length: bytes.length })
  })
}

/** Reads a body in full before a worker sees the request, so that a slow uploader holds none. */
export class BodyReader {
  readonly #request: IncomingMessage
  readonly #options: BodyOptions
  readonly #done: (body: Body | BodyFault) => void
  readonly #timer: NodeJS.Timeout
  #chunks: Buffer[] = []
  #size = 0
  #spool: { readonly path: string; fd: number | undefined; written: number } | undefined
  #writing = false
  #ended = false
  #over = false

  /** `done` is called once, but for a client that leaves: then it is not. */
  constructor(
    request: IncomingMessage,
    options: BodyOptions,
    done: (body: Body | BodyFault) => void,
  ) {
    this.#request = request
    this.#options = options
    this.#done = done
    this.#timer = setTimeout(() => this.#fail(408), options.timeout)
    request.on('data', (chunk: Buffer) => this.#take(chunk))
    request.on('end', () => this.#end())
    request.on('error', () => this.#fail(400)) // a broken chunk, or an abrupt end
    request.on('close', () => this.#leave())
  }

  #take(chunk: Buffer): void {
    if (this.#over) return
    this.#timer.refresh()
    this.#size += chunk.length
    if (this.#size > this.#options.limit) return this.#fail(413)
    this.#chunks.push(chunk)
    if (this.#chunks.length >= MOST_PIECES) this.#chunks = [Buffer.concat(this.#chunks)]
    if (this.#spool) this.#drain()
    else if (this.#size > MEMORY_LIMIT) this.#startSpool()
  }

  #end(): void {
    this.#ended = true
    if (this.#spool) this.#drain()
    else this.#finish({ kind: 'memory', bytes: Buffer.concat(this.#chunks, this.#size) })
  }

  #startSpool(): void {
    const path = spoolPath(this.#options.storage.directory)
    this.#spool = { path, fd: undefined, written: 0 }
    this.#request.pause()
    open(path, 'wx', 0o600, (error, fd) => {
      if (error) return this.#noRoom(error)
      const spool = this.#spool
      if (!spool || this.#over) return this.#discard(fd, path)
      spool.fd = fd
      this.#drain()
    })
  }

  /** Writes what has come; the client waits in the meantime, so that no more than a few reads are held. */
  #drain(): void {
    const spool = this.#spool
    if (!spool || spool.fd === undefined || this.#writing || this.#over) return
    if (this.#chunks.length === 0) {
      if (this.#ended) this.#close(spool.fd, spool.path)
      else this.#request.resume()
      return
    }
    const bytes = Buffer.concat(this.#chunks.splice(0))
    this.#request.pause()
    this.#writing = true
    this.#write(spool.fd, bytes, 0)
  }

  #write(fd: number, bytes: Buffer, from: number): void {
    write(fd, bytes, from, bytes.length - from, null, (error, count) => {
      if (!error && from + count < bytes.length && !this.#over)
        return this.#write(fd, bytes, from + count)
      this.#writing = false
      if (this.#over) this.#discard(fd, (this.#spool as { path: string }).path)
      else if (error) this.#noRoom(error)
      else this.#drain()
    })
  }

  #close(fd: number, path: string): void {
    close(fd, (error) => {
      if (!error) return this.#finish({ kind: 'file', path, length: this.#size })
      unlink(path, () => {})
      this.#noRoom(error)
    })
    if (this.#spool) this.#spool.fd = undefined
  }

  #finish(body: Body): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#timer)
    this.#done(body)
  }

  #noRoom(error: Error): void {
    if (!this.#over) this.#fail(this.#options.storage.failed(error))
  }

  #fail(fault: BodyFault): void {
    if (this.#over) return
    this.#abandon()
    this.#done(fault)
  }

  #leave(): void {
    if (!this.#over && !this.#ended) this.#abandon()
  }

  #abandon(): void {
    this.#over = true
    clearTimeout(this.#timer)
    this.#chunks = []
    const fd = this.#spool?.fd
    if (fd !== undefined && !this.#writing)
      this.#discard(fd, (this.#spool as { path: string }).path)
  }

  #discard(fd: number, path: string): void {
    close(fd, () => unlink(path, () => {}))
  }
}
