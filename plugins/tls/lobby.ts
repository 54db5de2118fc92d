import type { Socket } from 'node:net'

/** How often late ones are looked for, in milliseconds, at least. */
const TICK = 500
/** Each costs tens of kilobytes while its handshake is under way. */
const MOST = 5000

/** Connections that are not as far as to be somebody's: before their first bytes, or in their handshake. */
export class Lobby {
  /** With the time of their arrival; the oldest first. */
  readonly #waiting = new Map<Socket, number>()
  readonly #left: (socket: Socket, why: string) => void
  #time: number
  #timer: NodeJS.Timeout | undefined

  /** @param time milliseconds that each may stay. @param left told of each that has to go. */
  constructor(time: number, left: (socket: Socket, why: string) => void) {
    this.#time = time
    this.#left = left
  }

  set time(milliseconds: number) {
    this.#time = milliseconds
    this.#restart()
  }

  get size(): number {
    return this.#waiting.size
  }

  enter(socket: Socket): void {
    if (this.#waiting.size >= MOST) this.makeRoom()
    this.#waiting.set(socket, performance.now())
    if (this.#timer === undefined) this.#restart()
  }

  /** It has become somebody's, or is gone. */
  leave(socket: Socket): void {
    if (!this.#waiting.delete(socket) || this.#waiting.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** @returns whether one could be sent away. */
  makeRoom(): boolean {
    const [oldest] = this.#waiting.keys()
    if (oldest === undefined) return false
    this.#dismiss(oldest, 'too many handshakes at once')
    return true
  }

  /** All go. */
  clear(): void {
    for (const socket of this.#waiting.keys()) {
      this.leave(socket)
      socket.destroy()
    }
  }

  #restart(): void {
    clearInterval(this.#timer)
    const tick = Math.max(10, Math.min(TICK, this.#time / 4))
    this.#timer = setInterval(() => this.#look(performance.now()), tick).unref()
  }

  #look(now: number): void {
    for (const [socket, since] of this.#waiting) {
      if (now - since < this.#time) return
      this.#dismiss(socket, 'the handshake took too long')
    }
  }

  #dismiss(socket: Socket, why: string): void {
    this.leave(socket)
    this.#left(socket, why)
    socket.destroy()
  }
}
