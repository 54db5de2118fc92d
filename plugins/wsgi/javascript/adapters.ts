import { pathToFileURL } from 'node:url'
import type { Application, FetchHandler, NodeHandler } from './application.ts'
import { fromFetch } from './fetch-adapter.ts'
import type { Kind } from './kind.ts'
import { fromNodeHandler } from './node-adapter.ts'

type Routing = { ready(): PromiseLike<unknown>; routing: NodeHandler; close?(): unknown }

/** Makes a WSGI-style application of any that is known. `folder`: where it lies, and its own Fastify. */
export async function adapt(value: unknown, kind: Kind, folder: string): Promise<Application> {
  if (kind === 'wsgi') return value as Application
  if (kind === 'fetch') return fromFetch(fetchOf(value))
  return fromNodeHandler(await nodeHandlerOf(value, kind, folder))
}

export function fetchOf(value: unknown): FetchHandler {
  const { fetch } = value as { fetch?: FetchHandler }
  return fetch ? (request) => fetch.call(value, request) : (value as FetchHandler)
}

/** The `(request, response)` function of a Connect or Express application, or of a Fastify one that is made ready. */
export async function nodeHandlerOf(
  value: unknown,
  kind: 'node' | 'fastify',
  folder: string,
): Promise<NodeHandler> {
  if (kind === 'node') return value as NodeHandler
  const instance = 'routing' in (value as object) ? (value as Routing) : await host(value, folder)
  await instance.ready()
  return (request, response) => instance.routing(request, response)
}

/** A Fastify plugin needs an instance around it: of the application's own Fastify, where it has one. */
async function host(plugin: unknown, folder: string): Promise<Routing> {
  const { default: Fastify } = await importFrom(folder)
  const instance = Fastify()
  instance.register(plugin as never)
  return instance as unknown as Routing
}

type FastifyModule = { readonly default: typeof import('fastify').default }

async function importFrom(folder: string): Promise<FastifyModule> {
  const { createRequire } = await import('node:module')
  try {
    const file = createRequire(`${folder}/x.js`).resolve('fastify')
    return (await import(pathToFileURL(file).href)) as FastifyModule
  } catch {
    return import('fastify') // ours
  }
}
