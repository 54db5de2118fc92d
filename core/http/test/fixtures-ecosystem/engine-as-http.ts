import http from 'node:http'
import { syncBuiltinESMExports } from 'node:module'
import { adoptExpress } from '../../adopt.ts'
import { createEngineServer } from '../../engine.ts'

/**
 * Loaded before a peer's test suite: each server of node:http, and so of Fastify, runs on the engine. Servers answer
 * as those of node:http do, by 'request' and 'upgrade' events.
 *
 *   node --import tsx --import ./core/http/test/fixtures-ecosystem/engine-as-http.ts --test SUITE
 */
type Listener = (...args: unknown[]) => void

function createServer(options: unknown, listener?: Listener): http.Server {
  const handler = typeof options === 'function' ? (options as Listener) : listener
  const server = createEngineServer({
    keepAlive: 5000,
    serve: (request, response) => server.emit('request', request, response),
    takesUpgrades: () => server.listenerCount('upgrade') > 0,
    upgrade: (request, socket, head) => server.emit('upgrade', request, socket, head),
  })
  if (handler) server.on('request', handler)
  const defaults = { keepAliveTimeout: 5000, requestTimeout: 0, headersTimeout: 60_000, timeout: 0 }
  const like = { ...defaults, maxRequestsPerSocket: 0, setTimeout: () => server }
  return Object.assign(server, like) as unknown as http.Server
}

const original = http.createServer
http.createServer = ((options: unknown, listener?: Listener) =>
  isOwn(options) ? original(options as never, listener) : createServer(options, listener)) as never
syncBuiltinESMExports()

/** Suites that hand in a response class of their own mean node:http. */
const isOwn = (options: unknown): boolean =>
  typeof options === 'object' && options !== null && 'ServerResponse' in options

const { default: express } = await import('express')
adoptExpress(express as never)
