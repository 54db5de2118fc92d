/**
 * The spawner: one process that starts the workers, obeys the front and tells it of their ends. Node cannot fork, so each
 * worker is a process of its own from the start. Launched with the control socket as descriptor 3.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { closeSync, constants, existsSync, openSync, readFileSync, rmSync } from 'node:fs'
import { Socket } from 'node:net'
import { constants as osConstants } from 'node:os'
import { extname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { emit, log } from './control.ts'
import { CONTROL, PASSED_OVER, VERSION, type WorkerConfig } from './protocol.ts'

const own = fileURLToPath(import.meta.url)
const WORKER = fileURLToPath(new URL(`worker${extname(own)}`, import.meta.url))
/** Besides libuv's own, one thread for each request that a worker executes. */
const POOL_THREADS = 4

type Command =
  | { command: 'spawn'; worker: number }
  | { command: 'kill'; pid: number; signal: number }
  | { command: 'front'; front: number }
  | { command: 'stop' }

class Spawner {
  readonly #config: WorkerConfig
  readonly #children = new Map<number, ChildProcess>()
  readonly #outputs = new Map<number, number>()
  #stopping = false
  #deadline: NodeJS.Timeout | undefined

  constructor(config: WorkerConfig) {
    this.#config = config
    makeFifos(config.directory, ['queue', ...config.fronts.map((front) => `answers-${front}`)])
    if (config.preload) log('warning', 'preload has no effect on an application in JavaScript')
    const runtime = `Node ${process.versions.node}`
    emit('started', { pid: process.pid, version: VERSION, runtime })
  }

  obey(command: Command): void {
    if (command.command === 'spawn') this.#spawn(command.worker)
    else if (command.command === 'kill') this.#kill(command.pid, command.signal)
    else if (command.command === 'front') {
      makeFifos(this.#config.directory, [`answers-${command.front}`])
      emit('front', { front: command.front })
    } else if (command.command === 'stop') {
      this.#stopping = true
      this.#endIfAlone()
    } else log('warning', `spawner does not know command '${(command as Command).command}'`)
  }

  /** The front is gone, or wants us gone: ends all workers, by force after graceful_timeout. */
  terminate(): void {
    if (this.#deadline) return
    this.#stopping = true
    const end = () => this.#signalAll('SIGKILL')
    this.#deadline = setTimeout(end, this.#config.graceful_timeout * 1000)
    this.#signalAll('SIGTERM')
    this.#endIfAlone()
  }

  #spawn(worker: number): void {
    if (this.#stopping) return
    const child = this.#start(worker)
    const { pid } = child
    child.on('error', (error) => {
      if (pid === undefined) this.#failed(worker, error)
    })
    if (pid === undefined) return
    this.#children.set(pid, child)
    child.on('exit', (code, signal) => this.#exited(worker, pid, code, signal))
    emit('spawned', { worker, pid })
    const gate = child.stdio[4] as Socket
    gate.on('error', () => {}) // it has ended: 'exit' tells
    gate.end(JSON.stringify({ config: this.#config, worker }))
  }

  #start(worker: number): ChildProcess {
    const { loader } = this.#config.app
    const output = this.#output(worker)
    const loaders = loader ? ['--import', loader] : []
    const threads = Number(process.env.UV_THREADPOOL_SIZE ?? POOL_THREADS) + this.#config.threads
    return spawn(
      process.execPath,
      [...process.execArgv, ...loaders, WORKER, ...process.argv.slice(2)],
      {
        stdio: ['ignore', output, output, CONTROL, 'pipe'],
        env: { ...process.env, UV_THREADPOOL_SIZE: String(threads) },
      },
    )
  }

  #failed(worker: number, error: Error): void {
    const reason = `cannot start a process: ${error.message}`
    emit('failed', { worker, pid: 0, exit: 1, reason, traceback: '' })
    this.#endIfAlone()
  }

  /** The pipe that a worker prints to. It stays open here: so what a dead one has printed can still be read. */
  #output(worker: number): number | 'inherit' {
    if (!this.#config.capture_output) return 'inherit'
    const known = this.#outputs.get(worker)
    if (known !== undefined) return known
    makeFifos(this.#config.directory, [`output-${worker}`])
    const fd = openSync(join(this.#config.directory, `output-${worker}`), constants.O_RDWR)
    this.#outputs.set(worker, fd)
    return fd
  }

  #exited(worker: number, pid: number, code: number | null, signal: NodeJS.Signals | null): void {
    this.#children.delete(pid)
    const number = signal === null ? null : osConstants.signals[signal]
    emit('exited', { worker, pid, code, signal: number, traceback: this.#takeTrace(worker) })
    this.#endIfAlone()
  }

  #takeTrace(worker: number): string {
    const path = join(this.#config.directory, `trace-${worker}`)
    if (!existsSync(path)) return ''
    const trace = readFileSync(path, 'utf8')
    rmSync(path, { force: true })
    return trace
  }

  #kill(pid: number, signal: number): void {
    this.#children.get(pid)?.kill(signal)
  }

  #signalAll(signal: NodeJS.Signals): void {
    for (const child of this.#children.values()) child.kill(signal)
  }

  #endIfAlone(): void {
    if (!this.#stopping || this.#children.size > 0) return
    for (const fd of this.#outputs.values()) closeSync(fd)
    if (frontIsGone) rmSync(this.#config.directory, { recursive: true, force: true })
    process.exit(0)
  }
}

/** The front removes its folder, unless it was killed: then nobody else does. */
let frontIsGone = false

function makeFifos(directory: string, names: readonly string[]): void {
  const paths = names.map((name) => join(directory, name)).filter((path) => !existsSync(path))
  if (paths.length > 0) execFileSync('mkfifo', ['-m', '600', ...paths])
}

function refuseVersion(version: number): never {
  const reason = `protocol version ${version} is not known; this worker speaks ${VERSION}`
  emit('failed', { worker: null, pid: process.pid, exit: 1, reason, traceback: '' })
  process.exit(1)
}

for (const signal of ['SIGINT', ...PASSED_OVER] as const) process.on(signal, () => {})
const [, , name] = process.argv
if (name) process.title = name
let spawner: Spawner | undefined
process.on('SIGTERM', () => (spawner ? spawner.terminate() : process.exit(0)))

function frontLeft(): void {
  frontIsGone = true
  if (spawner) spawner.terminate()
  else process.exit(0)
}

const control = new Socket({ fd: CONTROL, readable: true, writable: false })
control.on('error', () => {}) // a front that was killed may leave by a reset; 'close' follows
control.on('close', frontLeft)
createInterface({ input: control })
  .on('line', (line) => {
    if (spawner) return spawner.obey(JSON.parse(line))
    const config = JSON.parse(line) as WorkerConfig
    if (config.version !== VERSION) refuseVersion(config.version)
    spawner = new Spawner(config)
  })
  .on('error', () => {}) // it passes on those of its input
