import { createServer } from 'node:net'
import {
  createSecureContext,
  createServer as createTlsServer,
  type SecureContextOptions,
  type Server as TlsServer,
} from 'node:tls'
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
import type { Guest, Verdict } from './guest.ts'
import { plainDoor } from './plain-door.ts'
import { Port, type Report } from './port.ts'
import type { SecureSocket, Terms } from './secure-socket.ts'
import type { Settings } from './settings.ts'
import { renewTickets } from './tickets.ts'

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
  #terms = new Map<Context, Terms>()
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
    this.#terms = new Map()
    if (settings.http2 && JSON.stringify(before) !== JSON.stringify(settings.http2)) {
      for (const old of this.http2) if (old.size === 0) this.http2.delete(old)
      this.http2.add(this.#createHttp2(this.door, this.limits, settings.http2))
    }
  }

  judge(bytes: Buffer): Verdict {
    const first = bytes[0] as number
    if (isUpperCase(first)) return (guest) => this.#answerPlain(guest)
    if (first !== HANDSHAKE) return 'neither TLS nor HTTP'
    const hello = readClientHello(bytes)
    if (typeof hello === 'number') return hello
    return hello === 'too large' ? 'ClientHello too large' : (guest) => this.#greet(guest, hello)
  }

  #greet(guest: Guest, { name }: { readonly name: string }): void {
    const context = this.#settings.contexts.find(name)
    if (context) {
      guest.toSecure(this.#termsOf(context))
      return
    }
    this.report(guest, 'no certificate for this name')
    guest.toSocket().resume().end(UNRECOGNIZED_NAME)
  }

  #termsOf(context: Context): Terms {
    const made = this.#terms.get(context) ?? this.#createTerms(this.#settings, context)
    this.#terms.set(context, made)
    return made
  }

  #createTerms(settings: Settings, { options }: Context): Terms {
    const { staples, certReqs } = settings
    const secureContext = createSecureContext(options)
    // a certificate that was shown once is not to count for longer
    if (certReqs === 'none') renewTickets(secureContext, options.ticketKeys as Buffer)
    return {
      options: {
        ...settings.handshake,
        secureContext,
        ...(staples.size > 0 && { server: stapler(options, staples) }),
      },
      secured: (guest, socket) => this.#secured(guest, socket, settings),
      failed: this.report,
    }
  }

  #secured(guest: Guest, socket: SecureSocket, { certReqs, hasHttp1 }: Settings): void {
    this.admitted(guest)
    const isWrong = certReqs === 'optional' && !socket.authorized && hasCertificate(socket)
    if (isWrong) return this.#turnAway(socket, `client certificate: ${socket.authorizationError}`)
    if (socket.alpnProtocol === 'h2') [...this.http2].at(-1)?.accept(socket)
    else if (!hasHttp1) this.#turnAway(socket, 'it does not speak HTTP/2')
    else if (socket.isLent) this.http1.take(socket)
    else this.http1.emit('connection', socket)
  }

  #turnAway(socket: SecureSocket, reason: string): void {
    this.report(socket, reason)
    socket.on('error', () => {}).destroy()
  }

  /** Somebody speaks HTTP without TLS. */
  #answerPlain(guest: Guest): void {
    this.report(guest, 'plain HTTP')
    this.admitted(guest)
    this.#plain ??= this.#createPlain()
    const socket = guest.toSocket()
    this.#plain.emit('connection', socket)
    socket.resume()
  }

  #createPlain(): EngineServer {
    const door = plainDoor(this.door, () => this.#settings.plainRequests === 'redirect')
    const plain = attachEngine(createServer(), 'connection', door, this.limits)
    this.others.add(plain)
    return plain
  }
}

const isUpperCase = (byte: number) => byte >= 0x41 && byte <= 0x5a

const hasCertificate = (socket: SecureSocket) => socket.getPeerX509Certificate() !== undefined

/** Node asks a server of its own for what is to be stapled. */
function stapler(options: SecureContextOptions, staples: Settings['staples']): TlsServer {
  const server = createTlsServer(options)
  return server.on('OCSPRequest', (certificate, _issuer, done) =>
    done(null, staples.get(certificate?.toString('hex')) ?? (null as never)),
  )
}
