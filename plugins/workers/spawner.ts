import type { ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import { SpawnerFailed } from './errors.ts'
import { printedBy } from './output.ts'
import { type Program, startProcess } from './process.ts'

/** How to start the spawner of a language: its argv, and what its workers need to know of the app. */
export interface Runtime extends Program {
  /** `app` of the protocol's configuration line. */
  readonly app: Readonly<Record<string, unknown>>
  /** Pairs of the environ that are the same for each request. */
  readonly environ: Readonly<Record<string, string>>
  /** Is told the files that the app consists of; where it is absent, workers do not look for them. */
  readonly watch?: ((files: readonly string[]) => void) | undefined
}

type LeavingReason = 'max_requests' | 'max_memory' | 'signal' | 'stop'

/** What comes over the control socket: docs/worker-protocol.md, "The spawner and its control socket". */
export type SpawnerEvent =
  | { event: 'started'; pid: number; version: number; runtime: string }
  | { event: 'front'; front: number }
  | { event: 'spawned'; worker: number; pid: number }
  | { event: 'ready'; worker: number; pid: number }
  | {
      event: 'failed'
      worker: number | null
      pid: number
      exit: number
      reason: string
      traceback: string
    }
  | { event: 'leaving'; worker: number; pid: number; reason: LeavingReason; size?: number }
  | {
      event: 'exited'
      worker: number
      pid: number
      code: number | null
      signal: number | null
      traceback: string
    }
  | { event: 'files'; worker: number | null; pid: number; files: readonly string[] }
  | {
      event: 'log'
      level: string
      message: string
      traceback?: string
      request?: number
      method?: string
      url?: string
      pid?: number
    }

export type EventOf<Name extends SpawnerEvent['event']> = Extract<SpawnerEvent, { event: Name }>

export type SpawnerCommand =
  | { command: 'spawn'; worker: number }
  | { command: 'kill'; pid: number; signal: number }
  | { command: 'front'; front: number }
  | { command: 'stop' }

/** The process that forks workers, seen from the front. */
export class Spawner {
  readonly #child: ChildProcess
  /** undefined: there was no descriptor left to make it, and so no process. */
  readonly #control: Socket | undefined
  /** Commands for when it has started: a write to one that ends before would lose what it has said. */
  #waiting: SpawnerCommand[] | undefined = []
  #gone = false

  /**
   * `ended` is called once, when the process is gone or could not be started. What it prints goes to `log`, or where
   * what we print goes.
   */
  constructor(
    runtime: Runtime,
    configuration: Readonly<Record<string, unknown>>,
    receive: (event: SpawnerEvent) => void,
    ended: (error: Error) => void,
    log?: Logger,
  ) {
    this.#child = startProcess(runtime, log ? 'pipe' : 'inherit')
    const stdio: ChildProcess['stdio'] | undefined = this.#child.stdio
    this.#control = stdio?.[3] as Socket | undefined
    if (this.#control) {
      listen(this.#control, (event) => {
        if (event.event === 'started') this.#sendWaiting()
        receive(event)
      })
    }
    if (log) this.#capture(log)
    const end = (reason: string) => {
      if (this.#gone) return
      this.#gone = true
      ended(new SpawnerFailed(runtime.command, reason))
    }
    this.#child.on('error', (error) => end(error.message))
    this.#child.on('exit', (code, signal) => end(signal ? `signal ${signal}` : `exit code ${code}`))
    this.#write(configuration)
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get gone(): boolean {
    return this.#gone
  }

  send(command: SpawnerCommand): void {
    if (this.#waiting) this.#waiting.push(command)
    else if (!this.#gone) this.#write(command)
  }

  /** The last resort, when it does not end by itself. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }

  /** Lets go of the control socket; the spawner takes that as the order to end. */
  close(): void {
    this.#control?.destroy()
  }

  #capture(log: Logger): void {
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      const lines = printedBy(log, () => this.pid)
      stream?.on('data', (bytes) => lines.feed(bytes)).on('end', () => lines.end())
    }
  }

  #sendWaiting(): void {
    const waiting = this.#waiting ?? []
    this.#waiting = undefined
    for (const command of waiting) this.send(command)
  }

  #write(message: unknown): void {
    this.#control?.write(`${JSON.stringify(message)}\n`)
  }
}

function listen(control: Socket, receive: (event: SpawnerEvent) => void): void {
  let rest = ''
  control
    .setEncoding('utf8')
    .on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() as string
      for (const line of lines) hear(line, receive)
    })
    .on('end', () => rest !== '' && hear(rest, receive))
    .on('error', () => {}) // told by 'exit'
}

/** The application has the descriptor too, and may write there by mistake: an event may stand behind what has no end. */
function hear(line: string, receive: (event: SpawnerEvent) => void): void {
  const event = parseEvent(line)
  if (event) return receive(event)
  const message = 'the application wrote to descriptor 3, which is not its own'
  receive({ event: 'log', level: 'error', message })
  const behind = parseEvent(line.slice(line.lastIndexOf('{"event":')))
  if (behind) receive(behind)
}

function parseEvent(line: string): SpawnerEvent | undefined {
  try {
    const event = JSON.parse(line)
    return typeof event?.event === 'string' ? event : undefined
  } catch {
    return undefined
  }
}
