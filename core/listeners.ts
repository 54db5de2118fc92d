import { once } from 'node:events'
import { lstatSync, unlinkSync } from 'node:fs'
import { type AddressInfo, connect, type ListenOptions, type Server as NetServer } from 'node:net'
import { type Address, addressKey, formatAddress } from './address.ts'
import type { CoreOptions } from './config/schema.ts'
import { AddressInUse, CannotListen } from './errors.ts'
import type { Door } from './http/door.ts'
import { createEngineServer } from './http/engine.ts'
import type { EngineOptions } from './http/limits.ts'

/** How one bind address is to be served. Plugins change specs in the `listeners` hook. */
export interface ListenerSpec {
  readonly address: Address
  /** For logs and `addresses`; `https` where a plugin has put TLS under it. */
  scheme: 'http' | 'https'
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
}

/** Opens a listener. @throws WSGI_CORE_ADDRESS_IN_USE, WSGI_CORE_CANNOT_LISTEN */
export type Listen = (spec: ListenerSpec, door: Door, options: CoreOptions) => Promise<Listening>

interface Listener {
  readonly key: string
  readonly spec: ListenerSpec
  readonly server: Listening
}

/** Listeners to serve with, of which some are new and some of the current ones are no longer wanted. */
export interface ListenerChange {
  readonly wanted: readonly Listener[]
  readonly added: readonly Listener[]
  /** Those that were open before. */
  readonly before: readonly Listener[]
}

/** The open listeners. They outlive generations: a reload keeps each whose address is still wanted. */
export class Listeners {
  readonly #door: Door
  readonly #listen: Listen
  #open: readonly Listener[] = []
  /** No longer wanted, but with connections that are still in use. */
  readonly #dropped = new Set<Listening>()

  constructor(door: Door, listen: Listen) {
    this.#door = door
    this.#listen = listen
  }

  /** In the order of the specs they were opened for. */
  get servers(): Listening[] {
    return this.#open.map(({ server }) => server)
  }

  /** Where the server can be reached, with the true port where 0 was asked for. */
  get addresses(): string[] {
    return this.#open.map(({ spec, server }) => formatAddress(actual(spec, server), spec.scheme))
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
        const listener = kept ?? {
          key,
          spec,
          server: await this.#listen(spec, this.#door, options),
        }
        if (!kept) added.push(listener)
        wanted.push(listener)
      }
    } catch (error) {
      await closeNow(added)
      throw error
    }
    this.#open = wanted
    return { wanted, added, before }
  }

  /** The change is final: what is kept goes by the limits of these options, what is no longer wanted stops accepting. */
  commit({ wanted, before }: ListenerChange, options: CoreOptions): void {
    for (const { server } of wanted) server.setLimits?.(limitsOf(options))
    for (const { server } of before.filter((listener) => !wanted.includes(listener))) {
      this.#dropped.add(server)
      server.close(() => this.#dropped.delete(server))
    }
  }

  /** Goes back to what was open before, and closes what was added. */
  async rollback({ added, before }: ListenerChange): Promise<void> {
    this.#open = before
    await closeNow(added)
  }

  /** Accepts nothing more; resolves when the last connection is gone. Idle ones are closed at once. */
  async close(): Promise<void> {
    const open = this.#open
    await Promise.all(open.map(({ server }) => closed(server)))
    this.#open = []
  }

  closeIdleConnections(): void {
    for (const { server } of this.#open) server.closeIdleConnections?.()
  }

  closeAllConnections(): void {
    closeConnections([...this.#open.map(({ server }) => server), ...this.#dropped])
  }
}

async function closeNow(listeners: readonly Listener[]): Promise<void> {
  const servers = listeners.map(({ server }) => server)
  const ends = servers.map(closed)
  closeConnections(servers)
  await Promise.all(ends)
}

function closeConnections(servers: readonly Listening[]): void {
  for (const server of servers) server.closeAllConnections?.()
}

const closed = (server: Listening) => new Promise<void>((resolve) => server.close(() => resolve()))

/** The server for a listener, which does not listen yet. */
export const createListener = (spec: ListenerSpec, door: Door, options: CoreOptions): NetServer =>
  (spec.createServer ?? createEngineServer)(door, limitsOf(options))

export const listen: Listen = async (spec, door, options) => {
  const server = createListener(spec, door, options)
  if (spec.address.kind === 'unix') await removeStaleSocket(spec.address.path)
  try {
    const { backlog, umask } = options
    withMask(spec.address, umask, () => server.listen({ ...listenOptions(spec.address), backlog }))
    await once(server, 'listening')
  } catch (error) {
    throw listenError(error as NodeJS.ErrnoException, formatAddress(spec.address, spec.scheme))
  }
  return server
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
  const coded =
    error.code === 'EADDRINUSE'
      ? new AddressInUse(address)
      : new CannotListen(address, error.message)
  return Object.assign(coded, { cause: error })
}

/** A socket file that nobody answers at is what a crashed server left: gunicorn removes it too. */
export async function removeStaleSocket(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (!stat) return
  if (!stat.isSocket()) throw new CannotListen(`unix:${path}`, 'the file exists and is no socket')
  if (await answers(path)) throw new AddressInUse(`unix:${path}`)
  unlinkSync(path)
}

async function answers(path: string): Promise<boolean> {
  const socket = connect(path)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false // refused: no process listens
  } finally {
    socket.destroy()
  }
}

function actual(spec: ListenerSpec, server: Listening): Address {
  const bound = server.address()
  if (spec.address.kind === 'unix' || bound === null) return spec.address
  if (typeof bound === 'string') return { kind: 'unix', path: bound }
  const host = spec.address.kind === 'tcp' ? spec.address.host : bound.address
  return { kind: 'tcp', host, port: bound.port }
}
