import type { Logger } from 'pino'
import type { FrontLinks } from '../../core/index.ts'
import type { ToSupervisor } from './front-messages.ts'
import type { PoolOptions } from './pool.ts'
import { SharedPool } from './shared-pool.ts'

/** The pools of a generation in the process over its fronts: each is made when the first front asks for it. */
export class SharedPools {
  readonly #pools = new Map<number, SharedPool>()
  readonly #options: PoolOptions
  readonly #log: Logger

  constructor(plugin: string, links: FrontLinks, options: PoolOptions, log: Logger) {
    this.#options = options
    this.#log = log
    links.listen(
      plugin,
      (from, body) => this.#pool(body as ToSupervisor)?.receive(from, plugin, body as ToSupervisor),
      (front) => {
        for (const pool of this.#pools.values()) pool.gone(front)
      },
    )
  }

  resize(delta: number): void {
    for (const pool of this.#pools.values()) pool.resize(delta)
  }

  /** Whatever the fronts have come to: nothing is left of the pools. */
  async stop(grace: number): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.stop(grace)))
  }

  #pool(message: ToSupervisor): SharedPool | undefined {
    const known = this.#pools.get(message.pool)
    if (known || message.type !== 'join') return known
    const pool = new SharedPool(this.#options, message, this.#log)
    this.#pools.set(message.pool, pool)
    return pool
  }
}
