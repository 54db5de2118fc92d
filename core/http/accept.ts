import type { Server, Socket } from 'node:net'

/** A connection as the kernel gave it. */
export interface NetHandle {
  setNoDelay?(on: boolean): void
  /** Those of TCP have it. */
  getpeername?(out: object): number
  close(closed?: () => void): void
}

interface ListeningHandle {
  onconnection?: (status: number, handle: NetHandle) => void
}

const GUARDED = Symbol('guarded')

type Guardable = Server & { [GUARDED]?: boolean }

/**
 * Takes connections from the kernel before `net` makes sockets of them: only so can a socket read into a buffer of
 * ours, which saves an allocation per read and most of an idle connection's memory, and TLS do without a socket below
 * its own. Where there is no such handle, connections come by the server's event.
 * @param lack no descriptor is left
 */
export function takeHandles(
  server: Server,
  take: (handle: NetHandle) => void,
  lack: () => void,
): void {
  server.on('listening', () => {
    const listening = (server as unknown as { _handle: ListeningHandle | null })._handle
    if (typeof listening?.onconnection !== 'function') return
    const { onconnection } = listening
    listening.onconnection = function (status, handle) {
      if (status !== 0) lack()
      else if ((server as Guardable)[GUARDED]) onconnection.call(this, status, handle)
      else take(handle)
    }
  })
}

/** All connections come by the server's event from now on: somebody stands before it. */
export function takeSockets(server: Server): void {
  ;(server as Guardable)[GUARDED] = true
}

/** The server is not closed before this socket is. */
export function countIn(server: Server, socket: Socket): void {
  ;(socket as unknown as { _server: Server })._server = server
  ;(server as unknown as { _connections: number })._connections++
}
