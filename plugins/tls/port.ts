import { createServer, type Server } from 'node:net'
import {
  type AttachedEngine,
  attachEngine,
  type Door,
  type EngineOptions,
  type EngineServer,
  type Http2Server,
  takeHandles,
} from '../../core/index.ts'
import { type Guest, HandleGuest, type Host, SocketGuest, type Verdict } from './guest.ts'
import { Lobby } from './lobby.ts'

/** What a port says of connections that come to nothing. */
export type Report = (from: { readonly remoteAddress?: string | undefined }, reason: string) => void

/** Default of `clientHeaderTimeout`, for a server without limits. */
const PATIENCE = 10_000
/** Where nothing else is set. */
const MOST_CONNECTIONS = 20_000

/**
 * A listening server that looks at the first bytes of its connections, and hands each to who speaks its protocol. Those
 * who come by its event 'connection' may have been read from before.
 */
export abstract class Port implements Host {
  readonly server: EngineServer
  protected readonly door: Door
  protected limits: EngineOptions
  protected readonly report: Report
  protected readonly lobby: Lobby
  /** HTTP/1.1, over whatever connection. */
  protected readonly http1: AttachedEngine
  /** Who else has connections of this port. */
  protected readonly others = new Set<EngineServer>()
  readonly #addresses = new Map<string, number>()
  #connections = 0

  constructor(door: Door, limits: EngineOptions, report: Report) {
    this.door = door
    this.limits = limits
    this.report = report
    this.lobby = new Lobby(limits.headTime || PATIENCE, report)
    this.http1 = attachEngine(createServer(), 'connection', door, limits)
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
      this.#enter(new SocketGuest(this, socket)),
    )
    const lack = () => this.lobby.makeRoom() // no descriptor is left
    server.on('listening', () => server.on('error', lack))
    takeHandles(server, (handle) => this.#enter(new HandleGuest(this, handle, server)), lack)
    this.server = this.#withEnds(server)
  }

  /** Of HTTP/2, where it is spoken; old ones, too, as long as they have connections. */
  protected abstract readonly http2: Iterable<Http2Server>

  abstract judge(bytes: Buffer): Verdict

  decide(guest: Guest, verdict: ((guest: Guest) => void) | string): void {
    if (typeof verdict !== 'string') return verdict(guest)
    this.report(guest, verdict)
    guest.destroy()
  }

  gone(guest: Guest): void {
    if (!guest.isCounted) return
    this.lobby.leave(guest)
    this.#count(guest, -1)
  }

  /** The connection is somebody's. */
  protected admitted(guest: Guest): void {
    this.lobby.leave(guest)
  }

  #enter(guest: Guest): void {
    const lack = this.#lack(guest)
    if (lack !== undefined) {
      this.report(guest, lack)
      guest.destroy()
      return
    }
    guest.isCounted = true
    this.#count(guest, 1)
    this.lobby.enter(guest)
    guest.read()
  }

  #lack({ remoteAddress }: Guest): string | undefined {
    const { connections = MOST_CONNECTIONS, connectionsPerAddress = connections } = this.limits
    if (connections > 0 && this.#connections >= connections && !this.lobby.makeRoom()) {
      return 'too many connections'
    }
    const here = this.#addresses.get(remoteAddress ?? '') ?? 0
    const isTooMany = connectionsPerAddress > 0 && here >= connectionsPerAddress
    return isTooMany ? 'too many connections from one address' : undefined
  }

  #count({ remoteAddress: address }: Guest, step: number): void {
    this.#connections += step
    if (address === undefined) return
    const count = (this.#addresses.get(address) ?? 0) + step
    if (count === 0) this.#addresses.delete(address)
    else this.#addresses.set(address, count)
  }

  #engines() {
    return [this.http1, ...this.http2, ...this.others]
  }

  /** As an engine's server ends its connections. */
  #withEnds(server: Server): EngineServer {
    const close = server.close.bind(server)
    return Object.assign(server, {
      closeIdleConnections: () => {
        for (const each of this.#engines()) each.closeIdleConnections()
      },
      closeAllConnections: () => {
        this.lobby.clear()
        for (const each of this.#engines()) each.closeAllConnections()
      },
      setLimits: (limits: EngineOptions) => {
        this.limits = limits
        this.lobby.time = limits.headTime || PATIENCE
        for (const each of this.#engines()) each.setLimits(limits)
      },
      close: (callback?: (error?: Error) => void) => {
        this.lobby.clear()
        for (const each of this.#engines()) each.close()
        return close(callback)
      },
    })
  }
}
