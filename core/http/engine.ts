import type { IncomingMessage } from 'node:http'
import { createServer, type Server, type Socket } from 'node:net'
import { countIn, type NetHandle, takeHandles } from './accept.ts'
import { ClientSocket } from './client-socket.ts'
import { Connection } from './connection.ts'
import type { ConnectionLife } from './connection-life.ts'
import { connectionOf, setConnection } from './connection-of.ts'
import { Descriptors } from './descriptors.ts'
import type { Door } from './door.ts'
import type { LeanRequest } from './lean-request.ts'
import { lentReads } from './lent-reads.ts'
import { type EngineOptions, type Limits, resolveLimits } from './limits.ts'
import { Head } from './parser.ts'
import type { Preamble } from './preamble.ts'
import { refreshDate } from './response-head.ts'

export type { EngineOptions } from './limits.ts'

/** A server's own ways to end its connections, as those of node:http. */
export type EngineServer = Server & {
  /** Ends the connections without a request under way. */
  closeIdleConnections(): void
  closeAllConnections(): void
  /** Other limits, for open connections, too; a body under way goes by the size limits that it began with. */
  setLimits(options: EngineOptions): void
  /** What stands before the first request of connections that come from now on; it is not for TLS, nor after it. */
  setPreamble?(preamble: Preamble | undefined): void
}

/** One that serves what others accept. */
export type AttachedEngine = EngineServer & {
  /** Takes a socket that was made with `lentReads`. */
  take(socket: Socket): void
}

const onread = lentReads(65_536)

/** Of all servers of the process. */
const descriptors = new Descriptors()

/** A connection that was new, or used, as short a time ago may be bringing a request when idle ones are closed. */
const REQUEST_GRACE = 1000
/** Clearly less than the grace: by so much `since` may lie too early. */
const MAX_TICK = 500
/** Connections that are being refused, in addition to those that are served. */
const REFUSALS = 100
/** How many connections are looked at for one that can make room. */
const SAMPLE = 16

