import { realpath } from 'node:fs/promises'

/** How long a path that was found is believed, in milliseconds. */
const BELIEVED = 1000

/** A folder by the path that was configured, which may lead elsewhere after a deployment. */
export class RealFolder {
  /** Without a slash at its end: empty for `/`. */
  readonly path: string
  #real = ''
  #time = Number.NEGATIVE_INFINITY

  constructor(path: string) {
    this.path = path === '/' ? '' : path
  }

  /** Where it is, without any symbolic link, nor a slash at its end. */
  async real(): Promise<string> {
    const now = performance.now()
    if (now - this.#time > BELIEVED) {
      const real = await realpath(this.path || '/')
      this.#real = real === '/' ? '' : real
      this.#time = now
    }
    return this.#real
  }
}
