import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  constants,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { createServer, type Server, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { readBoard } from './board.ts'
import { FRAME, type Frame, FrameReader, TAKEN_REFUSED } from './frame.ts'
import { BLOCK_SIZE, encodeSlot, type SlotRequest, slotOf } from './slot.ts'

/** How to start a language's spawner, and what its configuration says of the app. */
export interface WorkerUnderTest {
  readonly command: string
  readonly args: readonly string[]
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  /** `app` of the configuration line, for the conformance application. */
  readonly app: Readonly<Record<string, unknown>>
  /** The same for an application that cannot be loaded. */
  readonly brokenApp?: Readonly<Record<string, unknown>>
}

export type WorkerEvent = { readonly event: string } & Record<string, unknown>

/** Milliseconds after which what does not come is a failure. */
const LIMIT = 10_000
const ENTRIES = 64
const BLOCKS = 8

/** The front's side of docs/worker-protocol.md, as small as tests allow: front number 0 with a spawner. */
export class FakeFront {
  readonly directory = mkdtempSync(join(tmpdir(), 'wsgi-core-front-'))
  readonly events: WorkerEvent[] = []
  readonly frames: Frame[] = []
  readonly #child: ChildProcess
  readonly #control: Socket
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #board: number
  readonly #bodies: number
  #queue = -1
  #answers: Socket | undefined
  #stderr = ''
  #request = 0
  readonly #waiting = new Set<() => void>()

  constructor(worker: WorkerUnderTest, configuration: Readonly<Record<string, unknown>> = {}) {
    this.#board = this.#file('scoreboard', ENTRIES * 64)
    this.#bodies = this.#file('bodies', BLOCKS * BLOCK_SIZE)
    this.#server = createServer((socket) => this.#accept(socket))
    this.#server.listen(this.path('front-0.sock'))
    this.#child = spawn(worker.command, worker.args, {
      ...(worker.cwd && { cwd: worker.cwd }),
      env: { ...process.env, ...worker.env },
      stdio: ['ignore', 'inherit', 'pipe', 'pipe'],
      detached: true,
    })
    this.#child.stderr?.on('data', (bytes) => {
      this.#stderr += bytes
    })
    this.#control = this.#child.stdio[3] as Socket
    this.#control.on('error', () => {})
    createInterface({ input: this.#control })
      .on('line', (line) => {
        this.events.push(JSON.parse(line))
        this.#look()
      })
      .on('error', () => {}) // it passes on those of its input
    this.command({ ...DEFAULTS, directory: this.directory, app: worker.app, ...configuration })
  }

  path(name: string): string {
    return join(this.directory, name)
  }

  get pid(): number {
    return this.#child.pid as number
  }

  /** Sends a line to the spawner. */
  command(command: object): void {
    this.#control.write(`${JSON.stringify(command)}\n`)
  }

  /** Opens the pipes once they exist, and starts workers. */
  async boot(workers = 1): Promise<this> {
    await this.open()
    for (let worker = 0; worker < workers; worker++) this.command({ command: 'spawn', worker })
    for (let worker = 0; worker < workers; worker++) await this.event('ready', { worker })
    return this
  }

  async open(): Promise<void> {
    await this.event('started')
    const flags = constants.O_RDWR | constants.O_NONBLOCK
    this.#queue = openSync(this.path('queue'), flags)
    const fd = openSync(this.path('answers-0'), flags)
    this.#answers = new Socket({ fd, readable: true, writable: false })
    const reader = new FrameReader('answers')
    this.#answers.on('data', (bytes) => this.#gather(reader.feed(bytes)))
  }

  /** Waits for an event with these fields, and takes it off the list. */
  event(name: string, fields: Readonly<Record<string, unknown>> = {}): Promise<WorkerEvent> {
    const fits = (event: WorkerEvent) =>
      event.event === name && Object.entries(fields).every(([key, value]) => event[key] === value)
    return this.#await(`event '${name}'`, () => take(this.events, fits))
  }

  /** Waits for the next frame of a request, and takes it. */
  frame(request: number, type?: number): Promise<Frame> {
    const fits = (frame: Frame) =>
      frame.request === request && frame.type !== FRAME.hello && (type ?? frame.type) === frame.type
    return this.#await(`a frame of request ${request}`, () => take(this.frames, fits))
  }

  /** Waits for the HELLO of a connection, and takes it. */
  hello(): Promise<Frame> {
    return this.#await('HELLO', () => take(this.frames, ({ type }) => type === FRAME.hello))
  }

  /** Sends a request and waits for its first frame. */
  ask(path: string, options: SlotRequest = {}): Promise<Frame> {
    return this.frame(this.send(path, options))
  }

  /** All frames of one answer. */
  async askAll(path: string, options: SlotRequest = {}): Promise<Frame[]> {
    const request = this.send(path, options)
    const frames: Frame[] = []
    for (;;) {
      const frame = await this.frame(request)
      frames.push(frame)
      if (ENDS.has(frame.type)) return frames
    }
  }

  /** Writes a request into the queue. @returns its id */
  send(path: string, options: SlotRequest = {}): number {
    const request = ++this.#request
    const { slot, block, file } = slotOf(request, path, options)
    if (block) writeSync(this.#bodies, block, 0, block.length, BLOCK_SIZE)
    if (file) writeFileSync(this.path(`body-0-${request}`), file)
    this.writeSlot(slot)
    return request
  }

  /** Writes a slot of another kind than a request. */
  control(kind: number, id = 0): void {
    this.writeSlot(encodeSlot({ kind, id }))
  }

  writeSlot(slot: Buffer): void {
    writeSync(this.#queue, slot)
  }

  /** Answers a frame on the socket that it came over. */
  reply(frame: Frame, type: number, payload = Buffer.alloc(0), flags = 0): void {
    const head = Buffer.alloc(16)
    head.writeUInt32LE(payload.length, 0)
    head.writeUInt32LE(frame.request, 4)
    head[8] = type
    head[9] = flags
    ;(frame.way as Socket).write(Buffer.concat([head, payload]))
  }

  /** A scoreboard entry. */
  board(entry = 0) {
    const bytes = Buffer.alloc(64)
    readSync(this.#board, bytes, 0, 64, entry * 64)
    return readBoard(bytes)
  }

  /** Waits until a scoreboard entry fulfils this. */
  async boardShows(what: string, fits: (entry: ReturnType<typeof readBoard>) => boolean) {
    await this.until(`the scoreboard shows ${what}`, () => fits(this.board()))
  }

  /** Tells the worker that the client of the request is gone. */
  leaveClient(request: number, entry = 0): void {
    const field = Buffer.alloc(8)
    field.writeBigUInt64LE((1n << 63n) | BigInt(request))
    writeSync(this.#board, field, 0, 8, entry * 64 + 40)
  }

  async until(what: string, holds: () => boolean): Promise<void> {
    const timer = setInterval(() => this.#look(), 10)
    try {
      await this.#await(what, () => holds() || undefined)
    } finally {
      clearInterval(timer)
    }
  }

  /** Waits for the spawner's end. @returns its exit code */
  async ended(): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      await once(this.#child, 'exit')
    }
    return this.#child.exitCode
  }

  /** Closes the queue and the control socket, as a front that has died: the kernel does that for it. */
  die(): void {
    this.#control.destroy()
    this.#answers?.destroy()
    if (this.#queue >= 0) closeSync(this.#queue)
    this.#queue = -1
  }

  /** Ends everything. */
  async close(): Promise<void> {
    this.die()
    const killer = setTimeout(() => process.kill(-this.pid, 'SIGKILL'), LIMIT)
    await this.ended()
    clearTimeout(killer)
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    for (const fd of [this.#board, this.#bodies]) closeSync(fd)
    rmSync(this.directory, { recursive: true, force: true })
  }

  #file(name: string, size: number): number {
    const fd = openSync(this.path(name), 'w+', 0o600)
    ftruncateSync(fd, size)
    return fd
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket)
    const reader = new FrameReader(socket)
    socket.on('data', (bytes) => this.#gather(reader.feed(bytes)))
    socket.on('error', () => {})
  }

  #gather(frames: Frame[]): void {
    for (const frame of frames) {
      if (OFFERS.has(frame.type)) this.reply(frame, FRAME.taken, undefined, TAKEN_REFUSED)
      else this.frames.push(frame)
    }
    this.#look()
  }

  #look(): void {
    for (const look of [...this.#waiting]) look()
  }

  #await<T>(what: string, find: () => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer)
        this.#waiting.delete(look)
      }
      const look = () => {
        const found = find()
        if (found === undefined) return
        settle()
        resolve(found)
      }
      const timer = setTimeout(() => {
        settle()
        const seen = JSON.stringify(this.events)
        reject(new Error(`${what} did not come; events: ${seen}; stderr: ${this.#stderr}`))
      }, LIMIT)
      this.#waiting.add(look)
      look()
    })
  }
}

/** Of quicker ways, all of which are refused. */
const OFFERS = new Set<number>([FRAME.memory, FRAME.pipe, FRAME.splice])
const ENDS = new Set<number>([FRAME.response, FRAME.end, FRAME.abort])

const DEFAULTS = {
  version: 1,
  fronts: [0],
  threads: 1,
  workers: 1,
  timeout: 30,
  graceful_timeout: 5,
  max_requests: 0,
  max_requests_jitter: 0,
  max_worker_memory: 0,
  preload: false,
  capture_output: false,
  reap_orphans: false,
  report_files: false,
  generation: 7,
  environ: { SERVER_SOFTWARE: 'test/1' },
}

function take<T>(list: T[], fits: (each: T) => boolean): T | undefined {
  const at = list.findIndex(fits)
  return at < 0 ? undefined : list.splice(at, 1)[0]
}
