/** Numbers and layouts of the worker protocol: docs/worker-protocol.md. */

export const VERSION = 1
export const CONTROL = 3
/** Where the spawner tells a worker its configuration. */
export const GATE = 4
export const EVENT_LIMIT = 16_384

export const SLOT_SIZE = 4096
export const SLOT_HEAD = 40
export const BLOCK_SIZE = 65_536
export const KIND = { request: 0, stop: 1, wake: 2, mark: 3 } as const
export const ENVIRON_IN_BLOCK = 1
export const BODY = { none: 0, inline: 1, block: 2, file: 3, pull: 4 } as const

export const FRAME_HEAD = 16
export const ATOMIC_LIMIT = 4096
export const FRAME = {
  response: 1,
  head: 2,
  data: 3,
  end: 4,
  abort: 5,
  information: 6,
  pull: 8,
  mark: 9,
  hello: 10,
  body: 16,
} as const
/** Flag of a response: the app failed before its head. */
export const FAILED = 1
export const PACE_SHIFT = 2
export const BODY_LAST = 1
export const BODY_GONE = 2

export const EXIT = { ok: 0, failure: 1, import: 3, target: 4 } as const

/** The configuration line; what this worker reads of it. */
export interface WorkerConfig {
  readonly version: number
  readonly directory: string
  readonly fronts: readonly number[]
  readonly threads: number
  readonly workers: number
  readonly graceful_timeout: number
  readonly max_requests: number
  readonly max_requests_jitter: number
  readonly max_worker_memory: number
  readonly preload: boolean
  readonly capture_output: boolean
  readonly reap_orphans: boolean
  readonly report_files: boolean
  readonly generation: number
  readonly environ: Readonly<Record<string, string>>
  readonly app: {
    readonly target: string
    readonly chdir: string
    readonly interface: string
    readonly loader: string | null
  }
}

/** Of a frame from the worker with `length` bytes of payload, of which the head alone may hold text. */
export function writeFrameHead(
  frame: Buffer,
  { type, request, flags = 0, headLength = 0 }: FrameFields,
  entry: number,
  length: number,
): void {
  frame.writeUInt32LE(length, 0)
  frame.writeUInt32LE(request, 4)
  frame[8] = type
  frame[9] = flags
  frame.writeUInt16LE(entry, 10)
  frame.writeUInt32LE(headLength, 12)
}

export interface FrameFields {
  readonly type: number
  readonly request: number
  readonly flags?: number
  readonly headLength?: number
}

export function encodeFrame(fields: FrameFields, entry: number, payload?: Uint8Array): Buffer {
  const length = payload?.length ?? 0
  const frame = Buffer.allocUnsafe(FRAME_HEAD + length)
  writeFrameHead(frame, fields, entry, length)
  if (payload) frame.set(payload, FRAME_HEAD)
  return frame
}

/** Flags for how long the app took: 1 + the binary logarithm of the microseconds. */
export const paceFlags = (milliseconds: number): number => {
  const microseconds = Math.floor(milliseconds * 1000)
  return (microseconds > 0 ? 32 - Math.clz32(microseconds) : 0) << PACE_SHIFT
}

/**
 * For the server alone; `systemctl kill` and terminals send them to all processes, which they would end, stop or, as
 * SIGUSR1 does, have listen for a debugger.
 */
export const PASSED_OVER = ['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGTTIN', 'SIGTTOU'] as const
