import { connect, type Socket } from 'node:net'
import { frontSocket } from './answer-pipes.ts'
import {
  BODY_GONE,
  BODY_LAST,
  encodeFrame,
  FRAME,
  FRAME_HEAD,
  type FrameFields,
  VERSION,
} from './protocol.ts'

const PULL_SIZE = 65_536

interface Pulled {
  readonly bytes: Buffer
  readonly last: boolean
  readonly gone: boolean
}

/** A lane's socket to one front: streams, big answers, bodies on demand. */
export class Link {
  readonly #socket: Socket
  readonly #entry: number
  #received: Buffer = Buffer.alloc(0)
  #pulled: ((piece: Pulled) => void) | undefined
  #room: (() => void)[] = []

  constructor(directory: string, front: number, entry: number, ended: () => void) {
    this.#entry = entry
    this.#socket = connect(frontSocket(directory, front))
    this.#socket.on('data', (bytes) => this.#receive(bytes))
    this.#socket.on('drain', () => this.#hasRoom())
    this.#socket.on('error', () => {}) // 'close' follows
    this.#socket.on('close', () => {
      this.#hasRoom()
      this.#pulled?.({ bytes: Buffer.alloc(0), last: true, gone: true })
      ended()
    })
    const hello = Buffer.alloc(8)
    hello.writeUInt32LE(VERSION, 0)
    hello.writeUInt32LE(process.pid, 4)
    this.send({ type: FRAME.hello, request: 0 }, hello)
  }

  /** @returns false where the front does not keep up. */
  send(frame: FrameFields, payload?: Uint8Array): boolean {
    return this.#socket.write(encodeFrame(frame, this.#entry, payload))
  }

  cork(): void {
    this.#socket.cork()
  }

  uncork(): void {
    this.#socket.uncork()
  }

  /** Resolves when the front has taken what it was sent, or is gone. */
  room(): Promise<void> {
    return new Promise((resolve) => this.#room.push(resolve))
  }

  /** The next bytes of a body on demand. */
  async pull(request: number): Promise<Pulled> {
    const wanted = Buffer.alloc(4)
    wanted.writeUInt32LE(PULL_SIZE, 0)
    const answer = new Promise<Pulled>((resolve) => {
      this.#pulled = resolve
    })
    this.send({ type: FRAME.pull, request }, wanted)
    return answer
  }

  /** Resolves when everything has left. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.once('close', () => resolve())
      this.#socket.end()
      if (this.#socket.closed) resolve()
    })
  }

  #hasRoom(): void {
    for (const resolve of this.#room.splice(0)) resolve()
  }

  #receive(bytes: Buffer): void {
    const all = this.#received.length > 0 ? Buffer.concat([this.#received, bytes]) : bytes
    let at = 0
    while (at + FRAME_HEAD <= all.length) {
      const end = at + FRAME_HEAD + all.readUInt32LE(at)
      if (end > all.length) break
      this.#take(all[at + 8] as number, all[at + 9] as number, all.subarray(at + FRAME_HEAD, end))
      at = end
    }
    this.#received = Buffer.from(all.subarray(at))
  }

  #take(type: number, flags: number, payload: Buffer): void {
    if (type !== FRAME.body) throw new Error(`a frame of type ${type} where a body was due`)
    const last = (flags & BODY_LAST) !== 0
    const gone = (flags & BODY_GONE) !== 0
    this.#pulled?.({ bytes: Buffer.from(payload), last, gone })
    this.#pulled = undefined
  }
}
