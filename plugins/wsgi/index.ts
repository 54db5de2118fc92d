import { resolve } from 'node:path'
import {
  type Core,
  definePlugin,
  type EngineResponse,
  isTapped,
  type OptionsOf,
  type PluginUse,
  version,
} from '../../core/index.ts'
import type {} from '../reload/index.ts'
import type {} from '../static/index.ts'
import type { Runtime, WorkerPool } from '../workers/index.ts'
import { NoApplication } from './errors.ts'
import { Exchange, type Setting } from './exchange.ts'
import type { Application, FetchHandler, NodeHandler } from './javascript/application.ts'
import { serveInFront } from './javascript/in-front.ts'
import { INTERFACES } from './javascript/kind.ts'
import { KnownHeads } from './known-heads.ts'
import { LAST } from './last.ts'
import { isJavaScript, nodeRuntime } from './node-runtime.ts'
import { restoreRequest, routableUrl } from './odd-requests.ts'
import { findPython, SPAWNER } from './python.ts'
import { Storage } from './storage.ts'

const name = 'wsgi'
/** From the order to stop until a worker is killed, in milliseconds. Requests have been waited for before. */
const STOP_GRACE = 2000

const config = {
  app: {
    doc: 'The application, MODULE:NAME or ./FILE.js:NAME; the command line gives it as APP.',
    format: 'text',
    default: null as string | null,
    nullable: true,
    env: 'WSGI_CORE_APP',
  },
  interface: {
    doc: "What an application in JavaScript is: WSGI-style, a Fastify app or plugin, a (req, res) handler, a fetch handler; 'auto' tells by its shape.",
    format: INTERFACES,
    default: 'auto',
    arg: 'interface',
  },
  python: {
    doc: 'Python interpreter or virtual environment. Default: VIRTUAL_ENV, .venv, python3.',
    format: 'text',
    default: null as string | null,
    nullable: true,
    arg: 'python',
    metavar: 'PATH',
  },
  pythonpath: {
    doc: 'Folders put before sys.path. Repeatable, or separated by commas.',
    format: 'texts',
    default: [] as string[],
    arg: 'pythonpath',
    metavar: 'FOLDERS',
  },
  env: {
    doc: 'Environment variable for the application. Repeatable.',
    format: 'pairs',
    default: [] as string[],
    arg: 'env',
    short: 'e',
  },
  rootPath: {
    doc: 'Path under which the application is mounted: its SCRIPT_NAME. Requests outside of it get 500.',
    format: 'rootPath',
    default: '',
    arg: 'root-path',
    envAliases: { SCRIPT_NAME: (path: string) => path },
  },
  sendfile: {
    doc: 'The server itself sends the files of wsgi.file_wrapper; with --no-sendfile the worker reads them.',
    format: 'flag',
    default: true,
    arg: 'sendfile',
    envAliases: { SENDFILE: (word: string) => String(/^(y|1|yes|true)$/i.test(word)) },
  },
  shareImports: {
    doc: 'Libraries that the application imports first are loaded before the workers are forked, and shared.',
    format: 'flag',
    default: true,
    arg: 'share-imports',
  },
  requestBuffering: {
    doc: 'Requests reach a worker only once their body is here; with --no-request-buffering the worker reads it.',
    format: 'flag',
    default: true,
    arg: 'request-buffering',
  },
  tmpUploadDir: {
    doc: 'Folder for request bodies and answers that are too large for memory. Default: that of TMPDIR.',
    format: 'text',
    default: null as string | null,
    nullable: true,
  },
  clientBodyTimeout: {
    doc: 'Seconds that may pass between two pieces of a request body; past it the answer is 408.',
    format: 'seconds',
    default: 60,
    arg: 'client-body-timeout',
  },
} as const

type WsgiOptions = {
  readonly app: string | null
  readonly interface: (typeof INTERFACES)[number]
  readonly python: string | null
  readonly pythonpath: readonly string[]
  readonly env: readonly string[]
  readonly shareImports: boolean
  readonly sendfile: boolean
}

/** Serves a WSGI application (PEP 3333) in the workers' pool. */
const inWorkers = definePlugin({
  name,
  dependencies: ['workers', 'reload', 'proxy'],
  config,
  apply(core, options) {
    if (options.app === null) throw new NoApplication()
    let pool: WorkerPool
    let spools: string | undefined
    core.hooks.prepare.tap(name, () => {
      pool = core.service('workers').createPool(runtimeOf(core, options))
      core.defer(name, () => pool.stop(STOP_GRACE))
      if (options.tmpUploadDir !== null) spools = makeSpools(core, options.tmpUploadDir)
      pool.launch()
    })
    core.hooks.beforeListen.tapPromise(name, () => becomeReady(core, pool, options.pythonpath))
    core.hooks.fastifyOptions.tap(name, (options) => ({ rewriteUrl: routableUrl, ...options }))
    let shared: Setting | undefined
    const setting = () => {
      shared ??= createSetting(core, pool, spools ?? pool.directory, options)
      return shared
    }
    core.hooks.handle.tap(LAST, ({ raw }, reply) => {
      restoreRequest(raw)
      reply.hijack()
      new Exchange(raw, reply.raw as EngineResponse, setting(), reply).start()
      return true
    })
    core.hooks.handleRaw.tap(LAST, (request, response) => {
      new Exchange(request, response, setting()).start()
      return true
    })
    core.hooks.beforeRetire.tapPromise(name, () => pool.stop(STOP_GRACE))
  },
})

