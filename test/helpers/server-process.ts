// The real command line as a process, for tests that need all of the server.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { type IncomingHttpHeaders, type RequestOptions, request as sendRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { openConnection, type TestConnection } from '../../testing/index.ts'

const BIN = fileURLToPath(new URL('../../bin/wsgi-core.js', import.meta.url))
/** For a start or a stop that hangs: well below the runner's own limit. */
const PATIENCE = 30_000
/** Variables of whoever runs the tests that would change what the server does. */
const UNWANTED =
  /^(WSGI_CORE_|GUNICORN|WEB_CONCURRENCY$|PORT$|SCRIPT_NAME$|SENDFILE$|FORWARDED|VIRTUAL_ENV$|PYTHON|NODE_OPTIONS$)/

export interface ServerOptions {
  /** The folder it starts in; the tests' own where absent. */
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Where to listen; a free port of 127.0.0.1 where absent, what the config file says where null. */
  readonly bind?: string | null
  /** A program that starts the server, with its arguments: `unshare`, `setpriv`. */
  readonly wrapper?: readonly string[]
  /** Another installation than this checkout. */
  readonly bin?: string
}

export interface Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Names and values as they stood on the wire. */
  readonly rawHeaders: readonly string[]
  readonly bytes: Buffer
  /** The bytes as UTF-8. */
  readonly body: string
}

type SendOptions = RequestOptions & { readonly body?: string | Buffer }

/** `node bin/wsgi-core.js -b 127.0.0.1:0 ...args`, up to its `Listening at:`. Where it ends before, this throws. */
export async function startServer(
  args: readonly string[],
  options: ServerOptions = {},
): Promise<ServerProcess> {
  const server = new ServerProcess(args, options)
  try {
    await server.ready()
  } catch (error) {
    await server.kill()
    throw error
  }
  return server
}

/** Runs the command to its end, for starts that are to fail and for `--help` and its like. */
export async function runCommand(args: readonly string[], options: ServerOptions = {}) {
  const server = new ServerProcess(args, options)
  const timer = setTimeout(() => server.kill(), PATIENCE)
  const end = await server.ended
  clearTimeout(timer)
  await server.kill()
  return { ...end, output: server.log() }
}

export class ServerProcess {
  /** Resolves when the process is gone and its output is read. */
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  /** Its private TMPDIR: the pool's runtime directory appears here. */
  readonly folder = mkdtempSync(join(tmpdir(), 'wsgi-core-test-'))
  readonly #process: ChildProcess
  readonly #connections = new Set<TestConnection>()
  #output = ''
  readonly #listeners = new Set<() => void>()
  #isOver = false
  #url = ''

  constructor(args: readonly string[], options: ServerOptions) {
    const { cwd, env = {}, bind = '127.0.0.1:0', wrapper = [], bin = BIN } = options
    const given = bind === null ? args : ['--bind', bind, ...args]
    const [program = '', ...words] = [...wrapper, process.execPath, bin, ...given]
    this.#process = spawn(program, words, {
      cwd,
      env: { ...inherited(), TMPDIR: this.folder, PYTHONDONTWRITEBYTECODE: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text
        this.#heard()
      })
    }
    this.ended = once(this.#process, 'close').then(([code, signal]) => {
      this.#isOver = true
      this.#heard()
      return { code, signal }
    })
  }

  async ready(): Promise<void> {
    const line = await this.line(/Listening at: (\S+)/)
    this.#url = /Listening at: ([^\s,]+)/.exec(line)?.[1] as string
  }

  /** Its first address, for example `http://127.0.0.1:40123`. */
  get url(): string {
    return this.#url
  }

  get pid(): number {
    return this.#process.pid as number
  }

  /** All that it, its spawner and its workers printed. */
  log(): string {
    return this.#output
  }

  /** Waits for a line that matches, at or behind `from` in the log; an error where the process ends before. */
  line(pattern: RegExp, from = 0): Promise<string> {
    return new Promise((resolve, reject) => {
      const settle = (end: () => void) => {
        clearTimeout(timer)
        this.#listeners.delete(look)
        end()
      }
      const fail = (why: string) =>
        settle(() => reject(new Error(`${why}, waiting for ${pattern}:\n${this.#output}`)))
      const timer = setTimeout(fail, PATIENCE, 'nothing came')
      const look = () => {
        const lines = this.#output.slice(from).split('\n').slice(0, -1)
        const found = lines.find((line) => pattern.test(line))
        if (found !== undefined) settle(() => resolve(found))
        else if (this.#isOver) fail('the server ended')
      }
      this.#listeners.add(look)
      look()
    })
  }

  /** One request on a connection of its own. Where the answer is not whole, this throws. */
  async request(path: string, { body, ...options }: SendOptions = {}): Promise<Reply> {
    const target = this.#url.startsWith('unix:')
      ? { socketPath: this.#url.slice('unix:'.length), path }
      : { ...place(this.#url), path } // not through URL, which would change what is sent
    const outgoing = sendRequest({ ...target, agent: false, ...options }).end(body)
    const [incoming] = await once(outgoing, 'response')
    const bytes = await buffer(incoming)
    const { statusCode, headers, rawHeaders } = incoming
    return { status: statusCode, headers, rawHeaders, bytes, body: bytes.toString() }
  }

  /** A connection to send bytes over, and to read bytes from. */
  async connect(): Promise<TestConnection> {
    const connection = await openConnection(this.#url)
    this.#connections.add(connection)
    return connection
  }

  /** Sends these bytes and gives back everything up to the end of the connection. */
  async raw(bytes: string | Buffer): Promise<string> {
    const connection = await this.connect()
    connection.send(bytes)
    return connection.rest()
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name)
  }

  /** Names of the files in the pool's runtime directory. */
  runtimeFiles(): string[] {
    const [directory] = readdirSync(this.folder).filter((name) => name.startsWith('wsgi-core-'))
    return directory === undefined ? [] : readdirSync(join(this.folder, directory))
  }

  /** How many descriptors the front holds open. */
  descriptors(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length
  }

  /** Memory of the front, in bytes. */
  memory(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8')
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
  }

  /** Ends it with SIGTERM, or by force where it does not end; removes its folder. @returns its exit code. */
  async stop(name: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.disconnect()
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), PATIENCE)
    this.#process.kill(name)
    const { code } = await this.ended
    clearTimeout(timer)
    rmSync(this.folder, { recursive: true, force: true })
    return code
  }

  /** Ends it at once. Its spawner and workers see that it is gone and end too. */
  async kill(): Promise<void> {
    await this.stop('SIGKILL')
  }

  #heard(): void {
    for (const listener of [...this.#listeners]) listener()
  }

  /** Ends the connections that were made here. */
  disconnect(): void {
    for (const connection of this.#connections) connection.destroy()
  }
}

/** Resolves once `holds` says yes; looks again every few milliseconds. For signs that come without an event. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`it never came that ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

function place(url: string) {
  const { hostname, port } = new URL(url)
  return { hostname: hostname.replace(/^\[|\]$/g, ''), port }
}

function inherited(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !UNWANTED.test(name)))
}
