import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { connect, type NetConnectOpts, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { programRoot } from '../../paths.ts'
import { hasCode } from '../text.ts'
import type { SyslogAddress } from './address.ts'

/** A way to a syslog. It opens itself with the first messages, and again after a failure. */
export interface Transport {
  /** One call at a time; never rejects. */
  send(messages: readonly string[]): Promise<Outcome>
  close(): void
}

export interface Outcome {
  /** How many of the last messages have not been sent and can be sent again. */
  readonly left: number
  /** How many are known, or feared, to be lost. */
  readonly lost: number
  readonly error?: Error
}

export function createTransport(address: SyslogAddress): Transport {
  if (address.kind === 'udp') return new Udp(address.host, address.port)
  if (address.kind === 'tcp') return new Stream({ host: address.host, port: address.port })
  if (address.type === 'stream') return new Stream({ path: address.path })
  if (address.type === 'dgram') return new UnixDatagrams(address.path)
  return new EitherUnix(address.path)
}

const SENT: Outcome = { left: 0, lost: 0 }

class Udp implements Transport {
  readonly #host: string
  readonly #port: number
  #socket: UdpSocket | undefined

  constructor(host: string, port: number) {
    this.#host = host
    this.#port = port
  }

  async send(messages: readonly string[]): Promise<Outcome> {
    try {
      this.#socket ??= await this.#open()
    } catch (error) {
      return { left: messages.length, lost: 0, error: error as Error }
    }
    const socket = this.#socket
    const results = await Promise.all(messages.map((message) => sendDatagram(socket, message)))
    const errors = results.filter((error) => error !== null)
    const [error] = errors
    if (!error) return SENT
    this.close()
    return { left: 0, lost: errors.length, error }
  }

  /** Connected, so that a name is looked up once and a port without a listener is heard of. */
  async #open(): Promise<UdpSocket> {
    const { address, family } = await lookup(this.#host)
    const socket = createSocket(family === 6 ? 'udp6' : 'udp4').unref()
    try {
      await new Promise<void>((resolve, reject) => {
        socket.on('error', (error) => {
          if (this.#socket === socket) this.close()
          reject(error)
        })
        // where it fails it is called with why, which its type does not say
        socket.connect(this.#port, address, (error?: Error) => (error ? reject(error) : resolve()))
      })
    } catch (error) {
      socket.close()
      throw error
    }
    return socket
  }

  close(): void {
    const socket = this.#socket
    this.#socket = undefined
    socket?.close()
  }
}

const sendDatagram = (socket: UdpSocket, message: string) =>
  new Promise<Error | null>((resolve) => {
    try {
      socket.send(message, (error) => resolve(error))
    } catch (error) {
      resolve(error as Error) // closed meanwhile
    }
  })

/** TCP, or a Unix stream: one message a line, as rsyslog, syslog-ng and journald read it (RFC 6587 §3.4.2). */
class Stream implements Transport {
  readonly #where: NetConnectOpts
  #socket: Socket | undefined

  constructor(where: NetConnectOpts) {
    this.#where = where
  }

  async send(messages: readonly string[]): Promise<Outcome> {
    try {
      this.#socket ??= await this.#open()
    } catch (error) {
      return { left: messages.length, lost: 0, error: error as Error }
    }
    const error = await writeOut(this.#socket, `${messages.join('\n')}\n`)
    return error ? { left: 0, lost: messages.length, error } : SENT
  }

  #open(): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.#where).unref()
      socket.on('error', reject)
      socket.on('connect', () => resolve(socket))
      socket.on('end', () => socket.destroy())
      socket.on('close', () => {
        if (this.#socket === socket) this.#socket = undefined
      })
      socket.resume()
    })
  }

  close(): void {
    this.#socket?.end()
    this.#socket = undefined
  }
}

const writeOut = (socket: Socket, text: string) =>
  new Promise<Error | undefined>((resolve) => {
    const closed = () => resolve(new Error('the connection has ended'))
    socket.once('close', closed)
    socket.write(text, (error) => {
      socket.off('close', closed)
      resolve(error ?? undefined)
    })
  })

const HELPER = fileURLToPath(new URL('core/logging/syslog/unix_datagrams.py', programRoot))

/** Node has no Unix datagram sockets: a small Python process has one for us. */
class UnixDatagrams implements Transport {
  readonly #path: string
  #child: ChildProcess | undefined
  #settle: (line: string | Error) => void = () => {}

  constructor(path: string) {
    this.#path = path
  }

  async send(messages: readonly string[]): Promise<Outcome> {
    let child: ChildProcess
    try {
      child = this.#child ?? this.#open()
    } catch (error) {
      return { left: messages.length, lost: 0, error: error as Error }
    }
    const answer = await new Promise<string | Error>((resolve) => {
      this.#settle = resolve
      child.stdin?.write(`${messages.join('\n')}\n\n`)
    })
    if (typeof answer !== 'string') return { left: 0, lost: messages.length, error: answer }
    const [, left, lost, reason] = /^(\d+) (\d+) (.*)$/.exec(answer) ?? []
    return { left: Number(left), lost: Number(lost), error: new Error(reason) }
  }

  /** @throws where no process can be started at all. */
  #open(): ChildProcess {
    // a session of its own: the terminal's signals are not for it, the end of its input is
    const child = spawn('python3', ['-S', '-E', HELPER, this.#path], {
      stdio: ['pipe', 'pipe', 'ignore'],
      detached: true,
    })
    const ended = (error: Error) => {
      if (this.#child === child) this.#child = undefined
      this.#settle(error)
    }
    child.on('error', (error) => ended(new Error(`python3 is needed for it: ${error.message}`)))
    child.on('exit', () => ended(new Error('the process that sends datagrams has ended')))
    const { stdin, stdout } = child as unknown as { stdin?: Socket; stdout?: Socket }
    if (!stdin || !stdout) throw new Error('there are too few descriptors to start python3')
    stdin.on('error', () => {}) // told by 'exit'
    createInterface({ input: stdout }).on('line', (line) => this.#settle(line))
    for (const end of [child, stdin, stdout]) end.unref()
    this.#child = child
    return child
  }

  close(): void {
    this.#child?.stdin?.end()
    this.#child = undefined
  }
}

/** What listens there shows with the first connection. */
class EitherUnix implements Transport {
  readonly #path: string
  #found: Transport | undefined

  constructor(path: string) {
    this.#path = path
  }

  async send(messages: readonly string[]): Promise<Outcome> {
    if (this.#found) return this.#found.send(messages)
    const stream = new Stream({ path: this.#path })
    const outcome = await stream.send(messages)
    const isOther = hasCode(outcome.error, 'EPROTOTYPE')
    if (outcome.left > 0 && !isOther) return outcome
    this.#found = isOther ? new UnixDatagrams(this.#path) : stream
    return isOther ? this.#found.send(messages) : outcome
  }

  close(): void {
    this.#found?.close()
    this.#found = undefined
  }
}
