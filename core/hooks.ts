import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify'
import {
  AsyncParallelHook,
  AsyncSeriesBailHook,
  AsyncSeriesHook,
  AsyncSeriesWaterfallHook,
  SyncBailHook,
  SyncHook,
  SyncWaterfallHook,
} from 'tapable'
import type { EngineResponse, ParsedHead } from './http/door.ts'
import type { PreparedAnswer } from './http/prepared-head.ts'
import type { ListenerSpec } from './listeners.ts'

/** What is known of a finished request: for logs and counters. */
export interface Finished {
  /** The status sent, or the one that would have been when the client left before. */
  readonly statusCode: number
  /** Body bytes handed to the socket. */
  readonly bytes: number
  /** From the parsed head to the end of the answer, in milliseconds. */
  readonly milliseconds: number
  /** When the head was parsed, in milliseconds since 1970. */
  readonly timestamp: number
  /** The same; made when it is asked for. */
  readonly time: Date
  /** False where the client left before the answer was out. */
  readonly completed: boolean
}

/** What a tap of `ready` may say of itself. */
export interface ReadyTap {
  readonly onlyRefuses?: boolean
}

/** The WSGI environ as taps see it: latin-1 strings without NUL (PEP 3333). */
export type Environ = Map<string, string>

/** A response's head while taps may still change it. `headers` keeps order and repeated names; it is made when first asked for. */
export interface ResponseHead {
  statusCode: number
  headers: [name: string, value: string][]
}

/**
 * The table of contents of the server's life. Each generation has its own set; a hook that nobody taps costs nothing
 * on the request path. Taps run in the order of the plugins' dependencies, first to last; undoing goes by
 * `core.defer`, last to first. An error names the plugin and the hook and is never turned into a warning.
 */
export const createHooks = () =>
  Object.freeze({
    /** The configuration is final: begin what takes time. Runs beside the building of Fastify (with `--user` after it); awaited before `beforeListen`. */
    prepare: new AsyncParallelHook<[]>([], 'prepare'),
    /** Before Fastify is built: return the options to build it with. */
    fastifyOptions: new SyncWaterfallHook<[FastifyServerOptions]>(['options'], 'fastifyOptions'),
    /** Fastify is built: register routes, Fastify plugins and Fastify hooks. */
    server: new AsyncSeriesHook<[FastifyInstance]>(['fastify'], 'server'),
    /** Bind addresses become listeners: add to them, or change how they speak. */
    listeners: new AsyncSeriesWaterfallHook<[ListenerSpec[]]>(['listeners'], 'listeners'),
    /** Bring up what must run before the first request. */
    beforeListen: new AsyncSeriesHook<[]>([], 'beforeListen'),
    /** This generation serves, at these addresses. An error here undoes that: a reload goes back to the old one. */
    afterListen: new AsyncSeriesHook<[readonly string[]]>(['addresses'], 'afterListen'),
    /** An answer that is ready, before anything is made of a request without a body: asked in place of all else where who taps `request` taps this too, and nobody taps `finished`. False: by the usual way. A tap that gives no answers itself, but may say no, has `onlyRefuses: true` in its options: it is asked only where others answer. */
    ready: new SyncBailHook<[ParsedHead], PreparedAnswer | false | undefined, ReadyTap>(
      ['head'],
      'ready',
    ),
    /** A request's head is parsed, before routing or an upgrade. Must be quick; an error here is a 500. */
    request: new SyncHook<[IncomingMessage, ServerResponse]>(['request', 'response'], 'request'),
    /** No route took the request: who answers? The first tap that returns true has taken it. */
    handle: new AsyncSeriesBailHook<[FastifyRequest, FastifyReply], true | undefined>(
      ['request', 'reply'],
      'handle',
    ),
    /** The same, sooner: without Fastify's objects. Asked in place of `handle` where all who tap that tap this too, nobody taps `environ` or `response`, and no tap of `server` adds anything that a request could notice. False: by Fastify and `handle`, after all. */
    handleRaw: new SyncBailHook<[IncomingMessage, EngineResponse], boolean | undefined>(
      ['request', 'response'],
      'handleRaw',
    ),
    /** The WSGI environ is built, before it is dispatched: add, change or delete pairs. */
    environ: new SyncHook<[Environ, FastifyRequest]>(['environ', 'request'], 'environ'),
    /** A response's head is final, before it is sent: change status and headers in place. */
    response: new SyncHook<[ResponseHead, FastifyRequest]>(['head', 'request'], 'response'),
    /** The response is out, or the client is gone: log, count. An error here goes to `failed` and the log. */
    finished: new SyncHook<[IncomingMessage, ServerResponse, Finished]>(
      ['request', 'response', 'finished'],
      'finished',
    ),
    /** Something went wrong, with its cause; `request` where it belongs to one. An error here goes to the log. */
    failed: new SyncHook<[Error, IncomingMessage | undefined]>(['error', 'request'], 'failed'),
    /** The operator wants as many workers more (or, below 0, fewer): who has any obeys, until the next generation. */
    resize: new SyncHook<[number]>(['delta'], 'resize'),
    /** The server was told to stop. It accepts for `shutdownDelay` more: tell those who send requests here. */
    beforeClose: new SyncHook<[]>([], 'beforeClose'),
    /** This generation takes no more requests: drain. */
    beforeRetire: new AsyncSeriesHook<[]>([], 'beforeRetire'),
  })

export type Hooks = ReturnType<typeof createHooks>
export type HookName = keyof Hooks

/** Whether anybody taps the hook. (`isUsed()` says yes to any hook with an interceptor, which all of ours have.) */
export const isTapped = (hook: { readonly taps: readonly unknown[] }): boolean =>
  hook.taps.length > 0
