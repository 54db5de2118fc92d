// Load on a server over kept-alive connections: one request at a time on each, every answer checked to its last byte.
import { connect, type Socket } from 'node:net'

export interface Answered {
  /** `performance.now()` when the request was sent. */
  readonly at: number
  readonly milliseconds: number
  readonly body: string
}

/** What a client may see of a server that drops nothing: whole answers of 200, and connections that end between them. */
export class Load {
  readonly answers: Answered[] = []
  /** One text for each request that was not answered in full, and each connection that was refused. */
  readonly failures: string[] = []
  readonly #port: number
  readonly #host: string
  readonly #request: string
  readonly #clients: Promise<void>[] = []
  #running = true

  constructor(url: string, connections: number, path = '/') {
    const { hostname, port, host } = new URL(url)
    this.#host = hostname
    this.#port = Number(port)
    this.#request = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`
    for (let count = 0; count < connections; count++) this.#clients.push(this.#runClient())
  }

  /** Lets each connection finish the request that it has under way. */
  async stop(): Promise<void> {
    this.#running = false
    await Promise.all(this.#clients)
  }

  async #runClient(): Promise<void> {
    while (this.#running) {
      const failure = await this.#useConnection()
      if (failure) this.failures.push(failure)
    }
  }

  /** One connection, up to its end. @returns why it ended, where that is the server's fault. */
  #useConnection(): Promise<string | undefined> {
    return new Promise((resolve) => {
      const socket = connect(this.#port, this.#host)
      let text = ''
      let at = 0
      let fault: string | undefined
      const send = () => {
        text = ''
        at = performance.now()
        socket.write(this.#request)
      }
      socket.setEncoding('latin1').setNoDelay(true)
      socket.on('connect', send).on('error', ({ message }) => {
        fault ??= message
      })
      socket.on('data', (chunk) => {
        text += chunk
        const answer = readAnswer(text)
        if (answer === undefined) return
        this.#record(answer, at)
        at = 0
        if (!this.#running || answer.closes) socket.end()
        else send()
      })
      socket.on('close', () => resolve(fault ?? unanswered(socket, at, text)))
    })
  }

  #record({ status, body }: Answer, at: number): void {
    if (status !== 200) this.failures.push(`${status} ${body}`)
    else this.answers.push({ at, milliseconds: performance.now() - at, body })
  }
}

const unanswered = (socket: Socket, at: number, text: string) =>
  at === 0 && socket.bytesWritten > 0 ? undefined : `the connection ended within '${text}'`

interface Answer {
  readonly status: number
  readonly body: string
  readonly closes: boolean
}

/** undefined: it is not all there. */
function readAnswer(text: string): Answer | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const head = text.slice(0, end)
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1])
  const body = text.slice(end + 4)
  if (body.length < length) return undefined
  if (body.length !== length) throw new Error(`not one answer: ${text}`)
  return { status: Number(head.slice(9, 12)), body, closes: /\r\nconnection: *close/i.test(head) }
}

/** The value that this share of the values does not exceed: 0.99 for the 99th percentile. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
