import { once } from 'node:events'
import type { AddressInfo, ListenOptions, Server as NetServer } from 'node:net'
import { type Address, addressKey, formatAddress } from './address.ts'
import type { CoreOptions } from './config/schema.ts'
import { AddressInUse, CannotListen } from './errors.ts'
import { type Handle, openDescriptor } from './handles.ts'
import type { Door } from './http/door.ts'
import { createEngineServer } from './http/engine.ts'
import type { EngineOptions } from './http/limits.ts'
import type { Preamble } from './http/preamble.ts'
import { type Guarded, guardConnections } from './http/preamble-guard.ts'
import { claimSocket, fileAt, removeSocket } from './socket-file.ts'

/** How one bind address is to be served. Plugins change specs in the `listeners` hook. */
export interface ListenerSpec {
  readonly address: Address
  /** For logs and `addresses`; `https` where a plugin has put TLS under it. */
  scheme: 'http' | 'https'
  /** What stands before the first request of its connections, and before TLS. It may change with a reload. */
  preamble?: Preamble | undefined
  /** Makes the server that speaks on this address; default: plain HTTP/1.1. */
  createServer?: (door: Door, limits: EngineOptions) => NetServer
}

/** What listens at an address. */
export interface Listening {
  address(): AddressInfo | string | null
  close(closed?: () => void): unknown
  closeIdleConnections?(): void
  closeAllConnections?(): void
  setLimits?(options: EngineOptions): void
  setPreamble?(preamble: Preamble | undefined): void
  /** Gives up a socket that nobody accepts at in this process; without it, connections are accepted until `close`. */
  release?(): Handle
}

/** Opens a listener, at `handle` where the socket is there already. @throws WSGI_CORE_ADDRESS_IN_USE, WSGI_CORE_CANNOT_LISTEN */
export type Listen = (
  spec: ListenerSpec,
  door: Door,
  options: CoreOptions,
  handle?: Handle,
) => Promise<Listening>

interface Listener {
  readonly key: string
  readonly spec: ListenerSpec
  readonly server: Listening
  /** The file of a Unix socket, which may have become another's since. */
  readonly file: number | undefined
}

/** A listening socket that was handed over by another process, and what it was opened for. */
export type Inherited = readonly [address: string, fd: number]

/** What a server has to know about others at its sockets. */
export interface Sharing {
  readonly inherited: readonly Inherited[]
  /** Whether another process serves at the same sockets now: then their files stay. */
  readonly isShared: () => boolean
  /** Second descriptors of listening sockets, which stay when the first ones are closed. */
  readonly duplicate: (handles: readonly Handle[]) => Promise<Handle[]>
}

/** Listeners to serve with, of which some are new and some of the current ones are no longer wanted. */
export interface ListenerChange {
  readonly wanted: readonly Listener[]
  /** How each of them is wanted. */
  readonly specs: readonly ListenerSpec[]
  readonly added: readonly Listener[]
  /** Those that were open before. */
  readonly before: readonly Listener[]
}

/** The open listeners. They outlive generations: a reload keeps each whose address is still wanted. */
export class Listeners {
  readonly #door: Door
  readonly #listen: Listen
  readonly #isShared: () => boolean
  /** Sockets that are open while nobody here accepts at them: inherited ones, and those of a server that is parked. */
  #idle: { readonly address: string; readonly handle: Handle; file: number | undefined }[]
  #open: readonly Listener[] = []
  /** No longer wanted, but with connections that are still in use. */
  readonly #dropped = new Set<Listening>()

