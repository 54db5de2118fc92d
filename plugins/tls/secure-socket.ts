import { Socket } from 'node:net'
import { type SecureContext, type Server, TLSSocket } from 'node:tls'
import { lentReads, type NetHandle } from '../../core/index.ts'
import type { Guest } from './guest.ts'

/** What a handshake goes by, and who is told of its end. */
export interface Terms {
  readonly options: {
    readonly secureContext: SecureContext
    readonly ALPNProtocols: Buffer
    readonly requestCert: boolean
    readonly rejectUnauthorized: boolean
    /** Has its event 'OCSPRequest' tell what is to be stapled. */
    readonly server?: Server
  }
  secured(guest: Guest, socket: SecureSocket): void
  /** There is nothing more to be done about it. */
  failed(guest: Guest, reason: string): void
}

const OPTIONS = {
  isServer: true,
  allowHalfOpen: true,
  /** For those over a handle. More than a record of TLS does not come at a time. */
  onread: lentReads(16_384),
}

interface Inside {
  _handle: { receive(bytes: Buffer): void; verifyError(): { code: string } | null }
  _tlsOptions: { below: NetHandle | undefined }
  _releaseControl(): void
  authorizationError: unknown
  connecting: boolean
  secureConnecting: boolean
}

type WrapHandle = (wrap: unknown, handle: unknown, isBusy: boolean) => object

const { _wrapHandle: wrapHandle } = TLSSocket.prototype as unknown as { _wrapHandle: WrapHandle }

/**
 * The server's side of TLS, as `tls.Server` makes it, but for its handshake's time limit. Over a handle, too: it spares
 * the socket below, whose stream would only be in the way.
 */
export class SecureSocket extends TLSSocket {
  /** Whether who takes it is lent what comes, instead of the stream. */
  readonly isLent: boolean
  readonly #guest: Guest
  readonly #terms: Terms
  /** It is known how the handshake ended. */
  #isSettled = false

  constructor(guest: Guest, below: Socket | NetHandle, terms: Terms) {
    const isSocket = below instanceof Socket
    const options = { ...terms.options, ...OPTIONS, below: isSocket ? undefined : below }
    super((isSocket ? below : undefined) as Socket, options as object)
    this.#guest = guest
    this.#terms = terms
    this.isLent = !isSocket
    if (this.isLent) (this as unknown as Inside).connecting = false
    this.on('secure', this.#onSecure).on('_tlsError', this.#onError)
    this.on('end', this.#onClose).on('close', this.#onClose)
  }

  /** What was read from the handle before. */
  begin(bytes: Buffer): void {
    ;(this as unknown as Inside)._handle.receive(bytes)
  }

  /** Node asks for the handle that is below. */
  protected _wrapHandle(wrap: unknown, handle: unknown, isBusy: boolean): object {
    const { below } = (this as unknown as Inside)._tlsOptions
    return wrapHandle.call(this, wrap, handle ?? below, isBusy)
  }

  #onSecure(): void {
    const inside = this as unknown as Inside
    const { requestCert, rejectUnauthorized } = this.#terms.options
    const fault = requestCert ? inside._handle.verifyError() : null
    if (fault) inside.authorizationError = fault.code
    if (fault && rejectUnauthorized) return this.#fail(`client certificate: ${fault.code}`)
    this.authorized = requestCert && !fault
    if (this.destroyed || this.#isSettled) return
    this.#isSettled = true
    inside._releaseControl()
    inside.secureConnecting = false
    this.#terms.secured(this.#guest, this)
  }

  #onError(error: NodeJS.ErrnoException): void {
    // what came is no TLS: nothing more can be read
    if (this.#isSettled) this.destroy()
    else this.#fail(error.code ?? error.message)
  }

  #onClose(): void {
    this.#fail('ECONNRESET')
  }

  #fail(reason: string): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.#terms.failed(this.#guest, reason)
    this.destroy()
  }
}