type Given = OptionsOf<typeof inWorkers>
type InFront<Kind> = Pick<Given, 'rootPath'> & { readonly interface?: Kind }

interface Wsgi {
  /** Serves a function, WSGI-style, in this process. */
  (app: Application, options?: InFront<'auto' | 'wsgi'>): PluginUse
  /** Serves a Connect or Express handler in this process. */
  (app: NodeHandler, options: InFront<'node'>): PluginUse
  /** Serves a fetch handler in this process. */
  (app: FetchHandler | { fetch: FetchHandler }, options: InFront<'fetch'>): PluginUse
  /** Serves a Fastify application or plugin in this process. */
  (app: object, options: InFront<'fastify'>): PluginUse
  /** Serves an application in workers, `wsgi({ app: 'hello:app' })`. */
  (options?: Given): PluginUse
}

/** Has an `app` that is a value, not a target. */
const IN_FRONT = { rootPath: config.rootPath, interface: config.interface }

const inFront = (app: unknown) =>
  definePlugin({
    name,
    config: IN_FRONT,
    apply: (core, options) => serveInFront(core, app, options),
  })

const isOptions = (value: unknown, more: unknown) =>
  value === undefined || (typeof value !== 'function' && more === undefined && !isApp(value))

const isApp = (value: unknown) => typeof (value as { routing?: unknown }).routing === 'function'

const wsgi = ((first?: unknown, more?: object) =>
  isOptions(first, more) ? inWorkers(first as Given) : inFront(first)(more as never)) as Wsgi &
  typeof inWorkers

for (const key of ['name', 'config', 'dependencies', 'apply', 'supervise'] as const) {
  Object.defineProperty(wsgi, key, { value: inWorkers[key] })
}

/** WSGI applications: `wsgi({ app: 'hello:app' })` in workers, `wsgi(app)` in this process. */
export default wsgi

export type {
  Application,
  Environ as JavaScriptEnviron,
  FetchHandler,
  Header,
  Input,
  NodeHandler,
  StartResponse,
} from './javascript/application.ts'

declare module '../../core/index.ts' {
  interface Sections {
    wsgi?: OptionsOf<typeof inWorkers>
  }
}

/** Python or Node, by the target. */
const runtimeOf = (core: Core, options: WsgiOptions): Runtime =>
  isJavaScript(options.app ?? '')
    ? nodeRuntime(core, variablesOf(options), options)
    : pythonRuntime(core, options)

const variablesOf = ({ env }: WsgiOptions) => ({
  ...process.env,
  ...Object.fromEntries(env.map(splitPair)),
})

/** Where the application is developed, one that cannot be loaded is shown as it is. */
async function becomeReady(core: Core, pool: WorkerPool, pythonpath: readonly string[]) {
  try {
    await pool.ready(core.signal)
  } catch (error) {
    const development = core.service('reload')
    if (!development || core.signal.aborted) throw error
    await pool.stop(0)
    development.show(error as Error, [
      core.cwd,
      ...pythonpath.map((each) => resolve(core.cwd, each)),
    ])
  }
}

function pythonRuntime(core: Core, options: WsgiOptions): Runtime {
  const { app, python, pythonpath, shareImports, sendfile } = options
  const development = core.service('reload')
  const variables = variablesOf(options)
  return {
    command: findPython(python, core.cwd, variables),
    args: [SPAWNER, ...(core.options.procName ? [core.options.procName] : [])],
    cwd: core.cwd,
    env: variables,
    app: { target: app, chdir: core.cwd, pythonpath, share_imports: shareImports, sendfile },
    environ: { SERVER_SOFTWARE: `wsgi-core/${version}` },
    watch: development && ((files) => development.watch(files)),
  }
}

/** gunicorn takes the prefix from there too. */
const scriptName = (env: readonly string[]) =>
  (Object.fromEntries(env.map(splitPair)).SCRIPT_NAME ?? '').replace(/\/+$/, '')

/** A private folder in the one that is configured, which starts at the server's current folder. */
function makeSpools(core: Core, parent: string): string {
  const folder = core.service('workers').createFolder(resolve(core.cwd, parent))
  core.defer(name, () => folder.remove())
  return folder.path
}

function splitPair(pair: string): [string, string] {
  const [key = ''] = pair.split('=', 1)
  return [key, pair.slice(key.length + 1)]
}

function createSetting(
  core: Core,
  pool: WorkerPool,
  spools: string,
  options: {
    clientBodyTimeout: number
    env: readonly string[]
    requestBuffering: boolean
    rootPath: string
  },
): Setting {
  const log = core.logger(name)
  const storage = new Storage(spools, log)
  return {
    pool,
    rootPath: options.rootPath || scriptName(options.env),
    hooks: core.hooks,
    log,
    storage,
    heads: new KnownHeads(),
    body: {
      storage,
      limit: core.options.limitRequestBody || Number.POSITIVE_INFINITY,
      timeout: options.clientBodyTimeout * 1000,
    },
    buffering: options.requestBuffering,
    errorPage: core.service('reload')?.errorPage,
    files: core.findService('static'),
    observesEnviron: isTapped(core.hooks.environ),
    observesResponse: isTapped(core.hooks.response),
  }
}
