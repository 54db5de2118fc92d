import { createServer, type Server, type Socket } from 'node:net'
import {
  attachEngine,
  type Door,
  type EngineOptions,
  type EngineServer,
  type Http2Server,
} from '../../core/index.ts'
import { Lobby } from './lobby.ts'

/** What a port says of connections that come to nothing. */
export type Report = (socket: Socket, reason: string) => void

/** What first bytes say of a connection: how many are needed, who is to have it, or why nobody. */
export type Verdict = number | ((socket: Socket) => void) | string

/** Default of `clientHeaderTimeout`, for a server without limits. */
const PATIENCE = 10_000
/** Where nothing else is set. */
const MOST_CONNECTIONS = 20_000

/**
 * A listening server that looks at the first bytes of its connections, and hands each to who speaks its protocol. Those
 * who come by its event 'connection' may have been read from before.
 */
export abstract class Port {
  readonly server: EngineServer
  protected readonly door: Door
  protected limits: EngineOptions
  protected readonly report: Report
  protected readonly lobby: Lobby
  /** HTTP/1.1, over whatever connection. */
  protected readonly http1: EngineServer
  readonly #addresses = new Map<string, number>()
  #connections = 0

  constructor(door: Door, limits: EngineOptions, report: Report) {
    this.door = door
    this.limits = limits
    this.report = report
    this.lobby = new Lobby(limits.headTime || PATIENCE, report)
    this.http1 = attachEngine(createServer(), 'connection', door, limits)
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
      this.#enter(socket),
    )
    // no descriptor is left
    server.on('listening', () => server.on('error', () => this.lobby.makeRoom()))
    this.server = this.#withEnds(server)
  }

  /** Of HTTP/2, where it is spoken; old ones, too, as long as they have connections. */
  protected abstract readonly http2: Iterable<Http2Server>

  protected abstract judge(bytes: Buffer): Verdict

  /** The connection is somebody's. */
  protected admitted(socket: Socket): void {
    this.lobby.leave(socket)
  }

  #enter(socket: Socket): void {
    socket.on('error', ignore)
    const lack = this.#lack(socket)
    if (lack !== undefined) {
      this.report(socket, lack)
      socket.destroy()
      return
    }
    this.#count(socket)
    this.lobby.enter(socket)
    this.#read(socket)
  }

  /** Takes as many of the first bytes as it needs; what comes in small pieces is put together seldom. */
  #read(socket: Socket): void {
    const pieces: Buffer[] = []
    let size = 0
    let needed = 1
    const look = (piece: Buffer) => {
      pieces.push(piece)
      size += piece.length
      if (size < needed) return
      const bytes = pieces.length === 1 ? piece : Buffer.concat(pieces.splice(0), size)
      const verdict = this.judge(bytes)
      if (typeof verdict === 'number') {
        pieces[0] = bytes
        needed = verdict
        return
      }
      socket.off('data', look).off('end', left)
      this.#decide(socket, bytes, verdict)
    }
    const left = () => socket.destroy()
    socket.on('data', look).on('end', left)
    socket.resume()
  }

  #decide(socket: Socket, bytes: Buffer, verdict: ((socket: Socket) => void) | string): void {
    socket.pause()
    socket.unshift(bytes)
    if (typeof verdict !== 'string') return verdict(socket)
    this.report(socket, verdict)
    socket.destroy()
  }

  #lack(socket: Socket): string | undefined {
    const { connections = MOST_CONNECTIONS, connectionsPerAddress = connections } = this.limits
    if (connections > 0 && this.#connections >= connections && !this.lobby.makeRoom()) {
      return 'too many connections'
    }
    const here = this.#addresses.get(socket.remoteAddress ?? '') ?? 0
    const isTooMany = connectionsPerAddress > 0 && here >= connectionsPerAddress
    return isTooMany ? 'too many connections from one address' : undefined
  }

  #count(socket: Socket): void {
    const address = socket.remoteAddress
    this.#connections++
    if (address !== undefined) this.#addresses.set(address, (this.#addresses.get(address) ?? 0) + 1)
    socket.on('close', () => {
      this.#connections--
      this.lobby.leave(socket)
      if (address === undefined) return
      const left = (this.#addresses.get(address) ?? 1) - 1
      if (left === 0) this.#addresses.delete(address)
      else this.#addresses.set(address, left)
    })
  }

  /** As an engine's server ends its connections. */
  #withEnds(server: Server): EngineServer {
    const close = server.close.bind(server)
    return Object.assign(server, {
      closeIdleConnections: () => {
        for (const each of [this.http1, ...this.http2]) each.closeIdleConnections()
      },
      closeAllConnections: () => {
        this.lobby.clear()
        for (const each of [this.http1, ...this.http2]) each.closeAllConnections()
      },
      setLimits: (limits: EngineOptions) => {
        this.limits = limits
        this.lobby.time = limits.headTime || PATIENCE
        for (const each of [this.http1, ...this.http2]) each.setLimits(limits)
      },
      close: (callback?: (error?: Error) => void) => {
        this.lobby.clear()
        for (const each of [this.http1, ...this.http2]) each.close()
        return close(callback)
      },
    })
  }
}

const ignore = () => {}
