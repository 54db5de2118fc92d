import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  adoptExpress,
  type Core,
  type EngineResponse,
  isTapped,
  version,
} from '../../../core/index.ts'
import { LAST } from '../last.ts'
import { restoreRequest, routableUrl } from '../odd-requests.ts'
import { renderPage } from '../page.ts'
import { adapt, nodeHandlerOf } from './adapters.ts'
import type { Application, NodeHandler } from './application.ts'
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
  const serve = (request: IncomingMessage, response: ServerResponse) => {
    const fail = (error: unknown) => {
      core.logger(name).error({ err: error }, 'Error handling request')
      if (response.headersSent) response.destroy()
      else sendPage(response, 500)
    }
    const next = (error?: unknown) => {
      if (error) fail(error)
      else if (!response.headersSent) sendPage(response, 404)
    }
    void attempt(() => handler(request, response, next), fail)
    return true as const
  }
  core.hooks.handle.tap(LAST, ({ raw }, reply) => {
    restoreRequest(raw)
    reply.hijack()
    return serve(raw, reply.raw)
  })
  core.hooks.handleRaw.tap(LAST, serve)
}

function sendPage(response: ServerResponse, status: number): void {
  const { page, headers } = renderPage(status, true)
  for (const name of response.getHeaderNames()) response.removeHeader(name) // they are another body's
  response.writeHead(status, headers).end(page)
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
  let made: FrontSetting | undefined
  const setting = () => {
    made ??= createSetting(core, adapted, rootPath)
    return made
  }
  core.hooks.handle.tap(LAST, ({ raw }, reply) => {
    restoreRequest(raw)
    reply.hijack()
    new FrontExchange(raw, reply.raw as EngineResponse, setting(), reply).start()
    return true
  })
  core.hooks.handleRaw.tap(LAST, (request, response) => {
    new FrontExchange(request, response, setting()).start()
    return true
  })
}

const createSetting = (core: Core, app: Application, rootPath: string): FrontSetting => ({
  app,
  rootPath,
  base: {
    software: `wsgi-core/${version}`,
    generation: core.generation,
    multithread: true,
    multiprocess: false,
  },
  hooks: core.hooks,
  log: core.logger(name),
  observesEnviron: isTapped(core.hooks.environ),
  observesResponse: isTapped(core.hooks.response),
  files: core.findService('static'),
})
