// For tests of the pool's parts: a job that notes what comes, a folder with the pipes, slots and frames by hand.
import { execFileSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FRAME_HEADER } from '../frames.ts'
import type { Body, Failure, HandedFile, Job, Source } from '../job.ts'
import { SLOT_HEADER, SLOT_SIZE } from '../slot.ts'

/** A job that notes what it is told. */
export class NotingJob implements Job {
  readonly events: string[] = []
  body: Body
  readonly environ: string
  readonly headTime = performance.now()
  readonly bodyMicroseconds = 0
  flushed = true
  id = 0
  isRepeatable = false
  url = '/'
  method = 'GET'
  kind: Job['kind'] = undefined
  isSlow = false
  wasRepeated = false
  /** What `data` answers. */
  takes = true
  source: Source | undefined
  received = ''

  constructor(environ = 'REQUEST_METHOD\0GET\0', body: Body = { kind: 'none' }) {
    this.environ = environ
    this.body = body
  }

  whole(head: string, bytes: Buffer, start: number, end: number, failed: boolean): void {
    this.received += bytes.toString('latin1', start, end)
    this.events.push(`whole ${head.replaceAll('\0', '|')}${failed ? ' failed' : ''}`)
  }

  head(head: string): void {
    this.events.push(`head ${head.replaceAll('\0', '|')}`)
  }

  data(bytes: Buffer, source: Source): boolean {
    this.source = source
    this.received += bytes.toString('latin1')
    return this.takes
  }

  end(): void {
    this.events.push('end')
  }

  cork(): void {}
  uncork(): void {}

  information(head: string): void {
    this.events.push(`information ${head}`)
  }

  async file({ pid, descriptor, offset, length }: HandedFile): Promise<boolean> {
    this.events.push(`file ${pid} ${descriptor} ${offset} ${length}`)
    return true
  }

  async pull(max: number): Promise<{ bytes: Buffer; last: boolean; gone: boolean }> {
    this.events.push(`pull ${max}`)
    return { bytes: Buffer.from('pulled'), last: true, gone: false }
  }

  abort(): void {
    this.events.push('abort')
  }

  fail(failure: Failure): void {
    this.events.push(`fail ${failure}`)
  }
}

/** A runtime directory with its pipes, as a spawner makes them. */
export class PipeFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'wsgi-core-pipes-'))
  readonly #descriptors: number[] = []

  constructor() {
    execFileSync(
      'mkfifo',
      ['queue', 'answers-0'].map((name) => this.file(name)),
    )
  }

  file(name: string): string {
    return join(this.path, name)
  }

  /** Opens a pipe for reading and writing, without waiting. */
  open(name: string): number {
    const fd = openSync(this.file(name), constants.O_RDWR | constants.O_NONBLOCK)
    this.#descriptors.push(fd)
    return fd
  }

  remove(): void {
    for (const fd of this.#descriptors) closeSync(fd)
    rmSync(this.path, { recursive: true, force: true })
  }
}

export interface Slot {
  readonly kind: number
  readonly flags: number
  readonly body: number
  readonly front: number
  readonly id: number
  readonly environLength: number
  readonly block: number
  readonly bodyLength: number
  readonly rest: Buffer
}

/** One slot from the pipe, as a worker reads it; undefined where there is none. */
export function readSlot(fd: number): Slot | undefined {
  const bytes = Buffer.alloc(SLOT_SIZE)
  try {
    if (readSync(fd, bytes, 0, SLOT_SIZE, null) !== SLOT_SIZE) throw new Error('a torn slot')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return undefined
    throw error
  }
  return {
    kind: bytes[0] as number,
    flags: bytes[1] as number,
    body: bytes[2] as number,
    front: bytes[3] as number,
    id: bytes.readUInt32LE(4),
    environLength: bytes.readUInt32LE(8),
    block: bytes.readUInt32LE(12),
    bodyLength: Number(bytes.readBigUInt64LE(16)),
    rest: bytes.subarray(SLOT_HEADER),
  }
}

/** A frame from a worker: docs/worker-protocol.md, "Frames". */
export function frame(type: number, id: number, head = '', body = '', flags = 0): Buffer {
  const payload = Buffer.from(head + body, 'latin1')
  const header = Buffer.alloc(FRAME_HEADER)
  header.writeUInt32LE(payload.length, 0)
  header.writeUInt32LE(id, 4)
  header[8] = type
  header[9] = flags
  header.writeUInt32LE(head.length, 12)
  return Buffer.concat([header, payload])
}

/** Lets the event loop take what is there to be read, a few times over. */
export async function turns(count = 3): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setTimeout(resolve))
}
