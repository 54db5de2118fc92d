import type { AnyGeneration } from './role.ts'

/** A reload waits where as many generations before it still drain: each has workers of its own. */
const MOST = 4

/** Generations that were replaced and still answer what they had taken. */
export class Retiring {
  readonly #all = new Set<Promise<void>>()

  /** @param report is told what could not be undone. */
  add(
    generation: AnyGeneration,
    grace: Promise<void>,
    report: (errors: readonly Error[]) => void,
  ): void {
    const retired = generation.retire(grace).then((errors) => {
      this.#all.delete(retired)
      report(errors)
    })
    this.#all.add(retired)
  }

  /** Resolves when there is room for one more. */
  async room(): Promise<void> {
    while (this.#all.size >= MOST) await Promise.race(this.#all)
  }

  async done(): Promise<void> {
    await Promise.all(this.#all)
  }
}
