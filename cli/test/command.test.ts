import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { version } from '../../core/index.ts'

const PROGRAM = fileURLToPath(new URL('fixtures/cli.ts', import.meta.url))
const TSX = import.meta.resolve('tsx')

const PLUGIN = `import { existsSync } from 'node:fs'

export default {
  name: 'greeter',
  dependencies: [],
  config: {
    greeting: { doc: 'What to say.', format: 'text', default: 'Hello', arg: 'greeting' },
  },
  apply(core, { greeting }) {
    core.hooks.server.tap('greeter', (fastify) => {
      fastify.get('/', async () => greeting)
      fastify.get('/slow', async () => {
        core.logger('greeter').info('slow begins')
        while (!existsSync('go')) await new Promise((resolve) => setTimeout(resolve, 5))
        return 'slow'
      })
    })
  },
}`

interface Context {
  folder: string
  programs: Program[]
}

/** The command as a process of its own, and what it says. */
class Program {
  readonly process: ChildProcess
  readonly ended: Promise<{ code: number | null; stdout: string; stderr: string }>
  stdout = ''
  stderr = ''
  #look: () => void = () => {}

  constructor(args: readonly string[], cwd: string, env = {}, descriptor?: number) {
    this.process = spawn(process.execPath, ['--import', TSX, PROGRAM, ...args], {
      cwd,
      env: { PATH: process.env.PATH, ...env },
      stdio: ['ignore', 'pipe', 'pipe', ...(descriptor === undefined ? [] : [descriptor])],
    })
    for (const name of ['stdout', 'stderr'] as const) {
      this.process[name]?.setEncoding('utf8').on('data', (chunk) => {
        this[name] += chunk
        this.#look()
      })
    }
    this.ended = once(this.process, 'close').then(([code]) => {
      this.#look()
      return { code, stdout: this.stdout, stderr: this.stderr }
    })
  }

