import { closeSync, constants, openSync } from 'node:fs'
import { Socket } from 'node:net'
import { toPlain } from '../../core/index.ts'
import type { Front, RequestName, Told } from './front.ts'
import type { ToFront, Unaddressed } from './front-messages.ts'
import type { Failure } from './job.ts'

/** A front in another process. Its pipe for answers is held open here, so that no worker is hurt when it dies. */
export class RemoteFront implements Front {
  readonly #answers: string
  readonly #say: (message: Unaddressed<ToFront>) => void
  readonly #asked = new Map<number, Told>()
  #readers = 0
  #lastTicket = 0
  #fd: number | undefined
  #drain: Socket | undefined

  /** `answers`: path of its pipe. */
  constructor(answers: string, say: (message: Unaddressed<ToFront>) => void) {
    this.#answers = answers
    this.#say = say
  }

  get readers(): number {
    return this.#readers
  }

  set readers(count: number) {
    if (count !== this.#readers) this.#say({ type: 'readers', count })
    this.#readers = count
  }

  open(): void {
    if (this.#fd !== undefined) return // a spawner that replaces another finds it open
    try {
      this.#fd = openSync(this.#answers, constants.O_RDWR | constants.O_NONBLOCK)
      this.#say({ type: 'open' })
    } catch (error) {
      this.#say({ type: 'failed', error: toPlain(error) })
    }
  }

  fail(id: number, failure: Failure, told: Told = () => {}): void {
    const ticket = ++this.#lastTicket
    this.#asked.set(ticket, told)
    this.#say({ type: 'fail', id, failure, ticket })
  }

  searchLost(): void {
    this.#say({ type: 'lost' })
  }

  /** The answer to a `fail`. */
  told(ticket: number, waited: boolean, request?: RequestName): void {
    this.#asked.get(ticket)?.(waited, request)
    this.#asked.delete(ticket)
  }

  /** The process is gone. Its last answers are read, or a worker would wait for room in the pipe for ever. */
  died(): void {
    for (const ticket of [...this.#asked.keys()]) this.told(ticket, false)
    if (this.#fd === undefined) return
    this.#drain = new Socket({ fd: this.#fd, readable: true, writable: false })
    this.#drain.on('error', () => {}).resume()
  }

  close(): void {
    if (this.#drain) this.#drain.destroy()
    else if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }
}