/** All connections of one server, its clock and its limits. */
export class Engine {
  readonly door: Door
  limits: Limits
  /** The head that was parsed last. */
  readonly head = new Head()
  /** Milliseconds, by a clock that is coarse on purpose. */
  now = performance.now()
  isClosing = false
  /** What stands before the first request of a connection; undefined: nothing. */
  preamble: Preamble | undefined
  readonly #connections = new Set<ConnectionLife>()
  readonly #addresses = new Map<string, number>()
  #isCounting = false
  #candidates: IterableIterator<ConnectionLife> | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(door: Door, options: EngineOptions) {
    this.door = door
    this.limits = resolveLimits(options)
  }

  /** Other limits, for open connections, too. */
  setLimits(options: EngineOptions): void {
    this.limits = resolveLimits(options)
    if (this.#timer === undefined) return
    this.#stopClock()
    this.#startClock()
  }

  /** Takes a connection whose bytes come as 'data' events: TLS, or whatever brings a socket. */
  accept(socket: Socket): void {
    socket.on('data', onData)
    this.#add(socket, undefined)
  }

  /** Takes a connection whose bytes are lent. */
  take(socket: Socket): void {
    this.#add(socket, undefined)
  }

  /** Takes a handle as the kernel gave it, which spares the stream's reading side. */
  acceptHandle(handle: NetHandle, server: Server): void {
    const socket = new ClientSocket(socketOptions(handle))
    if (handle.getpeername && socket.remoteAddress === undefined) {
      // reset already; what was sent before would be from nobody
      socket.destroy()
      return
    }
    handle.setNoDelay?.(true)
    ;(socket as unknown as { server: Server }).server = server
    countIn(server, socket)
    this.#add(socket, socket)
  }

  /** The connection is somebody else's from here on. */
  startUpgrade(connection: ConnectionLife, request: LeanRequest, rest: Buffer): void {
    const { socket } = connection // it still counts as a connection
    socket.removeListener('error', ignore)
    socket.removeListener('end', onEnd)
    socket.removeListener('data', onData)
    // nobody reads the stream yet: it must not flow
    ;(socket as unknown as { readableFlowing: boolean | null }).readableFlowing = null
    this.door.upgrade(request as unknown as IncomingMessage, socket, rest)
  }

  reportRefusal(status: number, reason: string, socket: Socket): void {
    this.door.refused?.(status, reason, socket)
  }

  /** There is no room for one more connection: one that waits gives its own, if any does. */
  makeRoom(reason: string): boolean {
    let spare: ConnectionLife | undefined
    for (let count = 0; count < SAMPLE; count++) {
      const candidate = this.#nextCandidate()
      if (!candidate) break
      if (candidate.isSpare && (!spare || isRatherSpared(candidate, spare))) spare = candidate
    }
    if (spare === undefined) return false
    this.reportRefusal(0, `${reason}: one that waits gives its place`, spare.socket)
    this.#forget(spare)
    spare.socket.destroy()
    return true
  }

  closeIdleConnections(): void {
    // after the next poll: a request that the kernel already holds is under way
    setImmediate(() => setImmediate(() => this.#closeWaiting()))
  }

  closeAllConnections(): void {
    // as node:http has it: who has taken a connection over ends it
    for (const { isRaw, socket } of this.#connections) if (!isRaw) socket.destroy()
  }

  #closeWaiting(): void {
    const now = performance.now()
    for (const connection of this.#connections) {
      if (connection.isWaiting && now - connection.since >= REQUEST_GRACE) {
        connection.socket.destroy()
      }
    }
  }

  #add(socket: Socket, client: ClientSocket | undefined): void {
    const { limits } = this
    const lack = this.#lack(socket)
    const isFull = lack !== undefined && !this.makeRoom(lack)
    if (isFull && this.#connections.size >= limits.connections + REFUSALS) {
      descriptors.freed()
      socket.on('error', ignore).destroy()
      return
    }
    if (this.#timer === undefined) this.#startClock()
    const connection = new Connection(socket, this, client)
    setConnection(socket, connection)
    socket.on('error', ignore)
    socket.on('end', onEnd)
    socket.on('close', onClose)
    this.#connections.add(connection)
    if (isFull) connection.refuse(503, lack)
    else if (this.preamble) this.#expectPreamble(connection, this.preamble)
    else if (this.#isCounting || this.#connections.size > limits.connectionsPerAddress) {
      this.#checkAddress(connection)
    }
  }

  #expectPreamble(connection: Connection, preamble: Preamble): void {
    const reason = preamble.refuses(connection.socket)
    if (reason === undefined) connection.expect(preamble)
    else connection.refuseUnread(0, reason)
  }

  /** It is known now who the connection is from: it counts as that one's. */
  introduced(connection: ConnectionLife): void {
    if (this.#isCounting) this.#uncount(connection)
    connection.address = undefined
    if (this.#isCounting || this.#connections.size > this.limits.connectionsPerAddress) {
      this.#checkAddress(connection)
    }
  }

  /** Why there is no room for this connection; undefined: there is. */
  #lack(socket: Socket): string | undefined {
    const areScarce = descriptors.taken(descriptorOf(socket))
    if (this.#connections.size >= this.limits.connections) return 'too many connections'
    return areScarce ? 'too few descriptors (ulimit -n)' : undefined
  }

  /** Addresses are counted only while there are so many connections that one address could have too many. */
  #checkAddress(connection: ConnectionLife): void {
    if (this.#isCounting) this.#count(connection)
    else for (const each of this.#connections) this.#count(each)
    this.#isCounting = true
    const { address } = connection
    if (address === undefined) return
    if ((this.#addresses.get(address) as number) > this.limits.connectionsPerAddress) {
      connection.refuse(429, 'too many connections from one address')
    }
  }

  #count(connection: ConnectionLife): void {
    const address = connection.socket.remoteAddress
    if (address === undefined) return // a Unix socket, or gone
    this.#addresses.set(address, (this.#addresses.get(address) ?? 0) + 1)
    connection.address = address
  }

  #stopCounting(): void {
    this.#isCounting = false
    this.#addresses.clear()
    for (const connection of this.#connections) connection.address = undefined
  }

  /** The connection's socket is closed. */
  gone(connection: ConnectionLife): void {
    this.#forget(connection)
    if (this.#isCounting) this.#uncount(connection)
    if (this.#connections.size === 0) this.#stopClock()
  }

  #uncount({ address }: ConnectionLife): void {
    if (this.#connections.size <= this.limits.connectionsPerAddress / 2) return this.#stopCounting()
    if (address === undefined) return
    const count = (this.#addresses.get(address) ?? 1) - 1
    if (count === 0) this.#addresses.delete(address)
    else this.#addresses.set(address, count)
  }

  #forget(connection: ConnectionLife): void {
    if (this.#connections.delete(connection)) descriptors.freed()
  }

  #nextCandidate(): ConnectionLife | undefined {
    const next = this.#candidates?.next()
    if (next && !next.done) return next.value
    this.#candidates = this.#connections.values()
    return this.#candidates.next().value
  }

  #startClock(): void {
    this.now = performance.now()
    refreshDate()
    this.#timer = setInterval(() => this.#onTick(), tickFor(this.limits, this.door))
    this.#timer.unref()
  }

  #stopClock(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#candidates = undefined
  }

  #onTick(): void {
    this.now = performance.now()
    refreshDate()
    descriptors.forget()
    if (this.isClosing) this.#closeWaiting()
    for (const connection of this.#connections) connection.check(this.now)
  }
}

/** Often enough for the shortest of the time limits. */
function tickFor({ headTime, rateTime, lingerTime }: Limits, { keepAlive }: Door): number {
  const shortest = Math.min(headTime, rateTime, lingerTime || MAX_TICK, keepAlive || MAX_TICK)
  return Math.max(10, Math.min(MAX_TICK, shortest / 4))
}

/** A server on `net`: what comes in goes to the door as requests. */
export function createEngineServer(door: Door, options: EngineOptions = {}): EngineServer {
  const server = createServer({ allowHalfOpen: true, noDelay: true })
  const engine = attach(server, 'connection', door, options)
  takeHandles(
    server,
    (handle) => engine.acceptHandle(handle, server),
    () => engine.makeRoom('no descriptor left (ulimit -n)'),
  )
  const setPreamble = (preamble: Preamble | undefined) => {
    engine.preamble = preamble
  }
  return Object.assign(server, { setPreamble }) as unknown as EngineServer
}

/** Serves what a server of another kind brings by its event: for TLS `secureConnection`. */
export function attachEngine(
  server: Server,
  event: 'connection' | 'secureConnection',
  door: Door,
  options: EngineOptions = {},
): AttachedEngine {
  attach(server, event, door, options)
  return server as AttachedEngine
}

function attach(server: Server, event: string, door: Door, options: EngineOptions): Engine {
  const engine = new Engine(door, options)
  server.on(event, (socket: Socket) => engine.accept(socket))
  const close = server.close.bind(server)
  Object.assign(server, {
    take: (socket: Socket) => engine.take(socket),
    closeIdleConnections: () => engine.closeIdleConnections(),
    closeAllConnections: () => engine.closeAllConnections(),
    setLimits: (limits: EngineOptions) => engine.setLimits(limits),
    close: (callback?: (error?: Error) => void) => {
      engine.isClosing = true
      engine.closeIdleConnections()
      return close(callback)
    },
  })
  return engine
}

/** Who has not asked anything yet goes first, then who has waited longest. */
function isRatherSpared(candidate: ConnectionLife, other: ConnectionLife): boolean {
  if (candidate.isFresh !== other.isFresh) return candidate.isFresh
  return candidate.since < other.since
}

/** Its number; -1 where it has none, as that of a socket within another. */
const descriptorOf = (socket: Socket) =>
  (socket as unknown as { _handle: { fd?: number } | null })._handle?.fd ?? -1

const socketOptions = (handle: NetHandle) =>
  ({ handle, allowHalfOpen: true, onread }) as unknown as ConstructorParameters<typeof Socket>[0]

function onData(this: Socket, chunk: Buffer): void {
  connectionOf(this)?.receive(chunk, 0, chunk.length)
}

function onEnd(this: Socket): void {
  connectionOf(this)?.ended()
}

function onClose(this: Socket): void {
  connectionOf(this)?.closed()
}

const ignore = () => {}
