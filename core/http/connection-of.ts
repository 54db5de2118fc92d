import type { Socket } from 'node:net'
import type { Connection } from './connection.ts'

const CONNECTION = Symbol('connection')

type Carrier = Socket & { [CONNECTION]?: Connection }

export const connectionOf = (socket: Socket): Connection | undefined =>
  (socket as Carrier)[CONNECTION]

export function setConnection(socket: Socket, connection: Connection): void {
  ;(socket as Carrier)[CONNECTION] = connection
}

/** Has the socket's 'timeout' come to the request and the response at hand; few applications ask for it. */
export function setSocketTimeout(socket: Socket, milliseconds: number): void {
  if (!socket.listeners('timeout').includes(onTimeout)) socket.on('timeout', onTimeout)
  socket.setTimeout(milliseconds)
}

function onTimeout(this: Socket): void {
  connectionOf(this)?.timedOut()
}