  constructor(door: Door, listen: Listen, { inherited, isShared }: Omit<Sharing, 'duplicate'>) {
    this.#door = door
    this.#listen = listen
    this.#isShared = isShared
    this.#idle = inherited.map(([address, fd]) => {
      const file = address.startsWith(UNIX) ? fileAt(address.slice(UNIX.length)) : undefined
      return { address, handle: openDescriptor(fd), file }
    })
  }

  /** In the order of the specs they were opened for. */
  get servers(): Listening[] {
    return this.#open.map(({ server }) => server)
  }

  /** Where the server can be reached, with the true port where 0 was asked for. */
  get addresses(): string[] {
    return this.#open.map(({ spec, server }) => formatAddress(actual(spec, server), spec.scheme))
  }

  /** The listening sockets, each with what it was opened for: a process that inherits them can serve there. */
  get sockets(): { readonly address: string; readonly handle: Handle }[] {
    const open = this.#open.map(({ spec, server }) => ({
      address: addressKey(spec.address),
      handle: server.release?.() ?? (server as unknown as { _handle: Handle })._handle,
    }))
    return [...open, ...this.#idle]
  }

  /**
   * Opens what is not open yet; leaves the rest alone, until `commit` or `rollback`. Where one fails, those opened
   * before it are closed again.
   */
  async open(specs: readonly ListenerSpec[], options: CoreOptions): Promise<ListenerChange> {
    const wanted: Listener[] = []
    const added: Listener[] = []
    const before = this.#open
    try {
      for (const spec of specs) {
        const key = `${spec.scheme} ${addressKey(spec.address)}`
        const kept = this.#open.find((each) => each.key === key && !wanted.includes(each))
        const listener = kept ?? { key, spec, ...(await this.#add(spec, options)) }
        if (!kept) added.push(listener)
        wanted.push(listener)
      }
    } catch (error) {
      await this.#closeNow(added)
      throw error
    }
    this.#open = wanted
    return { wanted, specs, added, before }
  }

  async #add(spec: ListenerSpec, options: CoreOptions) {
    const address = addressKey(spec.address)
    const idle = this.#idle.find((each) => each.address === address)
    if (idle) this.#idle = this.#idle.filter((each) => each !== idle)
    const server = await this.#listen(spec, this.#door, options, idle?.handle)
    return { server, file: idle?.file ?? fileOf(spec) }
  }

  /** The change is final: what is kept goes by the limits of these options, what is no longer wanted stops accepting. */
  commit({ wanted, specs, before }: ListenerChange, options: CoreOptions): void {
    wanted.forEach(({ server }, index) => {
      server.setLimits?.(limitsOf(options))
      server.setPreamble?.(specs[index]?.preamble)
    })
    for (const listener of before.filter((each) => !wanted.includes(each))) {
      this.#removeFile(listener)
      void this.#drop(listener.server)
    }
    this.#closeIdle()
  }

  #drop(server: Listening): Promise<void> {
    this.#dropped.add(server)
    return closed(server).then(() => void this.#dropped.delete(server))
  }

  /**
   * Accepts nothing more and keeps the sockets: what comes waits in the kernel, for another process or for `open`.
   * `copies` are second handles of `sockets`. Resolves when the last connection is gone.
   */
  async park(copies: readonly Handle[]): Promise<void> {
    const open = this.#open
    this.#open = []
    this.#idle = open.map(({ spec, server, file }, index) => ({
      address: addressKey(spec.address),
      handle: server.release?.() ?? (copies[index] as Handle),
      file,
    }))
    const accepting = open.filter(({ server }) => !server.release)
    await Promise.all(accepting.map(({ server }) => this.#drop(server)))
  }

  /** Goes back to what was open before, and closes what was added. */
  async rollback({ added, before }: ListenerChange): Promise<void> {
    this.#open = before
    await this.#closeNow(added)
  }

  /** Accepts nothing more; resolves when the last connection is gone. Idle ones are closed at once. */
  async close(): Promise<void> {
    const open = this.#open
    this.#closeIdle()
    for (const listener of open) this.#removeFile(listener)
    await Promise.all(open.map(({ server }) => closed(server)))
    this.#open = []
  }

  #closeIdle(): void {
    for (const { address, handle, file } of this.#idle) {
      handle.close()
      if (address.startsWith(UNIX) && !this.#isShared()) {
        removeSocket(address.slice(UNIX.length), file)
      }
    }
    this.#idle = []
  }

  #removeFile({ spec: { address }, file }: Listener): void {
    if (address.kind === 'unix' && !this.#isShared()) removeSocket(address.path, file)
  }

  async #closeNow(listeners: readonly Listener[]): Promise<void> {
    const servers = listeners.map(({ server }) => server)
    for (const listener of listeners) this.#removeFile(listener)
    const ends = servers.map(closed)
    closeConnections(servers)
    await Promise.all(ends)
  }

  closeIdleConnections(): void {
    for (const { server } of this.#open) server.closeIdleConnections?.()
  }

  closeAllConnections(): void {
    closeConnections([...this.#open.map(({ server }) => server), ...this.#dropped])
  }
}

const UNIX = 'unix:'

const fileOf = ({ address }: ListenerSpec) =>
  address.kind === 'unix' ? fileAt(address.path) : undefined

function closeConnections(servers: readonly Listening[]): void {
  for (const server of servers) server.closeAllConnections?.()
}

const closed = (server: Listening) => new Promise<void>((resolve) => server.close(() => resolve()))

/** The server for a listener, which does not listen yet. */
export function createListener(spec: ListenerSpec, door: Door, options: CoreOptions): NetServer {
  const server = (spec.createServer ?? createEngineServer)(door, limitsOf(options))
  const listener = server as NetServer & Partial<Guarded>
  const guarded = listener.setPreamble ? listener : guard(listener, door, options)
  guarded.setPreamble?.(spec.preamble)
  return server
}

const guard = (server: NetServer, door: Door, options: CoreOptions): Guarded =>
  guardConnections(
    server,
    () => options.clientHeaderTimeout * 1000 || LONGEST,
    (reason, socket) => door.refused?.(0, reason, socket),
  )

/** Where the time is not limited. A timer takes no more. */
const LONGEST = 2 ** 31 - 1

export const listen: Listen = async (spec, door, options, handle) => {
  if (handle) return listenAt(handle)(spec, door, options)
  const { address } = spec
  const server = createListener(spec, door, options)
  const claim = address.kind === 'unix' ? await claimSocket(address.path) : undefined
  try {
    const { backlog, umask } = options
    const place = claim ? { path: claim.place } : listenOptions(address)
    withMask(address, umask, () => server.listen({ ...place, backlog }))
    await once(server, 'listening')
    claim?.publish()
  } catch (error) {
    server.close()
    throw listenError(error as NodeJS.ErrnoException, formatAddress(address, spec.scheme))
  }
  return server
}

/** Serves at a socket that is there already, perhaps another process's. */
export const listenAt =
  (handle: Handle): Listen =>
  async (spec, door, options) => {
    const server = createListener(spec, door, options)
    try {
      const listening = once(server, 'listening')
      takeHandle(server, handle, options.backlog)
      await listening
    } catch (error) {
      throw listenError(error as NodeJS.ErrnoException, formatAddress(spec.address, spec.scheme))
    }
    return server
  }

/** `listen(handle)` asks the supervisor, which does not know it, where the handle is a Unix socket's. */
function takeHandle(server: NetServer, handle: Handle, backlog: number): void {
  const open = server as unknown as {
    _handle: Handle
    _listen2(address: null, port: number, kind: number, backlog: number): void
  }
  open._handle = handle
  open._listen2(null, -1, -1, backlog)
}

/** Binds, to a Unix socket with this mask, which is then that of nothing else: `bind` is through when it returns. */
export function withMask<T>({ kind }: Address, umask: number, bind: () => T): T {
  const before = kind === 'unix' ? process.umask(umask) : undefined
  try {
    return bind()
  } finally {
    if (before !== undefined) process.umask(before)
  }
}

function limitsOf(options: CoreOptions): EngineOptions {
  return {
    requestLine: options.limitRequestLine,
    fields: options.limitRequestFields,
    fieldSize: options.limitRequestFieldSize,
    head: options.limitRequestHead,
    body: options.limitRequestBody,
    headTime: options.clientHeaderTimeout * 1000,
    bodyRate: options.minBodyRate,
    readRate: options.minReadRate,
    requests: options.keepaliveRequests,
    connections: options.maxConnections,
    connectionsPerAddress: options.maxConnectionsPerAddress,
  }
}

function listenOptions(address: Address): ListenOptions {
  if (address.kind === 'unix') return { path: address.path }
  if (address.kind === 'fd') return { fd: address.fd } as ListenOptions
  return { host: address.host, port: address.port }
}

export function listenError(error: NodeJS.ErrnoException, address: string): Error {
  if (error instanceof AddressInUse) return error
  const coded =
    error.code === 'EADDRINUSE'
      ? new AddressInUse(address)
      : new CannotListen(address, error.message)
  return Object.assign(coded, { cause: error })
}

function actual(spec: ListenerSpec, server: Listening): Address {
  const bound = server.address()
  if (spec.address.kind === 'unix' || bound === null) return spec.address
  if (typeof bound === 'string') return { kind: 'unix', path: bound }
  const host = spec.address.kind === 'tcp' ? spec.address.host : bound.address
  return { kind: 'tcp', host, port: bound.port }
}
