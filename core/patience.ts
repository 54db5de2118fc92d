/** How long a stop waits for what is under way: as long as it is told, or until somebody is in a hurry. */
export class Patience {
  #isOver = false
  #end!: () => void
  readonly #ended = new Promise<void>((resolve) => {
    this.#end = resolve
  })

  get isOver(): boolean {
    return this.#isOver
  }

  /** Nothing is waited for from now on. */
  end(): void {
    this.#isOver = true
    this.#end()
  }

  /** Resolves when waiting has been long enough. */
  wait(seconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, seconds * 1000)
      timer.unref()
      void this.#ended.then(resolve)
    })
  }
}
