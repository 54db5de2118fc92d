import { lookup } from 'node:dns/promises'
import type { AddressInfo } from 'node:net'
import { type Address, formatAddress } from '../address.ts'
import { bindTcp, bindUnix, type Handle, openDescriptor, systemError } from '../handles.ts'
import { type Listen, listenError, withMask } from '../listeners.ts'
import { claimSocket } from '../socket-file.ts'

export type { Handle } from '../handles.ts'
export { listenAt } from '../listeners.ts'

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

  /** Others may have it: it is closed no more by this. */
  release(): Handle {
    return this._handle
  }

  close(closed?: () => void): void {
    this._handle.close()
    if (closed) setImmediate(closed)
  }
}

/** Opens an address for others to accept at. */
export const hold: Listen = async ({ address, scheme }, _door, { umask }, handle) => {
  try {
    return new HeldListener(handle ?? (await open(address, umask)), address)
  } catch (error) {
    throw listenError(error as NodeJS.ErrnoException, formatAddress(address, scheme))
  }
}

async function open(address: Address, umask: number): Promise<Handle> {
  if (address.kind === 'fd') return openDescriptor(address.fd)
  if (address.kind === 'unix') {
    const claim = await claimSocket(address.path)
    const handle = withMask(address, umask, () => bindUnix(claim.place))
    claim.publish()
    return handle
  }
  const found = await lookup(address.host)
  const handle = bindTcp(found.address, address.port, found.family)
  // libuv keeps EADDRINUSE for later, and a socket that is not bound would then listen anywhere
  if (address.port !== 0 && socketName(handle)?.port !== address.port) {
    handle.close()
    throw systemError('EADDRINUSE')
  }
  return handle
}

function socketName(handle: Handle): AddressInfo | undefined {
  const name = {}
  return handle.getsockname?.(name) === 0 ? (name as AddressInfo) : undefined
}
