import { constants, openSync, readSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import type { Logger } from 'pino'

/** Characters of one line; the rest of a longer one is left out. */
const LONGEST = 8192
const READ_SIZE = 65_536
/** Where there was no descriptor to read from a worker. */
const RETRY_MS = 1000

/** Cuts what comes in pieces into whole lines. */
export class LineCutter {
  readonly #take: (line: string) => void
  readonly #decoder = new StringDecoder('utf8')
  #rest = ''
  #skipping = false

  constructor(take: (line: string) => void) {
    this.#take = take
  }

  feed(bytes: Buffer): void {
    const lines = (this.#rest + this.#decoder.write(bytes)).split('\n')
    this.#rest = lines.pop() as string
    for (const line of lines) this.#end(line)
    if (this.#rest.length > LONGEST) {
      if (!this.#skipping) this.#tell(this.#rest)
      this.#skipping = true
      this.#rest = ''
    }
  }

  /** Nothing more comes: what has no end is a line too. */
  end(): void {
    this.#end(this.#rest)
    this.#rest = ''
  }

  #end(line: string): void {
    if (!this.#skipping) this.#tell(line.trimEnd())
    this.#skipping = false
  }

  #tell(line: string): void {
    if (line.length > LONGEST) this.#take(`${line.slice(0, LONGEST)} ... [shortened]`)
    else if (line !== '') this.#take(line)
  }
}

/** What a process prints becomes lines of the error log, whatever its level. */
export function printedBy(log: Logger, pid: () => number | undefined): LineCutter {
  const printed = log.child({}, { level: 'info' })
  return new LineCutter((line) => printed.info({ worker: pid() }, line))
}

interface Output {
  /** Of the worker that has the number now. */
  pid: number
  readonly fd: number
  readonly socket: Socket
  readonly lines: LineCutter
}

/** The pipes `output-N` to which worker N prints, with `--capture-output`. */
export class WorkerOutputs {
  readonly #directory: string
  readonly #log: Logger
  readonly #outputs = new Map<number, Output>()
  readonly #retries = new Set<NodeJS.Timeout>()

  constructor(directory: string, log: Logger) {
    this.#directory = directory
    this.#log = log
  }

  /** The worker exists, and so does its pipe, which stays open for those that get this number later. */
  open(worker: number, pid: number): void {
    const known = this.#outputs.get(worker)
    if (known) known.pid = pid
    else this.#tryOpen(worker, pid)
  }

  /** Until it is read, a worker that prints much waits. */
  #tryOpen(worker: number, pid: number): void {
    try {
      this.#outputs.set(worker, this.#open(join(this.#directory, `output-${worker}`), pid))
    } catch (err) {
      this.#log.error({ err, worker: pid }, 'the output of a worker cannot be read yet')
      this.#retries.add(setTimeout(() => this.open(worker, pid), RETRY_MS).unref())
    }
  }

  #open(path: string, pid: number): Output {
    const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK) // for writing too, so that it never ends
    const socket = new Socket({ fd, readable: true, writable: false })
    const lines = printedBy(this.#log, () => output.pid)
    const output = { pid, fd, socket, lines }
    socket.on('data', (bytes) => lines.feed(bytes))
    socket.on('error', () => {}) // the pool ends, or there is nothing to hear any more
    return output
  }

  /** Takes what is still in the pipes. */
  close(): void {
    for (const timer of this.#retries) clearTimeout(timer)
    for (const { fd, socket, lines } of this.#outputs.values()) {
      socket.pause()
      drain(fd, lines)
      lines.end()
      socket.destroy()
    }
    this.#outputs.clear()
  }
}

function drain(fd: number, lines: LineCutter): void {
  const buffer = Buffer.allocUnsafe(READ_SIZE)
  try {
    for (let size = 1; size > 0; ) {
      size = readSync(fd, buffer)
      lines.feed(buffer.subarray(0, size))
    }
  } catch {
    // EAGAIN: it is empty
  }
}
