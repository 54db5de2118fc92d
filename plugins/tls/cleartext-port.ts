import type { Door, EngineOptions, Http2Server } from '../../core/index.ts'
import type { Guest, Verdict } from './guest.ts'
import { Port, type Report } from './port.ts'

/** Of the preface (RFC 9113 §3.4): no request of HTTP/1.1 begins so. */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n')

/** A port without TLS for HTTP/1.1, and for HTTP/2 where the client begins with it. */
export class CleartextPort extends Port {
  protected readonly http2: readonly Http2Server[]

  constructor(
    door: Door,
    limits: EngineOptions,
    report: Report,
    createHttp2: (door: Door, limits: EngineOptions) => Http2Server,
  ) {
    super(door, limits, report)
    this.http2 = [createHttp2(door, limits)]
  }

  judge(bytes: Buffer): Verdict {
    const size = Math.min(bytes.length, PREFACE.length)
    const isHttp2 = bytes.compare(PREFACE, 0, size, 0, size) === 0
    if (isHttp2 && size < PREFACE.length) return PREFACE.length
    return isHttp2 ? (guest) => this.#toHttp2(guest) : (guest) => this.#toHttp1(guest)
  }

  #toHttp1(guest: Guest): void {
    const socket = guest.toSocket()
    this.admitted(guest)
    this.http1.emit('connection', socket)
    socket.resume()
  }

  #toHttp2(guest: Guest): void {
    this.admitted(guest)
    this.http2[0]?.accept(guest.toSocket())
  }
}
