import { adoptExpress, type Core, isTapped, version } from '../../../core/index.ts'
import { restoreRequest, routableUrl } from '../odd-requests.ts'
import { adapt, nodeHandlerOf } from './adapters.ts'
import type { Application, NodeHandler } from './application.ts'
import { createBase } from './environ.ts'
import { FrontExchange, type FrontSetting } from './front-exchange.ts'
import { type Kind, kindOf } from './kind.ts'

const name = 'wsgi'

export interface InFrontOptions {
  readonly rootPath: string
  readonly interface: Kind | 'auto'
}

/** Serves an application that was given as a value, in this process: there are no workers. */
export function serveInFront(core: Core, app: unknown, options: InFrontOptions): void {
  const kind = options.interface === 'auto' ? (kindOf(app) ?? 'wsgi') : options.interface
  core.hooks.fastifyOptions.tap(name, (given) => ({ rewriteUrl: routableUrl, ...given }))
  if (kind === 'node' || kind === 'fastify') serveHandler(core, app, kind)
  else serveApplication(core, app, kind, options.rootPath)
}

/** A `(request, response)` function gets the engine's own. */
function serveHandler(core: Core, app: unknown, kind: 'node' | 'fastify'): void {
  let handler: NodeHandler
  core.hooks.prepare.tapPromise(name, async () => {
    handler = await nodeHandlerOf(app, kind, core.cwd)
    const { request, response } = app as { request?: object; response?: object } // Express has both
    if (request && response) adoptExpress({ request, response })
  })
  core.hooks.handle.tap(name, (request, reply) => {
    restoreRequest(request.raw)
    reply.hijack()
    const fail = (error: unknown) => {
      core.logger(name).error({ err: error }, 'Error handling request')
      if (reply.raw.headersSent) reply.raw.destroy()
      else reply.raw.writeHead(500).end()
    }
    const next = (error?: unknown) => (error ? fail(error) : reply.raw.writeHead(404).end())
    void attempt(() => handler(request.raw, reply.raw, next), fail)
    return true
  })
}

async function attempt(run: () => unknown, fail: (error: unknown) => void): Promise<void> {
  try {
    await run()
  } catch (error) {
    fail(error)
  }
}

function serveApplication(core: Core, app: unknown, kind: 'wsgi' | 'fetch', rootPath: string) {
  let adapted: Application
  core.hooks.prepare.tapPromise(name, async () => {
    adapted = await adapt(app, kind, core.cwd)
  })
  let setting: FrontSetting | undefined
  core.hooks.handle.tap(name, (request, reply) => {
    setting ??= createSetting(core, adapted, rootPath)
    restoreRequest(request.raw)
    reply.hijack()
    new FrontExchange(request, reply, setting).start()
    return true
  })
}

const createSetting = (core: Core, app: Application, rootPath: string): FrontSetting => ({
  app,
  rootPath,
  base: createBase({ SERVER_SOFTWARE: `wsgi-core/${version}` }, core.generation, {
    multithread: true,
    multiprocess: false,
  }),
  hooks: core.hooks,
  log: core.logger(name),
  observesEnviron: isTapped(core.hooks.environ),
  observesResponse: isTapped(core.hooks.response),
})