  /** Waits until the error log has that line. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.stderr)
      if (match) return match
      if (this.process.exitCode !== null)
        throw new Error(`ended without ${pattern}: ${this.stderr}`)
      await new Promise<void>((resolve) => {
        this.#look = resolve
      })
    }
  }

  async address(): Promise<string> {
    return (await this.says(/Listening at: (\S+)/))[1] as string
  }
}

const withCommand = (name: string) => {
  const test = suite<Context>(name)
  test.before.each((context) => {
    context.folder = mkdtempSync(join(tmpdir(), 'wsgi-core-cli-'))
    context.programs = []
    writeFileSync(join(context.folder, 'greeter.mjs'), PLUGIN)
  })
  test.after.each(async ({ folder, programs }) => {
    for (const program of programs) {
      program.process.kill('SIGKILL')
      await program.ended
    }
    rmSync(folder, { recursive: true })
  })
  return test
}

function run({ folder, programs }: Context, args: string, env = {}, descriptor?: number): Program {
  const words = args.split(' ').filter(Boolean)
  const program = new Program(words, folder, env, descriptor)
  programs.push(program)
  return program
}

const serve = (context: Context, args = '', env = {}) =>
  run(context, `--plugins ./greeter.mjs -b 127.0.0.1:0 ${args}`, env)

const get = async (url: string) => {
  const response = await fetch(url, { headers: { connection: 'close' } })
  return response.text()
}

const printing = withCommand('wsgi-core')

for (const option of ['--version', '-v']) {
  printing(`${option} prints the version`, async (context) => {
    assert.equal(await run(context, option).ended, {
      code: 0,
      stdout: `wsgi-core ${version}\n`,
      stderr: '',
    })
  })
}

printing('--help groups the options by plugin, those of named plugins too', async (context) => {
  const { code, stdout, stderr } = await run(context, '--plugins ./greeter.mjs --help').ended
  assert.is(code, 0)
  assert.is(stderr, '')
  const groups = stdout.match(/^\S.*:$/gm)
  const plugins = ['reload', 'workers', 'proxy', 'wsgi', 'greeter'].map((name) => `Plugin ${name}:`)
  assert.equal(groups, ['Command:', 'Core:', ...plugins])
  assert.match(stdout, /--greeting TEXT +What to say\. Default: Hello\./)
})

printing('--print-config prints what can be given to --config', async (context) => {
  const { folder } = context
  const args = '--print-config --plugins ./greeter.mjs --greeting Hi --keep-alive 3'
  const { code, stdout } = await run(context, args, { WSGI_CORE_BACKLOG: '7' }).ended
  assert.is(code, 0)
  const printed = JSON.parse(stdout)
  assert.equal(
    [printed.keepAlive, printed.backlog, printed.plugins, printed.greeter],
    [3, 7, ['./greeter.mjs'], { greeting: 'Hi' }],
  )
  writeFileSync(join(folder, 'printed.json'), stdout)
  assert.is((await run(context, '--print-config -c printed.json').ended).stdout, stdout)
})

printing('--print-config needs no application', async (context) => {
  assert.is((await run(context, '--print-config').ended).code, 0)
})

printing('--check-config exits 0 or 1', async (context) => {
  assert.is((await run(context, '--check-config --plugins ./greeter.mjs').ended).code, 0)
  writeFileSync(join(context.folder, 'bad.mjs'), "throw new Error('no luck')")
  const { code, stderr } = await run(context, '--check-config --plugins ./bad.mjs').ended
  assert.is(code, 1)
  assert.is(stderr, "wsgi-core: error: plugin './bad.mjs' cannot be loaded: no luck\n")
})

printing.run()

const failing = withCommand('a start that fails')

for (const args of ['', '-w 4', '--check-config']) {
  failing(`exits 1 without an application and plugins: '${args}'`, async (context) => {
    const { code, stderr } = await run(context, args).ended
    assert.is(code, 1)
    assert.match(stderr, /^wsgi-core: error: no application given and no plugin; name an/)
  })
}

const USAGE: [string, string][] = [
  [
    '--wrokers 4',
    "wsgi-core: error: argument --wrokers: unknown option; did you mean '--workers'?",
  ],
  ['--keep-alive soon', 'wsgi-core: error: argument --keep-alive: must be a number of seconds'],
  ['--bind', 'wsgi-core: error: argument --bind: needs a value'],
  [
    '--plugins wrokers',
    "wsgi-core: error: plugin 'wrokers' cannot be found; did you mean 'workers'?",
  ],
]

for (const [args, text] of USAGE) {
  failing(`exits 2 for ${args}`, async (context) => {
    const { code, stdout, stderr } = await run(context, args).ended
    assert.is(code, 2)
    assert.is(stdout, '')
    assert.ok(stderr.startsWith(text), stderr)
  })
}

failing('exits 2 and lists all faults', async (context) => {
  const { code, stderr } = await run(context, '--keep-alive soon --wrokers 4 --backlog 0').ended
  assert.is(code, 2)
  assert.is(stderr.match(/^wsgi-core: error: argument /gm)?.length, 3, stderr)
})

failing('exits 1 for an address in use', async (context) => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  const { code, stderr } = await run(context, `--plugins ./greeter.mjs -b 127.0.0.1:${port}`).ended
  other.close()
  assert.is(code, 1)
  assert.match(stderr, `wsgi-core: error: address 'http://127.0.0.1:${port}' is in use`)
})

failing('exits 1 where the pid file is of another live process', async (context) => {
  writeFileSync(join(context.folder, 'pid'), `${process.pid}\n`)
  const { code, stderr } = await serve(context, '-p pid').ended
  assert.is(code, 1)
  assert.match(stderr, `belongs to the running process ${process.pid}`)
})

failing.run()

const running = withCommand('a running server')

running('has a pid file while it runs, and ends on TERM with 0', async (context) => {
  const program = serve(context, '--pid server.pid --greeting Hi')
  const address = await program.address()
  assert.is(await get(address), 'Hi')
  const pidfile = join(context.folder, 'server.pid')
  while (!existsSync(pidfile)) await sleep(5)
  assert.is(readFileSync(pidfile, 'utf8'), `${program.process.pid}\n`)
  program.process.kill('SIGTERM')
  const { code, stderr } = await program.ended
  assert.is(code, 0)
  assert.match(stderr, '[INFO] Handling signal: term')
  assert.is(existsSync(pidfile), false)
})

running('finishes what is under way on TERM', async (context) => {
  const program = serve(context)
  const answer = get(`${await program.address()}/slow`)
  await program.says(/slow begins/)
  program.process.kill('SIGTERM')
  await program.says(/Handling signal: term/)
  writeFileSync(join(context.folder, 'go'), '')
  assert.is(await answer, 'slow')
  assert.is((await program.ended).code, 0)
})

for (const [signals, name] of [
  [['SIGINT'], 'INT'],
  [['SIGQUIT'], 'QUIT'],
  [['SIGTERM', 'SIGTERM'], 'a second TERM'],
] as const) {
  running(`ends at once on ${name}`, async (context) => {
    const program = serve(context)
    const answer = get(`${await program.address()}/slow`).catch(() => 'cut off')
    await program.says(/slow begins/)
    for (const signal of signals) {
      program.process.kill(signal)
      await program.says(new RegExp(`Handling signal: ${signal.slice(3).toLowerCase()}`))
    }
    assert.is((await program.ended).code, 0)
    assert.is(await answer, 'cut off')
  })
}

running('ends with 0 when it is stopped while it starts', async (context) => {
  writeFileSync(
    join(context.folder, 'waits.mjs'),
    `export default { name: 'waits', config: {}, dependencies: [], apply(core) {
      core.hooks.beforeListen.tapPromise('waits', async () => {
        core.logger('waits').info('waiting')
        const timer = setInterval(() => {}, 1000)
        await new Promise((resolve) => core.signal.addEventListener('abort', resolve))
        clearInterval(timer)
      })
    } }`,
  )
  const program = run(context, '--plugins ./waits.mjs -b 127.0.0.1:0')
  await program.says(/waiting/)
  program.process.kill('SIGTERM')
  assert.is((await program.ended).code, 0)
})

running('reads its configuration again on HUP', async (context) => {
  const file = join(context.folder, 'wsgi-core.config.json')
  const configure = (values: object) => writeFileSync(file, JSON.stringify(values))
  configure({ greeter: { greeting: 'one' } })
  const program = serve(context)
  const address = await program.address()
  assert.is(await get(address), 'one')
  configure({ greeter: { greeting: 'two' } })
  program.process.kill('SIGHUP')
  await program.says(/\[INFO\] Reloaded/)
  assert.is(await get(address), 'two')
  configure({ greeter: { greting: 'three' } })
  program.process.kill('SIGHUP')
  await program.says(
    /the reload failed; the server goes on as it was\n.*greeter\.greting' is unknown/,
  )
  assert.is(await get(address), 'two')
})

running('opens its logs anew on USR1', async (context) => {
  const log = join(context.folder, 'access.log')
  const program = serve(context, '--access-logfile access.log')
  const address = await program.address()
  renameSync(log, `${log}.1`)
  program.process.kill('SIGUSR1')
  while (!existsSync(log)) await sleep(5)
  await get(address)
  program.process.kill('SIGTERM')
  await program.ended
  assert.match(readFileSync(log, 'utf8'), '"GET / HTTP/1.1" 200 5')
  assert.is(readFileSync(`${log}.1`, 'utf8'), '')
})

running('serves at a descriptor that it inherits', async (context) => {
  const socket = createServer().listen(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address() as AddressInfo
  const { fd } = (socket as unknown as { _handle: { fd: number } })._handle
  const program = run(context, '--plugins ./greeter.mjs -b fd://3', {}, fd)
  assert.is(await program.address(), `http://127.0.0.1:${port}`)
  await new Promise((closed) => socket.close(closed))
  assert.is(await get(`http://127.0.0.1:${port}`), 'Hello')
})

running(
  'says why it stops when something unforeseen happens, and loses no log line',
  async (context) => {
    writeFileSync(
      join(context.folder, 'bomb.mjs'),
      `export default { name: 'bomb', config: {}, dependencies: [], apply(core) {
      core.hooks.finished.tap('bomb', (request) => {
        setTimeout(() => { throw new Error('boom') }, 50)
      })
    } }`,
    )
    const program = serve(context, '--plugins ./bomb.mjs --access-logfile access.log')
    await get(await program.address())
    const { code, stderr } = await program.ended
    assert.is(code, 1)
    assert.match(stderr, /\[CRITICAL\] unforeseen error, the server stops\n.*boom/)
    assert.match(readFileSync(join(context.folder, 'access.log'), 'utf8'), '"GET / HTTP/1.1" 200 5')
  },
)

running.run()
