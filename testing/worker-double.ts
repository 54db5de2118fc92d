import { definePlugin } from '../core/index.ts'
import type {} from '../plugins/reload/index.ts'
import type { Job, WorkerPool } from '../plugins/workers/index.ts'

/** What a double's worker is asked. */
export interface DoubleRequest {
  readonly environ: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** What it answers: an answer, or why there is none. */
export type DoubleAnswer =
  | {
      readonly status?: string
      readonly headers?: readonly (readonly [name: string, value: string])[]
      readonly body?: string | Buffer
    }
  | 'died'
  | 'timeout'
  | 'overloaded'

export type DoubleHandler = (request: DoubleRequest) => DoubleAnswer | Promise<DoubleAnswer>

/**
 * Stands for the plugin `workers`: no process starts, and each request of the `wsgi` plugin is answered by a function.
 * For tests of plugins that look at what goes to an application and what comes from it.
 * @example createTestServer({ plugins: [workerDouble(() => ({ body: 'hello' })), wsgi({ app: 'any:app' })] })
 */
export const workerDouble = (handler: DoubleHandler) =>
  definePlugin({
    name: 'workers',
    apply(core) {
      core.provide('workers', {
        createPool: () => new PoolDouble(handler),
        createFolder: () => {
          throw new Error('a worker double makes no folders')
        },
        areServing: true,
      })
    },
  })

class PoolDouble implements WorkerPool {
  readonly directory = '/nonexistent'
  readonly isServing = true
  readonly #handler: DoubleHandler

  constructor(handler: DoubleHandler) {
    this.#handler = handler
  }

  launch(): void {}

  async ready(): Promise<void> {}

  dispatch(job: Job): void {
    void this.#answer(job)
  }

  cancel(): void {}

  async stop(): Promise<void> {}

  async #answer(job: Job): Promise<void> {
    try {
      const answer = await this.#handler({ environ: environOf(job.environ), body: bodyOf(job) })
      if (typeof answer === 'string') return job.fail(answer)
      const { status = '200 OK', headers = [], body = '' } = answer
      const bytes = Buffer.from(body)
      job.whole([status, ...headers.flat()].join('\0'), bytes, 0, bytes.length, false)
    } catch {
      job.whole('500 Internal Server Error', Buffer.alloc(0), 0, 0, true)
    }
  }
}

function environOf(text: string): Record<string, string> {
  const parts = text.split('\0')
  const environ: Record<string, string> = {}
  for (let at = 0; at + 1 < parts.length; at += 2)
    environ[parts[at] as string] = parts[at + 1] ?? ''
  return environ
}

function bodyOf({ body }: Job): Buffer {
  if (body.kind === 'memory') return body.bytes
  if (body.kind === 'lent') return Buffer.from(body.bytes)
  if (body.kind === 'none') return Buffer.alloc(0)
  throw new Error('a worker double takes bodies up to 64 KiB')
}
