import type { Socket } from 'node:net'
import { createServer } from 'node:net'
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls'
import {
  attachEngine,
  type Door,
  type EngineOptions,
  type EngineServer,
  type Http2Server,
  type Http2Settings,
} from '../../core/index.ts'
import { readClientHello } from './client-hello.ts'
import type { Context } from './contexts.ts'
import { plainDoor } from './plain-door.ts'
import { Port, type Report, type Verdict } from './port.ts'
import type { Settings } from './settings.ts'

/** First byte of a TLS record that holds a handshake. */
const HANDSHAKE = 0x16
/** RFC 6066 §3: a fatal alert. */
const UNRECOGNIZED_NAME = Buffer.from([0x15, 3, 3, 0, 2, 2, 112])

export type CreateHttp2 = (
  door: Door,
  limits: EngineOptions,
  settings: Http2Settings,
) => Http2Server

/** A port for TLS. What new handshakes go by may change; connections that are open go on as they are. */
export class TlsPort extends Port {
  readonly #createHttp2: CreateHttp2
  /** For HTTP/2 there is a server for each setting; the last one takes what is new. */
  protected readonly http2 = new Set<Http2Server>()
  #settings!: Settings
  /** One for each set of certificates, made when it is first asked for. */
  #servers = new Map<Context, TlsServer>()
  #plain: EngineServer | undefined

  constructor(
    door: Door,
    limits: EngineOptions,
    report: Report,
    settings: Settings,
    createHttp2: CreateHttp2,
  ) {
    super(door, limits, report)
    this.#createHttp2 = createHttp2
    this.use(settings)
  }

  /** New handshakes go by these. */
  use(settings: Settings): void {
    const before = this.#settings?.http2
    this.#settings = settings
    this.#servers = new Map()
    this.#plain = undefined
    if (settings.http2 && JSON.stringify(before) !== JSON.stringify(settings.http2)) {
      for (const old of this.http2) if (old.size === 0) this.http2.delete(old)
      this.http2.add(this.#createHttp2(this.door, this.limits, settings.http2))
    }
  }

  protected judge(bytes: Buffer): Verdict {
    const first = bytes[0] as number
    if (isUpperCase(first)) return (socket) => this.#answerPlain(socket)
    if (first !== HANDSHAKE) return 'neither TLS nor HTTP'
    const hello = readClientHello(bytes)
    if (typeof hello === 'number') return hello
    return hello === 'too large' ? 'ClientHello too large' : (socket) => this.#greet(socket, hello)
  }

  #greet(socket: Socket, { name }: { readonly name: string }): void {
    const context = this.#settings.contexts.find(name)
    if (context) this.#serverFor(context).emit('connection', socket)
    else {
      this.report(socket, 'no certificate for this name')
      socket.end(UNRECOGNIZED_NAME)
      socket.resume()
    }
  }

  #serverFor(context: Context): TlsServer {
    const made = this.#servers.get(context) ?? this.#createTls(this.#settings, context)
    this.#servers.set(context, made)
    return made
  }

  #createTls(settings: Settings, { options }: Context): TlsServer {
    const tls = createTlsServer({ ...options, ...settings.server })
    tls.on('secureConnection', (socket) => this.#secured(socket, settings))
    tls.on('tlsClientError', (error, socket) => {
      this.report(socket, reasonOf(error))
      rawOf(socket)?.destroy()
    })
    const { staples } = settings
    if (staples.size > 0) {
      tls.on('OCSPRequest', (certificate, _issuer, done) =>
        done(null, staples.get(certificate?.toString('hex')) ?? (null as never)),
      )
    }
    return tls
  }

  #secured(socket: TLSSocket, { certReqs, hasHttp1 }: Settings): void {
    const raw = rawOf(socket)
    if (raw) this.admitted(raw)
    const isWrong = certReqs === 'optional' && !socket.authorized && hasCertificate(socket)
    if (isWrong) return this.#turnAway(socket, `client certificate: ${socket.authorizationError}`)
    if (socket.alpnProtocol === 'h2') [...this.http2].at(-1)?.accept(socket)
    else if (hasHttp1) this.http1.emit('connection', socket)
    else this.#turnAway(socket, 'it does not speak HTTP/2')
  }

  #turnAway(socket: TLSSocket, reason: string): void {
    this.report(socket, reason)
    socket.on('error', () => {}).destroy()
  }

  /** Somebody speaks HTTP without TLS. */
  #answerPlain(socket: Socket): void {
    this.report(socket, 'plain HTTP')
    this.admitted(socket)
    const isRedirect = this.#settings.plainRequests === 'redirect'
    const door = plainDoor(this.door, isRedirect)
    this.#plain ??= attachEngine(createServer(), 'connection', door, this.limits)
    this.#plain.emit('connection', socket)
    socket.resume()
  }
}

const isUpperCase = (byte: number) => byte >= 0x41 && byte <= 0x5a

/** The connection below, as the kernel gave it. */
const rawOf = (socket: TLSSocket) => (socket as unknown as { _parent?: Socket })._parent

const hasCertificate = (socket: TLSSocket) => socket.getPeerX509Certificate() !== undefined

const reasonOf = (error: Error) => (error as NodeJS.ErrnoException).code ?? error.message
