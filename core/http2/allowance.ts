/** Streams that a client may give up, or lose by its own fault, before it counts how many of all they are. */
const FREE_RESETS = 100
/** Within ten seconds: frames that only cost an answer, or nothing but time, and as many for each request. */
const MOST_CONTROLS = 500
const CONTROLS_PER_REQUEST = 4
/** Windows that grow by little have the server send little at a time. */
const MOST_DRIBBLES = 10_000
const PERIOD = 10_000

/** What a client may ask of the server without asking for anything. */
export class Allowance {
  #requests = 0
  #resets = 0
  #controls = 0
  #dribbles = 0
  /** Of this period. */
  #recent = 0
  #since: number

  constructor(now: number) {
    this.#since = now
  }

  request(): void {
    this.#requests++
    this.#recent++
  }

  /** Rapid reset: streams that are opened only to be given up, by whoever ends them. @returns whether it is too many. */
  reset(): boolean {
    this.#resets++
    return this.#resets > FREE_RESETS && this.#resets > this.#requests / 2
  }

  /** PING, SETTINGS, and what is empty, unknown or out of use. @returns whether it is too many. */
  control(now: number): boolean {
    this.#renew(now)
    return ++this.#controls > MOST_CONTROLS + CONTROLS_PER_REQUEST * this.#recent
  }

  dribble(now: number): boolean {
    this.#renew(now)
    return ++this.#dribbles > MOST_DRIBBLES
  }

  #renew(now: number): void {
    if (now - this.#since <= PERIOD) return
    this.#since = now
    this.#controls = 0
    this.#dribbles = 0
    this.#recent = 0
  }
}
