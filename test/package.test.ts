import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const root = fileURLToPath(new URL('..', import.meta.url))

const HELLO = `def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"Hello from the package\\n"]
`

const CONSUMER = join(root, 'test/fixtures/consumer')

interface Context {
  folder: string
  archive: string
  project: string
  server?: ChildProcess | undefined
}

const npm = (args: string[], cwd: string) =>
  execFileSync('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })

const packed = suite<Context>('package')

packed.before((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'wsgi-core-package-'))
  context.project = join(context.folder, 'project')
  mkdirSync(context.project)
  npm(['pack', '--pack-destination', context.folder], root)
  const archive = readdirSync(context.folder).find((name) => name.endsWith('.tgz'))
  assert.ok(archive)
  context.archive = join(context.folder, archive)
  npm(['install', '--prefer-offline', context.archive], context.project)
  writeFileSync(join(context.project, 'hello.py'), HELLO)
})

packed.after.each((context) => {
  if (context.server?.pid && isGroupAlive(context.server.pid)) {
    process.kill(-context.server.pid, 'SIGKILL')
  }
  context.server = undefined
})

packed.after((context) => rmSync(context.folder, { recursive: true, force: true }))

packed('holds the Python worker, and neither tests nor sources', ({ project }) => {
  const installed = join(project, 'node_modules', 'wsgi-core')
  const files = readdirSync(installed, { recursive: true, encoding: 'utf8' })
  assert.ok(files.some((file) => /^dist\/plugins\/wsgi\/python\/.*\.py$/.test(file)))
  for (const file of ['README.md', 'LICENSE', 'bin/wsgi-core.js', 'dist/core/index.d.ts']) {
    assert.ok(existsSync(join(installed, file)), file)
  }
  const isUnwanted = /(^|\/)(tests?|__pycache__|node_modules|\.build)(\/|$)|(?<!\.d)\.ts$/
  assert.equal(
    files.filter((file) => isUnwanted.test(file)),
    [],
  )
})

packed('exports the core, the testing kit and the plugins', ({ project }) => {
  const script = `
    const names = ['wsgi-core', 'wsgi-core/testing', 'wsgi-core/plugins/wsgi']
    const [core, testing, wsgi] = await Promise.all(names.map((name) => import(name)))
    console.log(typeof core.createServer, typeof testing.createTestServer, typeof wsgi.default)`
  const args = ['--input-type=module', '-e', script]
  const output = execFileSync(process.execPath, args, { cwd: project, encoding: 'utf8' })
  assert.not.match(output, 'undefined')
})

const tool = (name: string, args: readonly string[], cwd: string) =>
  spawnSync(join(root, 'node_modules/.bin', name), args, { cwd, encoding: 'utf8' })

packed('has types by which a wrong option does not compile', ({ project }) => {
  const types = join(project, 'node_modules', '@types')
  if (!existsSync(types)) symlinkSync(join(root, 'node_modules/@types'), types)
  for (const name of ['compose.ts', 'compose.cts'])
    cpSync(join(CONSUMER, name), join(project, name))
  const settings = { module: 'nodenext', strict: true, noEmit: true, types: ['node'] }
  const compilerOptions = { ...settings, target: 'es2022', skipLibCheck: true }
  const files = ['compose.ts', 'compose.cts']
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
  writeFileSync(join(project, 'package.json'), '{ "type": "module" }')
  const { stdout, status } = tool('tsc', ['-p', '.'], project)
  assert.is(stdout, '')
  assert.is(status, 0)
})

packed('is composed from CommonJS', ({ project }) => {
  cpSync(join(CONSUMER, 'compose.cjs'), join(project, 'compose.cjs'))
  const output = execFileSync(process.execPath, ['compose.cjs'], { cwd: project, encoding: 'utf8' })
  const hello = '200 black Hello from the package'
  assert.is(output, `200 black own\n200 black {"status":"ready"}\n${hello}\n404\n`)
})

packed('is in order by publint and by attw', ({ archive, project }) => {
  const linted = tool('publint', [archive, '--strict'], project)
  assert.match(linted.stdout, 'All good!')
  const plugins = readdirSync(join(root, 'plugins')).map((name) => `plugins/${name}`)
  const entries = ['--entrypoints', '.', 'testing', ...plugins]
  const checked = tool('attw', [archive, '--profile', 'node16', ...entries], project)
  assert.is(checked.status, 0, checked.stdout)
})

packed('serves a Python app by npx, and stops without a trace', async (context) => {
  const server = spawn('npx', ['wsgi-core', '-b', '127.0.0.1:0', 'hello:app'], {
    cwd: context.project,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  context.server = server
  const closed = once(server, 'close')
  const address = await readAddress(server)

  const response = await fetch(address)
  assert.is(response.status, 200)
  assert.is(await response.text(), 'Hello from the package\n')

  process.kill(findServer(server.pid as number), 'SIGTERM')
  const [code] = await closed
  assert.is(code, 0)
  assert.is(isGroupAlive(server.pid as number), false)
})

// The ready line may come on either stream.
function readAddress(server: ChildProcess): Promise<string> {
  return new Promise((found, failed) => {
    let output = ''
    const readLine = (line: string) => {
      output += `${line}\n`
      const address = /Listening at: (http:\/\/\S+)/.exec(line)?.[1]
      if (address) found(address)
    }
    for (const input of [server.stdout, server.stderr]) {
      if (input) createInterface({ input }).on('line', readLine)
    }
    server.on('close', () => failed(new Error(`ended before it listened:\n${output}`)))
  })
}

// npx runs it below a shell. Signalled itself, npx would only end the shell where that is dash;
// the exit code of the server comes up through both.
function findServer(group: number): number {
  const lines = execFileSync('ps', ['-eo', 'pid=,pgid=,args='], { encoding: 'utf8' }).split('\n')
  const pattern = new RegExp(`^\\s*(\\d+)\\s+${group}\\s+\\S*node\\s\\S*\\.bin/wsgi-core\\s`)
  const pid = lines.map((line) => pattern.exec(line)?.[1]).find(Boolean)
  assert.ok(pid, `no server below npx:\n${lines.join('\n')}`)
  return Number(pid)
}

// Zombies, which wait for their new parent to look, do not count.
function isGroupAlive(group: number): boolean {
  const lines = execFileSync('ps', ['-eo', 'pgid=,stat='], { encoding: 'utf8' }).split('\n')
  return lines.some((line) => new RegExp(`^\\s*${group}\\s+[^Z]`).test(line))
}

packed.run()
