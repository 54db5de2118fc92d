import type { Socket } from 'node:net'
import { ConnectionLife } from './connection-life.ts'
import { FrameReader } from './frame-reader.ts'
import { readTrailers } from './head.ts'
import { HeaderBlock } from './header-block.ts'
import { CODE, FLAG, FRAME, LARGEST_WINDOW } from './protocol.ts'
import type { Http2Server } from './server.ts'
import { Http2Stream } from './stream.ts'

/** Settings in one frame; no client has so many. */
const MOST_SETTINGS = 32
/** A window that grows by less has the server send in small pieces. */
const DRIBBLE = 256

/** One client over HTTP/2: what it sends, frame by frame. */
export class Http2Connection extends ConnectionLife {
  readonly maxFrame: number
  readonly #reader = new FrameReader(this)
  readonly #block: HeaderBlock
  /** The stream of the frame of type DATA at hand; undefined: nobody wants it. */
  #body: Http2Stream | undefined = undefined
  #bodyFlags = 0
  #isFirst = true

  constructor(socket: Socket, server: Http2Server) {
    super(socket, server)
    this.maxFrame = server.settings.maxFrameSize
    this.#block = new HeaderBlock(server.settings.maxHeaderListSize)
    this.greet()
  }

  /** What has come from the client. */
  receive(bytes: Buffer): void {
    if (this.isOver) return
    const reader = this.#reader
    const { count } = reader
    reader.read(bytes)
    const { isOpen } = this.#block
    this.notePart(reader.isWaiting || isOpen, reader.count !== count && !isOpen)
  }

  announced(type: number, stream: number, length: number): boolean {
    if (type > FRAME.continuation) {
      this.frame(type, 0, stream, NOTHING, 0, 0)
      return false
    }
    const most = MOST[type]
    if (most !== undefined && length > most) this.fault(CODE.frameSize, 'frame of a wrong size')
    else if (this.#block.isTooLarge(length)) this.fault(CODE.calm, 'head too large')
    return !this.isOver
  }

  frame(
    type: number,
    flags: number,
    stream: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    if (this.#isFirst) {
      this.#isFirst = false
      const isRight = type === FRAME.settings && (flags & FLAG.ack) === 0
      if (!isRight) return this.fault(CODE.protocol, 'no SETTINGS at the beginning')
    }
    if (this.#block.isOpen && (type !== FRAME.continuation || stream !== this.#block.stream)) {
      return this.fault(CODE.protocol, 'a head is not complete')
    }
    switch (type) {
      case FRAME.headers:
        return this.#headers(flags, stream, bytes, start, end)
      case FRAME.priority:
        return this.#priority(stream, end - start)
      case FRAME.reset:
        return this.#reset(stream, end - start)
      case FRAME.settings:
        return this.#settings(flags, stream, bytes, start, end)
      case FRAME.pushPromise:
        return this.fault(CODE.protocol, 'PUSH_PROMISE')
      case FRAME.ping:
        return this.#ping(flags, stream, bytes, start, end)
      case FRAME.goaway:
        return this.#goaway(stream, end - start)
      case FRAME.windowUpdate:
        return this.#windowUpdate(stream, bytes, start, end)
      case FRAME.continuation:
        return this.#continuation(flags, bytes, start, end)
    }
    this.countControl() // RFC 9113 §5.5: unknown ones are ignored
  }

  dataBegun(id: number, flags: number, length: number, size: number): void {
    this.#body = undefined
    if (this.#isFirst) return this.fault(CODE.protocol, 'no SETTINGS at the beginning')
    if (this.#block.isOpen) return this.fault(CODE.protocol, 'a head is not complete')
    if (id === 0 || this.isIdleStream(id)) return this.fault(CODE.protocol, 'DATA of no stream')
    if (!this.takeData(length)) return this.fault(CODE.flowControl, 'more DATA than allowed')
    if (size === 0 && (flags & FLAG.endStream) === 0) this.countControl()
    const stream = this.streams.get(id)
    if (stream === undefined || stream.hasEnded) return this.faultOfStream(id, CODE.streamClosed)
    const code = stream.announce(length, size)
    if (code !== CODE.noError) return this.faultOfStream(id, code)
    this.#body = stream
    this.#bodyFlags = flags
  }

  data(bytes: Buffer, start: number, end: number): void {
    this.#body?.data(bytes, start, end)
  }

  dataEnded(): void {
    const stream = this.#body
    this.#body = undefined
    if (stream === undefined || (this.#bodyFlags & FLAG.endStream) === 0) return
    const code = stream.bodyEnded([])
    if (code !== CODE.noError) this.faultOfStream(stream.id, code)
  }

  #headers(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    let start = from
    let end = to
    if ((flags & FLAG.padded) !== 0) end -= start < end ? (bytes[start++] as number) : 1
    if ((flags & FLAG.priority) !== 0) start += 5
    if (start > end) return this.fault(CODE.protocol, 'HEADERS too short')
    if (id % 2 === 0) return this.fault(CODE.protocol, 'HEADERS of no stream')
    this.#block.begin(id, (flags & FLAG.endStream) !== 0)
    this.#take(flags, bytes, start, end)
  }

  #continuation(flags: number, bytes: Buffer, start: number, end: number): void {
    if (!this.#block.isOpen) return this.fault(CODE.protocol, 'CONTINUATION of nothing')
    this.#take(flags, bytes, start, end)
  }

  #take(flags: number, bytes: Buffer, start: number, end: number): void {
    const block = this.#block
    if (!block.add(start, end)) return this.fault(CODE.calm, 'head too large')
    if ((flags & FLAG.endHeaders) === 0) return block.hold(bytes, start, end)
    const { fields } = this.limits
    if (!block.decode(bytes, start, end, fields)) return this.fault(CODE.compression, 'HPACK')
    this.#headDone(block.stream, block.endsStream)
    block.decoder.forget()
  }

  /** A block is decoded, whatever becomes of it: the next one depends on it. */
  #headDone(id: number, endsStream: boolean): void {
    const stream = this.streams.get(id)
    if (stream === undefined && this.isIdleStream(id)) return this.#request(id, endsStream)
    if (stream === undefined || stream.hasEnded) return this.headOfClosed(id, stream)
    const trailers = readTrailers(this.#block.decoder.fields)
    if (!endsStream || trailers === undefined) return this.faultOfStream(id, CODE.protocol)
    if (this.#block.decoder.isTooLarge || sizeOf(trailers) > this.limits.trailers) {
      return stream.refuse({ status: 431, reason: 'trailers too large' })
    }
    const code = stream.bodyEnded(trailers)
    if (code !== CODE.noError) this.faultOfStream(id, code)
  }

  #request(id: number, endsStream: boolean): void {
    if (!this.beginStream(id)) return
    const { head } = this.server
    const { decoder } = this.#block
    const outcome = decoder.isTooLarge
      ? head.refuse(431, 'head too large')
      : head.read(decoder.fields, !endsStream, this.limits)
    if (outcome === 'malformed') return this.faultOfStream(id, CODE.protocol)
    const stream = new Http2Stream(id, this, endsStream)
    this.streams.set(id, stream)
    if (outcome === 'good') stream.start(head)
    else stream.refuse(head)
    this.countRequest()
  }

  /** RFC 9113 §5.3.2: nobody goes by it any more. */
  #priority(id: number, length: number): void {
    if (id === 0) return this.fault(CODE.protocol, 'PRIORITY of no stream')
    if (length !== 5) return this.fault(CODE.frameSize, 'PRIORITY of a wrong size')
    this.countControl()
  }

  #reset(id: number, length: number): void {
    if (length !== 4) return this.fault(CODE.frameSize, 'RST_STREAM of a wrong size')
    if (id === 0 || this.isIdleStream(id)) {
      return this.fault(CODE.protocol, 'RST_STREAM of no stream')
    }
    const stream = this.streams.get(id)
    if (stream === undefined) return this.countControl()
    this.endStream(stream)
    this.countReset()
  }

