import { randomBytes } from 'node:crypto'
import type { Core, loadHttp2 } from '../../core/index.ts'
import type { Identity } from './identity.ts'
import type { Settings } from './settings.ts'
import type { TlsPort } from './tls-port.ts'

/** 16 bytes each for name, encryption and authentication, as OpenSSL takes them. */
const TICKET_KEY_BYTES = 48

/** What outlives generations: the open ports, what they go by, and the key of session tickets. */
export class TlsLife {
  readonly ports = new Set<TlsPort>()
  /** Kept, so that a browser that was told to go on goes on after a reload. */
  selfSigned: Identity | undefined
  /** Loaded by the first generation that offers it: ports that are open take it up, too. */
  http2: Awaited<ReturnType<typeof loadHttp2>> | undefined
  /** Who may change what the ports go by: the generation that serves. */
  owner: Core | undefined
  #current: Settings | undefined
  #ticketKey = ''
  #ticketKeyMade = 0

  static of({ kept }: Core, name: string): TlsLife {
    const life = (kept.get(name) as TlsLife | undefined) ?? new TlsLife()
    kept.set(name, life)
    return life
  }

  get current(): Settings | undefined {
    return this.#current
  }

  /** New handshakes go by these. */
  put(settings: Settings): void {
    this.#current = settings
    for (const port of this.ports) port.use(settings)
  }

  open(port: TlsPort): void {
    this.ports.add(port)
    port.server.on('close', () => this.ports.delete(port))
  }

  /** Milliseconds until the key of tickets is due to change, where it changes after so many. */
  untilRotation(period: number): number {
    return Math.max(0, this.#ticketKeyMade + period - performance.now())
  }

  /** @param period milliseconds after which there is another one; 0: never. */
  ticketKey(period: number): string {
    const isDue = period > 0 && this.untilRotation(period) === 0
    if (this.#ticketKey === '' || isDue) {
      this.#ticketKey = randomBytes(TICKET_KEY_BYTES).toString('base64')
      this.#ticketKeyMade = performance.now()
    }
    return this.#ticketKey
  }
}
