import type { StoredFile } from './stored-file.ts'

/** Files in memory, within a budget. What was not used since the last look goes first. */
export class Memory {
  readonly #budget: number
  readonly #files = new Map<string, StoredFile>()
  #bytes = 0
  /** Called for a file that is no longer here. */
  dropped: (file: StoredFile) => void = () => {}

  constructor(budget: number) {
    this.#budget = budget
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Larger files are not kept: one of them must not push all others out. */
  get largest(): number {
    return Math.min(1_048_576, this.#budget / 8)
  }

  get(key: string): StoredFile | undefined {
    const file = this.#files.get(key)
    if (file) file.wasUsed = true
    return file
  }

  put(file: StoredFile): void {
    this.drop(file.key)
    this.#files.set(file.key, file)
    this.#bytes += file.bytes
    this.#makeRoom()
  }

  drop(key: string): void {
    const file = this.#files.get(key)
    if (file === undefined) return
    this.#files.delete(key)
    this.#bytes -= file.bytes
    this.dropped(file)
  }

  #makeRoom(): void {
    for (const [key, file] of this.#files) {
      if (this.#bytes <= this.#budget) return
      if (file.wasUsed) {
        file.wasUsed = false // once more around
        this.#files.delete(key)
        this.#files.set(key, file)
      } else this.drop(key)
    }
  }
}
