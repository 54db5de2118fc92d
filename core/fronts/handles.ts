import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import net, { type AddressInfo, type Server as NetServer } from 'node:net'
import { getSystemErrorName } from 'node:util'
import { type Address, formatAddress } from '../address.ts'
import {
  createListener,
  type Listen,
  listenError,
  removeStaleSocket,
  withMask,
} from '../listeners.ts'

/** A socket as Node's own classes hold it; what node:cluster passes to its workers. */
export interface Handle {
  readonly fd: number
  close(): void
  getsockname?(out: object): number
}

/** Node's maker of listening handles, which node:cluster uses: bound, and nobody accepts. A number is an error. */
type CreateHandle = (
  address: string | null,
  port: number,
  kind: number,
  fd: number | undefined,
  flags: number,
) => Handle | number

const createHandle = (net as unknown as { _createServerHandle: CreateHandle })._createServerHandle
const NO_PORT = -1

let handles = 0

/** A listener whose connections others accept. As long as it is held the kernel takes them in, whoever dies. */
export class HeldListener {
  readonly number = ++handles
  readonly _handle: Handle
  readonly #address: Address

  constructor(handle: Handle, address: Address) {
    this._handle = handle
    this.#address = address
  }

  address(): AddressInfo | string | null {
    if (this.#address.kind === 'unix') return this.#address.path
    return socketName(this._handle) ?? null
  }

  close(closed?: () => void): void {
    this._handle.close()
    if (closed) setImmediate(closed)
  }
}

/** Opens an address for others to accept at. */
export const hold: Listen = async ({ address, scheme }, _door, { umask }) => {
  try {
    return new HeldListener(await open(address, umask), address)
  } catch (error) {
    throw listenError(error as NodeJS.ErrnoException, formatAddress(address, scheme))
  }
}

async function open(address: Address, umask: number): Promise<Handle> {
  if (address.kind === 'fd') return checked(createHandle(null, 0, NO_PORT, address.fd, 0))
  if (address.kind === 'unix') {
    await removeStaleSocket(address.path)
    const create = () => createHandle(address.path, NO_PORT, NO_PORT, undefined, 0)
    return checked(withMask(address, umask, create))
  }
  const found = await lookup(address.host)
  const handle = checked(createHandle(found.address, address.port, found.family, undefined, 0))
  // libuv keeps EADDRINUSE for later, and a socket that is not bound would then listen anywhere
  if (address.port !== 0 && socketName(handle)?.port !== address.port) {
    handle.close()
    throw systemError('EADDRINUSE')
  }
  return handle
}

function checked(handle: Handle | number): Handle {
  if (typeof handle === 'number') throw systemError(getSystemErrorName(handle))
  return handle
}

const systemError = (code: string) => Object.assign(new Error(`listen ${code}`), { code })

function socketName(handle: Handle): AddressInfo | undefined {
  const name = {}
  return handle.getsockname?.(name) === 0 ? (name as AddressInfo) : undefined
}

/** Serves at a handle that another process holds. */
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
  open._listen2(null, NO_PORT, NO_PORT, backlog)
}
