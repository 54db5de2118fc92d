/** What setTimeout and setInterval give while time is faked. */
class FakeTimer {
  readonly #clock: FakeClock
  readonly run: () => void
  readonly interval: number | undefined
  readonly delay: number
  due: number

  constructor(clock: FakeClock, run: () => void, delay: number, repeats: boolean) {
    this.#clock = clock
    this.run = run
    this.delay = Math.max(1, delay || 1)
    this.interval = repeats ? this.delay : undefined
    this.due = clock.now + this.delay
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  hasRef(): boolean {
    return true
  }

  refresh(): this {
    this.due = this.#clock.now + this.delay
    this.#clock.add(this)
    return this
  }

  close(): this {
    this.#clock.remove(this)
    return this
  }

  [Symbol.toPrimitive](): number {
    return 0
  }
}

/**
 * Time that passes when a test says so: for limits of seconds and minutes. While it is installed, `setTimeout`,
 * `setInterval`, `Date.now` and `performance.now` of this process go by it; sockets and files are as they were. Install
 * it before what is to be tested starts.
 */
export class FakeClock {
  readonly #timers = new Set<FakeTimer>()
  readonly #real = {
    setTimeout: globalThis.setTimeout,
    clearTimeout: globalThis.clearTimeout,
    setInterval: globalThis.setInterval,
    clearInterval: globalThis.clearInterval,
  }
  readonly #dateNow = Date.now
  readonly #performanceNow = performance.now
  readonly #started: number
  /** Milliseconds since the clock was installed. */
  now = 0

  private constructor() {
    this.#started = performance.now()
  }

  /** Takes the place of the real clock, until `uninstall`. */
  static install(): FakeClock {
    const clock = new FakeClock()
    clock.#install()
    return clock
  }

  /** Lets so many milliseconds pass; what is due runs in its order, each with what follows from it. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.now + milliseconds
    await this.#turn()
    for (let timer = this.#next(end); timer; timer = this.#next(end)) {
      this.now = Math.max(this.now, timer.due)
      if (timer.interval === undefined) this.#timers.delete(timer)
      else timer.due += timer.interval
      timer.run()
      await this.#turn()
    }
    this.now = end
  }

  /** Gives the real clock back; timers that have not run never will. */
  uninstall(): void {
    Object.assign(globalThis, this.#real)
    Date.now = this.#dateNow
    performance.now = this.#performanceNow
    this.#timers.clear()
  }

  /** For the timers. */
  add(timer: FakeTimer): void {
    this.#timers.add(timer)
  }

  /** For the timers. */
  remove(timer: FakeTimer): void {
    this.#timers.delete(timer)
  }

  #install(): void {
    const make =
      (repeats: boolean) =>
      (run: (...given: unknown[]) => void, delay = 0, ...given: unknown[]) => {
        const timer = new FakeTimer(this, () => run(...given), delay, repeats)
        this.add(timer)
        return timer
      }
    const clear = (timer: unknown) => {
      if (timer instanceof FakeTimer) this.remove(timer)
      else this.#real.clearTimeout(timer as NodeJS.Timeout)
    }
    Object.assign(globalThis, {
      setTimeout: make(false),
      setInterval: make(true),
      clearTimeout: clear,
      clearInterval: clear,
    })
    const [date, start] = [this.#dateNow.call(Date), this.#started]
    Date.now = () => date + this.now
    performance.now = () => start + this.now
  }

  #next(end: number): FakeTimer | undefined {
    const due = [...this.#timers].filter((timer) => timer.due <= end)
    return due.sort((a, b) => a.due - b.due)[0]
  }

  /** Promises that follow, and what sockets have to say. */
  async #turn(): Promise<void> {
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
}
