import type { Logger } from 'pino'
import { type FrontLink, type FrontLinks, toPlain } from '../../core/index.ts'
import type { ToFront, ToSupervisor } from './front-messages.ts'
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
      (from, body) => this.#receive(from, plugin, body as ToSupervisor),
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

  /** What goes wrong here costs the generation that is being built, not the server. */
  #receive(from: FrontLink, plugin: string, message: ToSupervisor): void {
    try {
      this.#pool(message)?.receive(from, plugin, message)
    } catch (error) {
      const { pool } = message
      from.send(plugin, { type: 'failed', pool, error: toPlain(error) } satisfies ToFront)
      from.send(plugin, { type: 'ended', pool } satisfies ToFront)
    }
  }

  #pool(message: ToSupervisor): SharedPool | undefined {
    const known = this.#pools.get(message.pool)
    if (known || message.type !== 'join') return known
    const pool = new SharedPool(this.#options, message, this.#log)
    this.#pools.set(message.pool, pool)
    return pool
  }
}
