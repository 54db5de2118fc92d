import type { Guest } from './guest.ts'

/** How often late ones are looked for, in milliseconds, at least. */
const TICK = 500
/** Each costs tens of kilobytes while its handshake is under way. */
const MOST = 5000

/** Connections that are not as far as to be somebody's: before their first bytes, or in their handshake. */
export class Lobby {
  /** With the time of their arrival; the oldest first. */
  readonly #waiting = new Map<Guest, number>()
  readonly #left: (guest: Guest, why: string) => void
  #time: number
  #timer: NodeJS.Timeout | undefined

  /** @param time milliseconds that each may stay. @param left told of each that has to go. */
  constructor(time: number, left: (guest: Guest, why: string) => void) {
    this.#time = time
    this.#left = left
  }

  set time(milliseconds: number) {
    this.#time = milliseconds
    if (this.#timer !== undefined) this.#restart()
  }

  get size(): number {
    return this.#waiting.size
  }

  enter(guest: Guest): void {
    if (this.#waiting.size >= MOST) this.makeRoom()
    this.#waiting.set(guest, performance.now())
    if (this.#timer === undefined) this.#restart()
  }

  /** It has become somebody's, or is gone. */
  leave(guest: Guest): void {
    if (!this.#waiting.delete(guest) || this.#waiting.size > 0) return
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
    for (const guest of this.#waiting.keys()) {
      this.leave(guest)
      guest.destroy()
    }
  }

  #restart(): void {
    clearInterval(this.#timer)
    const tick = Math.max(10, Math.min(TICK, this.#time / 4))
    this.#timer = setInterval(() => this.#look(performance.now()), tick).unref()
  }

  #look(now: number): void {
    for (const [guest, since] of this.#waiting) {
      if (now - since < this.#time) return
      this.#dismiss(guest, 'the handshake took too long')
    }
  }

  #dismiss(guest: Guest, why: string): void {
    this.leave(guest)
    this.#left(guest, why)
    guest.destroy()
  }
}
