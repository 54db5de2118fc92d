import type { Server, Socket } from 'node:net'
import { takeSockets } from './accept.ts'
import { introduceBelow, type Preamble, PreambleCollector } from './preamble.ts'

type Take = (socket: Socket) => void
type Refuse = (reason: string, socket: Socket) => void

/** A server of any kind, whose connections may have a preamble. */
export type Guarded = Server & { setPreamble(preamble: Preamble | undefined): void }

/**
 * Has the preamble read of each connection before the server sees it: for TLS, which begins behind it. Without one
 * nothing comes between the two.
 * @param time in milliseconds, for all of it
 */
export function guardConnections(server: Server, time: () => number, refuse: Refuse): Guarded {
  let guard: ConnectionGuard | undefined
  const setPreamble = (preamble: Preamble | undefined) => {
    if (preamble && !guard) guard = new ConnectionGuard(server, time, refuse)
    if (guard) guard.preamble = preamble
  }
  return Object.assign(server, { setPreamble })
}

class ConnectionGuard {
  preamble: Preamble | undefined
  readonly #time: () => number
  readonly #refuse: Refuse
  readonly #take: Take
  /** Their preamble is not complete. */
  readonly #waiting = new Set<Socket>()

  constructor(server: Server, time: () => number, refuse: Refuse) {
    this.#time = time
    this.#refuse = refuse
    const listeners = server.listeners('connection') as Take[]
    this.#take = (socket) => {
      for (const listener of listeners) listener.call(server, socket)
    }
    server.removeAllListeners('connection')
    takeSockets(server)
    server.on('connection', (socket: Socket) => this.#connected(socket))
    this.#endWith(server)
  }

  /** Who waits when the server closes is not waited for. */
  #endWith(server: Server): void {
    const end = () => {
      for (const socket of this.#waiting) socket.destroy()
    }
    const close = server.close.bind(server)
    server.close = (callback) => {
      end()
      return close(callback)
    }
    const owner = server as Server & { closeAllConnections?(): void }
    const closeAll = owner.closeAllConnections?.bind(server)
    owner.closeAllConnections = () => {
      end()
      closeAll?.()
    }
  }

  #connected(socket: Socket): void {
    const { preamble } = this
    if (!preamble) return this.#take(socket)
    const reason = preamble.refuses(socket)
    if (reason === undefined) this.#read(socket, new PreambleCollector(preamble, socket))
    else this.#turnAway(socket, reason)
  }

  #read(socket: Socket, collector: PreambleCollector): void {
    const late = () => this.#turnAway(socket, `${collector.name} took too long`)
    const timer = setTimeout(late, this.#time())
    this.#waiting.add(socket)
    const done = () => {
      clearTimeout(timer)
      this.#waiting.delete(socket)
      socket.off('data', receive).off('close', done).off('error', ignore).off('end', left)
    }
    const left = () => socket.destroy()
    const receive = (bytes: Buffer) => {
      const result = collector.add(bytes)
      if (result === undefined) return
      done()
      if ('refused' in result) return this.#turnAway(socket, result.refused)
      introduceBelow(socket, result)
      this.#handOn(socket, bytes.subarray(bytes.length - collector.surplus))
    }
    socket.on('data', receive).on('close', done).on('error', ignore).on('end', left)
  }

  #handOn(socket: Socket, rest: Buffer): void {
    socket.pause()
    if (rest.length > 0) socket.unshift(rest)
    this.#take(socket)
  }

  #turnAway(socket: Socket, reason: string): void {
    this.#refuse(reason, socket)
    socket.on('error', ignore).destroy()
  }
}

const ignore = () => {}
