// HTTPS and HTTP/2 clients for the suites here.
import { once } from 'node:events'
import {
  type ClientHttp2Session,
  connect as connectHttp2,
  type IncomingHttpHeaders,
  type SecureClientSessionOptions,
} from 'node:http2'
import { type RequestOptions, request as sendRequest } from 'node:https'
import { createServer, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

type Options = RequestOptions & { body?: string | Buffer }

/** One request over HTTP/1.1 on a connection of its own. */
export async function get(url: string, { body, ...options }: Options = {}): Promise<Answer> {
  const outgoing = sendRequest(url, { agent: false, servername: 'localhost', ...options })
  outgoing.end(body)
  const [incoming] = await once(outgoing, 'response')
  return { status: incoming.statusCode, headers: incoming.headers, body: await text(incoming) }
}

/** Up to the end of the handshake. */
export async function handshake(url: string, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const { hostname, port } = new URL(url)
  const socket = connect({
    host: hostname,
    port: Number(port),
    servername: 'localhost',
    ...options,
  })
  socket.on('error', () => {}) // once() rejects, or 'close' tells
  await once(socket, 'secureConnect')
  return socket
}

/** Why the handshake came to nothing. */
export async function refusal(url: string, options: ConnectionOptions = {}): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect({
    host: hostname,
    port: Number(port),
    servername: 'localhost',
    ...options,
  })
  try {
    // with TLS 1.3 the server's no comes after the client's yes
    const error = await new Promise<Error | undefined>((resolve) => {
      socket.on('error', resolve)
      socket.on('close', () => resolve(undefined))
      socket.on('data', () => {})
    })
    return error === undefined ? 'closed' : ((error as NodeJS.ErrnoException).code ?? error.message)
  } finally {
    socket.destroy()
  }
}

export async function openHttp2(
  url: string,
  options: SecureClientSessionOptions = {},
): Promise<ClientHttp2Session> {
  const session = connectHttp2(url, {
    servername: 'localhost',
    ...options,
  } as SecureClientSessionOptions)
  session.on('error', () => {}) // once() rejects
  await once(session, 'connect')
  return session
}

/** One request over HTTP/2. */
export async function ask(
  session: ClientHttp2Session,
  path: string,
  headers: Record<string, string | number | string[]> = {},
  body?: string | Buffer,
): Promise<Answer> {
  const method = body === undefined ? 'GET' : 'POST'
  const head = { ':path': path, ':method': method, ...headers }
  const stream = session.request(head, { endStream: body === undefined })
  if (body !== undefined) stream.end(body)
  const [response] = await once(stream, 'response')
  return { status: response[':status'], headers: response, body: await text(stream) }
}

/** What a client begins with. */
export async function helloOf(options: ConnectionOptions): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const client = connect({ port, host: '127.0.0.1', ...options }).on('error', () => {})
  const [socket] = (await once(server, 'connection')) as [Socket]
  const [bytes] = await once(socket, 'data')
  client.destroy()
  socket.destroy()
  server.close()
  return bytes
}
