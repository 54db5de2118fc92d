// A server process with the app of `apps/life.py`, and all that the tests of supervision look at: notes that the app
// writes, files that it waits for, processes, the runtime directory.
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type Reply,
  runCommand,
  type ServerOptions,
  ServerProcess,
  until,
} from '../../../test/helpers/server-process.ts'

export { type Reply, until }

const LIFE = fileURLToPath(new URL('apps/life.py', import.meta.url))

export interface Context {
  site: Site
}

/** A suite whose tests have a `Site` each; what is left of it in the end fails the test. */
export function siteSuite(name: string) {
  const test = suite<Context>(name)
  test.before.each((context) => {
    context.site = new Site()
  })
  test.after.each(async ({ site }) => {
    const left = await site.close()
    if (site.passed) assert.equal(left, [], 'nothing is left')
    else if (left.length > 0) console.error(left) // uvu ends without a word where this throws after a failed test
  })
  const add = (sentence: string, handler: (context: Context) => Promise<void>) =>
    test(sentence, async (context) => {
      await handler(context)
      context.site.passed = true
    })
  return Object.assign(add, {
    run: () => test.run(),
    skip: (sentence: string) => test.skip(sentence),
  })
}

/** A folder with an application, and the servers that serve it. */
export class Site {
  readonly folder = mkdtempSync(join(tmpdir(), 'wsgi-core-site-'))
  readonly #servers: ServerProcess[] = []
  #crashed = false
  #left: string[] | undefined
  passed = false

  constructor() {
    cpSync(LIFE, this.file('life.py'))
  }

  file(name: string): string {
    return join(this.folder, name)
  }

  write(name: string, text = ''): void {
    writeFileSync(this.file(name), text)
  }

  append(name: string, text: string): void {
    appendFileSync(this.file(name), text)
  }

  remove(name: string): void {
    rmSync(this.file(name))
  }

  /** Starts the command line with `life:app`, or the target that is given, in the folder. */
  async start(
    args: readonly string[] = [],
    target = 'life:app',
    options: ServerOptions = {},
  ): Promise<ServerProcess> {
    const server = this.launch(args, target, options)
    await server.ready()
    return server
  }

  /** The same, without waiting until it serves. */
  launch(args: readonly string[], target: string, options: ServerOptions = {}): ServerProcess {
    const server = new ServerProcess([...args, target], { cwd: this.folder, ...options })
    this.#servers.push(server)
    return server
  }

  /** Runs the command to its end. */
  run(args: readonly string[], options: ServerOptions = {}) {
    return runCommand(args, { cwd: this.folder, ...options })
  }

  /** What the app has noted so far, a line each. */
  get notes(): string[] {
    if (!existsSync(this.file('notes'))) return []
    return readFileSync(this.file('notes'), 'utf8').split('\n').slice(0, -1)
  }

  /** Waits until the app has noted a line that begins so. @returns what follows it. */
  async noted(start: string): Promise<string> {
    const find = () => this.notes.find((line) => line.startsWith(start))
    await until(`the app notes '${start}' (${this.notes})`, () => find() !== undefined)
    return (find() as string).slice(start.length).trim()
  }

  /** Kills the server itself. Its runtime directory stays: nobody is left to remove it. */
  async crash(server: ServerProcess): Promise<void> {
    this.#crashed = true
    process.kill(server.pid, 'SIGKILL')
    await server.ended
  }

  /** Stops the servers. @returns what is left of them: processes, a runtime directory. */
  async close(): Promise<string[]> {
    if (this.#left) return this.#left // uvu calls again where the first call threw
    this.write('go')
    this.write('more')
    this.#left = []
    for (const server of this.#servers) this.#left.push(...(await this.#finish(server)))
    rmSync(this.folder, { recursive: true, force: true })
    return this.#left
  }

  async #finish(server: ServerProcess): Promise<string[]> {
    const left: string[] = []
    server.disconnect()
    server.signal('SIGTERM')
    const timer = setTimeout(() => {
      left.push('the server')
      server.signal('SIGKILL')
      for (const { pid } of processes(server)) process.kill(pid, 'SIGKILL') // they hold its output open
    }, 20_000)
    await server.ended
    clearTimeout(timer)
    await until('processes are gone', () => processes(server).length === 0).catch(() => {
      for (const { pid, command } of processes(server)) {
        left.push(`process ${command}`)
        process.kill(pid, 'SIGKILL')
      }
    })
    if (!this.#crashed) left.push(...readdirSync(server.folder))
    await server.kill()
    return left
  }
}

export interface Process {
  readonly pid: number
  readonly parent: number
  readonly command: string
}

/** The live processes that a server has started, whoever their parent is now: known by their TMPDIR. */
export function processes(server: ServerProcess): Process[] {
  const mark = `TMPDIR=${server.folder}`
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== server.pid)
    .flatMap((name) => describe(Number(name), mark))
}

function describe(pid: number, mark: string): Process[] {
  try {
    if (!readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(mark)) return []
    const [state, parent] =
      readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ') ?? []
    if (state === 'Z') return []
    const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ')
    return [{ pid, parent: Number(parent), command: `${pid} ${command}` }]
  } catch {
    return [] // ended while we looked, or not ours to look at
  }
}

/** Not yet a shim, such as pyenv's, that is to become Python. */
const IS_SPAWNER = /^\d+ \S*python[\d.]* \S*spawner\.py/

/** The spawner: the only child of the server itself, once it is there. `not`: the one that was killed. */
export async function spawnerOf(server: ServerProcess, not?: number): Promise<number> {
  const find = () =>
    processes(server).filter(
      ({ parent, pid, command }) =>
        parent === server.pid && pid !== not && IS_SPAWNER.test(command),
    )
  await until('there is one spawner', () => find().length === 1)
  return (find()[0] as Process).pid
}

/** Processes of workers that the spawner has at this moment. */
export function workersOf(server: ServerProcess): number[] {
  const children = processes(server)
  return children.filter(({ parent }) => parent !== server.pid).map(({ pid }) => pid)
}

/** Asks until `count` different workers have answered. @returns their pids. */
export async function seePids(server: ServerProcess, count: number): Promise<Set<string>> {
  const seen = new Set<string>()
  await until(`${count} workers answer`, async () => {
    for (const { body } of await Promise.all(
      Array.from({ length: 2 * count }, () => server.request('/pid')),
    ))
      seen.add(body)
    return seen.size >= count
  })
  return seen
}

/** The next worker: another than `pid`. */
export async function seeAnother(server: ServerProcess, pid: string): Promise<string> {
  let seen = pid
  await until(`another worker than ${pid} answers`, async () => {
    const reply = await server.request('/pid')
    seen = reply.body
    return reply.status === 200 && seen !== pid
  })
  return seen
}