  #settings(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    const length = end - start
    if (id !== 0) return this.fault(CODE.protocol, 'SETTINGS of a stream')
    if ((flags & FLAG.ack) !== 0) {
      if (length !== 0) return this.fault(CODE.frameSize, 'SETTINGS of a wrong size')
      return this.settingsKnown()
    }
    if (length % 6 !== 0) return this.fault(CODE.frameSize, 'SETTINGS of a wrong size')
    if (length > 6 * MOST_SETTINGS) return this.fault(CODE.calm, 'too many settings')
    this.countControl()
    if (!this.isOver) this.adopt(bytes, start, end)
  }

  #ping(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (end - start !== 8) return this.fault(CODE.frameSize, 'PING of a wrong size')
    if (id !== 0) return this.fault(CODE.protocol, 'PING of a stream')
    this.countControl()
    if (this.isOver) return
    if ((flags & FLAG.ack) === 0) this.controls.ping(FLAG.ack, bytes, start)
    else this.pinged()
    this.schedule()
  }

  #goaway(id: number, length: number): void {
    if (id !== 0) return this.fault(CODE.protocol, 'GOAWAY of a stream')
    if (length < 8) return this.fault(CODE.frameSize, 'GOAWAY of a wrong size')
    this.countControl()
    this.clientLeaves()
  }

  #windowUpdate(id: number, bytes: Buffer, start: number, end: number): void {
    if (end - start !== 4) return this.fault(CODE.frameSize, 'WINDOW_UPDATE of a wrong size')
    const increment = bytes.readUInt32BE(start) & LARGEST_WINDOW
    if (increment < DRIBBLE) this.countDribble()
    if (this.isOver) return
    if (id === 0) return this.widen(increment)
    if (this.isIdleStream(id)) return this.fault(CODE.protocol, 'WINDOW_UPDATE of no stream')
    const stream = this.streams.get(id)
    if (stream === undefined) return
    if (increment === 0) return this.faultOfStream(id, CODE.protocol)
    stream.sendWindow += increment
    if (stream.sendWindow > LARGEST_WINDOW) return this.faultOfStream(id, CODE.flowControl)
    if (stream.pending > 0) this.wake(stream)
  }
}

const NOTHING = Buffer.alloc(0)

/** Payloads that are of one size, or small: bytes. */
const MOST: Readonly<Record<number, number>> = {
  [FRAME.priority]: 5,
  [FRAME.reset]: 4,
  [FRAME.settings]: 6 * MOST_SETTINGS,
  [FRAME.ping]: 8,
  [FRAME.windowUpdate]: 4,
}

const sizeOf = (trailers: readonly string[]) =>
  trailers.reduce((sum, text) => sum + text.length + 2, 0)
