import { CORE } from './core-part.ts'
import { FakeFront, type WorkerUnderTest } from './fake-front.ts'
import { FULL } from './full-part.ts'

/** One thing that docs/worker-protocol.md asks of a worker. */
export interface Check {
  /** A sentence of behaviour. */
  readonly name: string
  readonly part: 'core' | 'full'
  /** Throws where the worker does otherwise. */
  run(): Promise<void>
}

export interface CheckDefinition {
  readonly name: string
  /** Of the configuration line; `app: 'broken'` stands for the app that cannot be loaded. */
  readonly configuration?: Readonly<Record<string, unknown>>
  /** How many workers are booted before `run`; 0: none, and the pipes are not open. */
  readonly workers?: number
  run(front: FakeFront): Promise<void>
}

/**
 * The worker protocol as a list of checks, for the test runner of your choice. Each starts the spawner anew, with the
 * conformance application that docs/javascript-apps.md describes. `core` is what a worker cannot do without.
 */
export const workerConformance = (worker: WorkerUnderTest): Check[] => [
  ...CORE.map((check) => bind(check, 'core', worker)),
  ...FULL.map((check) => bind(check, 'full', worker)),
]

const bind = (check: CheckDefinition, part: Check['part'], worker: WorkerUnderTest): Check => ({
  name: check.name,
  part,
  async run() {
    const { workers = 1, configuration = {} } = check
    const isBroken = configuration.app === 'broken'
    const { app: _, ...rest } = configuration
    const changed = isBroken ? { ...rest, app: worker.brokenApp } : rest
    const front = new FakeFront(worker, changed)
    try {
      if (workers > 0) await front.boot(workers)
      await check.run(front)
    } finally {
      await front.close()
    }
  },
})
