// Clients that ask again and again, and count what they get.
import { Agent } from 'node:http'
import type { ServerProcess } from '../../../../test/helpers/server-process.ts'

export interface LoadOptions {
  readonly path: string
  readonly method?: string
  readonly body?: string
  readonly clients: number
}

/** Clients over kept connections, each of which asks anew once it is answered. */
export class Load {
  /** How often each status came; `error` for a connection that broke. */
  readonly counts: Record<string, number> = {}
  readonly #server: ServerProcess
  readonly #options: LoadOptions
  readonly #agent = new Agent({ keepAlive: true })
  readonly #clients: Promise<void>[]
  #running = true

  constructor(server: ServerProcess, options: LoadOptions) {
    this.#server = server
    this.#options = options
    this.#clients = Array.from({ length: options.clients }, () => this.#ask())
  }

  /** Answers so far. */
  get total(): number {
    return Object.values(this.counts).reduce((sum, count) => sum + count, 0)
  }

  /** How many were other than 200. */
  get failed(): number {
    return this.total - (this.counts[200] ?? 0)
  }

  async stop(): Promise<void> {
    this.#running = false
    await Promise.all(this.#clients)
    this.#agent.destroy()
  }

  async #ask(): Promise<void> {
    const { path, method = 'GET', body } = this.#options
    while (this.#running) {
      const options = { method, agent: this.#agent, ...(body !== undefined && { body }) }
      const status = await this.#server.request(path, options).then(
        (reply) => String(reply.status),
        () => 'error',
      )
      this.counts[status] = (this.counts[status] ?? 0) + 1
    }
  }
}
