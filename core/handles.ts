import net from 'node:net'
import { getSystemErrorName } from 'node:util'

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

const create = (net as unknown as { _createServerHandle: CreateHandle })._createServerHandle
const NO_PORT = -1

/** @throws the system's error, with its code. */
function checked(handle: Handle | number): Handle {
  if (typeof handle === 'number') throw systemError(getSystemErrorName(handle))
  return handle
}

export const systemError = (code: string) => Object.assign(new Error(`listen ${code}`), { code })

/** A bound socket at an internet address. */
export const bindTcp = (address: string, port: number, family: number): Handle =>
  checked(create(address, port, family, undefined, 0))

/** A bound Unix socket. */
export const bindUnix = (path: string): Handle =>
  checked(create(path, NO_PORT, NO_PORT, undefined, 0))

/** A socket that this process has inherited. */
export const openDescriptor = (fd: number): Handle => checked(create(null, 0, NO_PORT, fd, 0))
