import { availableParallelism } from 'node:os'
import { type Core, definePlugin, type OptionsOf } from '../../core/index.ts'
import type { ToFront } from './front-messages.ts'
import { FrontPool } from './front-pool.ts'
import { type Pool, type PoolOptions, WorkerPool } from './pool.ts'
import { RuntimeDirectory } from './runtime-directory.ts'
import { SharedPools } from './shared-pools.ts'
import type { Runtime } from './spawner.ts'

export type { Body, Failure, HandedFile, Job, Source } from './job.ts'
export type { Pool as WorkerPool } from './pool.ts'
export type { Runtime } from './spawner.ts'

const name = 'workers'

/** What the plugin offers to those that know a language. */
export interface Workers {
  /** Makes a pool of workers for this runtime with the configured numbers; nothing runs before its `launch`. */
  createPool(runtime: Runtime): Pool
  /** Makes a private folder in `parent`; who asks for it removes it. That of a server that was killed is removed here. */
  createFolder(parent: string): { readonly path: string; remove(): void }
  /** Whether a worker takes requests now; also where there is no pool, whose workers one could miss. */
  readonly areServing: boolean
}

declare module '../../core/index.ts' {
  interface Services {
    workers: Workers
  }
  interface Sections {
    workers?: OptionsOf<typeof workers>
  }
}

/** The worker pool: processes behind one queue, watched over and replaced. Knows no language. */
const workers = definePlugin({
  name,
  config: {
    count: {
      doc: "Worker processes; 'auto' for one per processor core.",
      format: 'count',
      default: 1 as number | 'auto',
      arg: 'workers',
      short: 'w',
      envAliases: { WEB_CONCURRENCY: (count: string) => count },
    },
    threads: {
      doc: 'Threads of each worker, each of which executes one request at a time.',
      format: 'positive',
      default: 1,
      arg: 'threads',
    },
    workerClass: {
      doc: "gunicorn's name for the kind of worker, sync or gthread; what differs is set by --threads.",
      format: 'workerClass',
      default: 'sync',
      arg: 'worker-class',
      short: 'k',
      metavar: 'KIND',
    },
    timeout: {
      doc: 'Seconds that a request may take before its worker is ended; 0: no limit.',
      format: 'seconds',
      default: 30,
      arg: 'timeout',
      short: 't',
    },
    maxRequests: {
      doc: 'Requests after which a worker is replaced; 0: never.',
      format: 'natural',
      default: 0,
      arg: 'max-requests',
    },
    maxRequestsJitter: {
      doc: 'Random number up to which is added to max-requests, so that workers are not replaced all at once.',
      format: 'natural',
      default: 0,
      arg: 'max-requests-jitter',
    },
    maxWorkerMemory: {
      doc: 'Memory (RSS) past which a worker is replaced after its request, as in 512M or 2G; 0: no limit.',
      format: 'memory',
      default: 0,
      arg: 'max-worker-memory',
    },
    preload: {
      doc: 'Load the application once, before the workers are forked: quicker starts, shared memory.',
      format: 'flag',
      default: false,
      arg: 'preload',
    },
    retrySafe: {
      doc: 'Execute a request once more, in another worker, when its worker died: where its method is safe (GET, HEAD, OPTIONS, TRACE) and nothing of its answer was seen.',
      format: 'flag',
      default: false,
      arg: 'retry-safe',
    },
    quickLane: {
      doc: 'Keep an eighth of the threads, one at least, for paths that have not been slow; --no-quick-lane turns it off.',
      format: 'flag',
      default: true,
      arg: 'quick-lane',
    },
    captureOutput: {
      doc: 'What the application prints goes to the error log, with the pid of its worker.',
      format: 'flag',
      default: false,
      arg: 'capture-output',
    },
    queueLimit: {
      doc: 'Requests that may wait for a worker, divided among the fronts; past it the answer is 503.',
      format: 'natural',
      default: 2048,
      arg: 'queue-limit',
    },
  },
  apply(core, options) {
    const log = core.logger(name)
    const settings = settingsOf(core, options)
    const { supervisor } = core.links
    if (!supervisor) announce(core, options)
    const pools: Pool[] = []
    const kept = (pool: Pool) => {
      pools.push(pool)
      return pool
    }
    const frontPools: FrontPool[] = []
    supervisor?.listen(name, (message) =>
      frontPools[(message as ToFront).pool]?.receive(message as ToFront),
    )
    core.provide(name, {
      createPool(runtime) {
        if (!supervisor) {
          const pool = new WorkerPool(settings, runtime, log)
          core.hooks.resize.tap(name, (delta) => pool.resize(delta))
          return kept(pool)
        }
        const pool = frontPools.length
        const say = (message: object) => supervisor.send(name, { ...message, pool })
        const made = new FrontPool(settings, runtime, log, supervisor, say)
        frontPools.push(made)
        return kept(made)
      },
      createFolder: (parent) => new RuntimeDirectory(parent),
      get areServing() {
        return pools.every(({ isServing }) => isServing)
      },
    })
  },
  supervise(core, options) {
    announce(core, options)
    const { fronts } = core.links
    if (!fronts) return
    const pools = new SharedPools(name, fronts, settingsOf(core, options), core.logger(name))
    core.hooks.resize.tap(name, (delta) => pools.resize(delta))
    core.defer(name, () => pools.stop(0))
  },
})

export default workers

/** As gunicorn says it: with several threads, sync means gthread. */
const kindOf = (options: { workerClass: string; threads: number }) =>
  options.threads > 1 ? 'gthread' : options.workerClass

type WorkerOptions = Omit<PoolOptions, 'count' | 'gracefulTimeout' | 'generation' | 'lost'> & {
  readonly count: number | 'auto'
  readonly workerClass: string
}

const settingsOf = (core: Core, settings: WorkerOptions): PoolOptions => ({
  ...settings,
  count: settings.count === 'auto' ? availableParallelism() : settings.count,
  gracefulTimeout: core.options.gracefulTimeout,
  generation: core.generation,
  lost: () => {
    core.reload().catch((err) => {
      core.logger(name).error({ err }, 'the reload failed; the server goes on as it was')
    })
  },
})

function announce(core: Core, options: WorkerOptions): void {
  if (core.generation === 1) core.logger(name).info(`Using worker: ${kindOf(options)}`)
}
