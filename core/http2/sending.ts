import type { Socket } from 'node:net'
import type { Callback } from '../http/response-body.ts'
import { FrameWriter, writer } from './frame-writer.ts'
import { type Carrier, LEAST_ROOM, type Outgoing } from './outgoing.ts'
import { PeerSettings } from './peer-settings.ts'
import { CODE, DEFAULT_WINDOW, LARGEST_WINDOW } from './protocol.ts'

/** Bytes that wait in the socket before the streams wait. */
const MOST_BACKLOG = 131_072
/** Bytes of frames that answer the client's, and wait because it reads nothing. */
const MOST_CONTROLS = 65_536
const FEW = 256

/** Writes for all connections at the end of a turn. */
export interface Scheduler {
  schedule(connection: { flush(): void }): void
}

/** How a connection writes: all streams that have something, in turn, in one go. */
export abstract class Sending<Stream extends Outgoing> implements Carrier {
  readonly socket: Socket
  readonly peer = new PeerSettings()
  sendWindow = DEFAULT_WINDOW
  /** Bytes of bodies that were sent since somebody looked. */
  sent = 0
  readonly #scheduler: Scheduler
  #isScheduled = false
  #isFirstHead = true
  readonly #queue: Stream[] = []
  /** They wait for the connection's window. */
  readonly #starved = new Set<Stream>()
  #controls: FrameWriter | undefined = undefined
  #done: Callback[] = []
  #moved: Stream[] = []

  constructor(socket: Socket, scheduler: Scheduler) {
    this.socket = socket
    this.#scheduler = scheduler
  }

  get maxSentFrame(): number {
    return this.peer.maxFrame
  }

  get isStarved(): boolean {
    return this.#starved.size > 0
  }

  /** Frames that are of no stream, or of one that is over; the caller has them sent by `schedule`. */
  get controls(): FrameWriter {
    this.#controls ??= new FrameWriter(FEW)
    return this.#controls
  }

  takeFirstHead(): boolean {
    const isFirst = this.#isFirstHead
    this.#isFirstHead = false
    return isFirst
  }

  wake(stream: Outgoing): void {
    if (stream.isQueued || stream.isOver) return
    stream.isQueued = true
    this.#queue.push(stream as Stream)
    this.schedule()
  }

  schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#scheduler.schedule(this)
  }

  left(done: Callback | undefined): void {
    if (done !== undefined) this.#done.push(done)
  }

  /** The connection's window has grown. */
  widen(increment: number): void {
    if (increment === 0) return this.fault(CODE.protocol, 'WINDOW_UPDATE of nothing')
    this.sendWindow += increment
    if (this.sendWindow > LARGEST_WINDOW) return this.fault(CODE.flowControl, 'window too large')
    for (const stream of this.#starved) this.wake(stream)
    this.#starved.clear()
  }

  /** Writes what may be written now. */
  flush(): void {
    this.#isScheduled = false
    if (this.socket.destroyed || this.socket.writableEnded) return
    try {
      this.#writeControls()
      this.#writeStreams()
      writer.flush(this.socket)
    } catch (error) {
      writer.size = 0 // nothing of it may go to somebody else
      this.socket.destroy()
      throw error
    }
    this.#tell()
    this.written()
  }

  abstract fault(code: number, reason: string): void

  /** A stream is of no more concern here. */
  protected forget(stream: Stream): void {
    this.#starved.delete(stream)
  }

  /** A stream's last frame is written. */
  protected abstract over(stream: Stream): void

  /** All is written that may be. */
  protected abstract written(): void

  /** Whether nothing waits, here or in the socket. */
  protected get isClear(): boolean {
    return this.#queue.length === 0 && this.#controls === undefined
  }

  #writeControls(): void {
    const controls = this.#controls
    if (controls === undefined) return
    this.#controls = undefined
    writer.append(controls)
    if (this.socket.writableLength > MOST_BACKLOG + MOST_CONTROLS) this.socket.destroy()
  }

  #writeStreams(): void {
    const queue = this.#queue
    let at = 0
    for (; at < queue.length; at++) {
      if (writer.room < LEAST_ROOM) writer.flush(this.socket)
      if (this.socket.writableLength + writer.size >= MOST_BACKLOG) break
      const stream = queue[at] as Stream
      const before = this.sendWindow
      const progress = stream.writeTo(writer)
      if (this.sendWindow !== before) {
        this.sent += before - this.sendWindow
        this.#moved.push(stream)
      }
      if (progress === 'more') {
        queue.push(stream)
        continue
      }
      stream.isQueued = false
      if (progress === 'starved') this.#starved.add(stream)
      else if (progress === 'over') this.over(stream)
    }
    if (at === queue.length) queue.length = 0
    else queue.splice(0, at)
  }

  /** Who has written may write on, now that nothing is half done. */
  #tell(): void {
    if (this.#done.length > 0) for (const done of this.#done.splice(0)) done()
    if (this.#moved.length > 0) for (const stream of this.#moved.splice(0)) this.moved(stream)
  }

  /** Some of its body is in frames. */
  protected abstract moved(stream: Stream): void
}
