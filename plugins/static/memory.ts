import type { StoredFile } from './stored-file.ts'

/** Larger files are read into memory only when they are asked for again soon. */
const SMALL = 1_048_576
/** In milliseconds. */
const SOON = 10_000
/** Large files whose last request is remembered. */
const MOST_SEEN = 1000

/** Files in memory, within a budget. What was not used since the last look goes first. */
export class Memory {
  readonly #budget: number
  readonly #files = new Map<string, StoredFile>()
  /** Large files, and when they were asked for. */
  readonly #seen = new Map<string, number>()
  readonly #reading = new Set<string>()
  #readingBytes = 0
  #bytes = 0
  /** Of files that were dropped and are still on their way to somebody. */
  #leaving = 0
  /** Called for a file that is no longer here. */
  dropped: (file: StoredFile) => void = () => {}

  constructor(budget: number) {
    this.#budget = budget
  }

  /** All that is held on behalf of files. */
  get bytes(): number {
    return this.#bytes + this.#leaving
  }

  /**
   * Whether a file is to be read into memory: it is worth it, nobody else is at it, and there is room for what is being
   * read and compressed. `release` follows.
   */
  reserve(key: string, size: number): boolean {
    if (this.#reading.has(key) || !this.#isWorth(key, size)) return false
    if (size + this.#leaving + this.#readingBytes > this.#budget) return false
    this.#reading.add(key)
    this.#readingBytes += size
    return true
  }

  /** It is here, or is not to be. */
  release(key: string, size: number): void {
    this.#reading.delete(key)
    this.#readingBytes -= size
  }

  /** One must not push all others out. */
  #isWorth(key: string, size: number): boolean {
    if (size > this.#budget / 4) return false
    if (size <= SMALL) return true
    const now = performance.now()
    const before = this.#seen.get(key)
    this.#seen.delete(key)
    if (before !== undefined && now - before < SOON) return true
    this.#seen.set(key, now)
    if (this.#seen.size > MOST_SEEN) this.#seen.delete(this.#seen.keys().next().value as string)
    return false
  }

  get(key: string): StoredFile | undefined {
    const file = this.#files.get(key)
    if (file) file.wasUsed = true
    return file
  }

  has(file: StoredFile): boolean {
    return this.#files.get(file.key) === file
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
    this.#leaving += file.bytes
    file.leave(() => {
      this.#leaving -= file.bytes
    })
    this.dropped(file)
  }

  #makeRoom(): void {
    for (const [key, file] of this.#files) {
      if (this.bytes <= this.#budget) return
      if (file.wasUsed) {
        file.wasUsed = false // once more around
        this.#files.delete(key)
        this.#files.set(key, file)
      } else this.drop(key)
    }
  }
}
