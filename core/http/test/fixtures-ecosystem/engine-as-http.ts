import http from 'node:http'
import { syncBuiltinESMExports } from 'node:module'
import type { Socket } from 'node:net'
import { adoptExpress } from '../../adopt.ts'
import type { Door } from '../../door.ts'
import { createEngineServer } from '../../engine.ts'

/**
 * Loaded before a peer's test suite: each server of node:http, and so of Fastify, runs on the engine. Servers answer
 * as those of node:http do, by 'request' and 'upgrade' events.
 *
 *   node --import tsx --import ./core/http/test/fixtures-ecosystem/engine-as-http.ts SUITE
 */
type Listener = (...args: unknown[]) => void

function createServer(options: unknown, listener?: Listener): http.Server {
  const handler = typeof options === 'function' ? (options as Listener) : listener
  const idle = new Set<Socket>()
  let timeout = 0
  const door: Door = {
    keepAlive: 5000,
    serve: (request, response) => {
      const { socket } = request
      idle.delete(socket)
      if (timeout > 0) request.setTimeout(timeout)
      response.on('close', () => {
        idle.add(socket)
        if (timeout > 0) socket.setTimeout(0)
      })
      server.emit('request', request, response)
    },
    takesUpgrades: () => server.listenerCount('upgrade') > 0,
    upgrade: (request, socket, head) => void server.emit('upgrade', request, socket, head),
  }
  const { maxHeaderSize: head } = Object(options) as { maxHeaderSize?: number }
  const server = createEngineServer(door, { body: 0, ...(head !== undefined && { head }) })
  if (handler) server.on('request', handler)
  const { close } = server
  const closeAtOnce: typeof close = (callback) => {
    // the engine leaves them a moment, for requests that are on their way, and each test would wait for that
    for (const socket of idle) socket.destroy()
    return close(callback)
  }
  const setTimeout = (milliseconds: number) => {
    timeout = milliseconds
    return server
  }
  const defaults = { keepAliveTimeout: 5000, requestTimeout: 0, headersTimeout: 60_000, timeout: 0 }
  const like = { ...defaults, maxRequestsPerSocket: 0, setTimeout, close: closeAtOnce }
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
