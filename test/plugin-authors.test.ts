import { execFile, execFileSync, spawnSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type ServerProcess, startServer, until } from './helpers/server-process.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const NAMES = ['request-id', 'maintenance', 'api-key']

interface Context {
  folder: string
  project: string
  server: ServerProcess | undefined
}

const npm = (args: string[], cwd: string) =>
  execFileSync('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })

const authors = suite<Context>('plugins that are installed as packages')

authors.before((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'wsgi-core-authors-'))
  context.project = join(context.folder, 'project')
  mkdirSync(context.project)
  const packages = [root, ...NAMES.map((name) => join(root, 'examples/plugins', name))]
  npm(['pack', '--pack-destination', context.folder, ...packages], root)
  const archives = readdirSync(context.folder).filter((name) => name.endsWith('.tgz'))
  const paths = archives.map((name) => join(context.folder, name))
  npm(['install', '--prefer-offline', ...paths], context.project)
  const scoped = join(context.project, 'node_modules/@acme/tea')
  write(scoped, {
    'package.json': JSON.stringify({
      ...{ name: '@acme/tea', version: '2.1.0', type: 'module', exports: './index.js' },
      keywords: ['wsgi-core-plugin'],
    }),
    'index.js': plugin(
      'tea',
      "core.hooks.response.tap('tea', (head) => head.headers.push(['x-tea', 'green']))",
    ),
  })
  write(context.project, {
    'app.mjs': `export const app = (environ, start) => {
      start('200 OK', [])
      return Buffer.from(String(environ.HTTP_X_REQUEST_ID) + ' ' + environ.HTTP_TRACEPARENT)
    }`,
  })
})

authors.after.each(async (context) => {
  await context.server?.stop()
  context.server = undefined
})

authors.after(({ folder }) => rmSync(folder, { recursive: true, force: true }))

const plugin = (name: string, body: string) => `import { definePlugin } from 'wsgi-core'
  export default definePlugin({ name: '${name}', apply(core) { ${body} } })`

function write(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
}

/** The installed command, not the one of this checkout. */
const COMMAND = 'node_modules/wsgi-core/bin/wsgi-core.js'

const command = ({ project }: Context, ...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [COMMAND, ...args], {
    cwd: project,
    encoding: 'utf8',
  })
  return { status, output: stdout + stderr }
}

async function start(context: Context, ...args: string[]): Promise<ServerProcess> {
  context.server = await startServer([...args, './app.mjs'], { cwd: context.project, bin: COMMAND })
  return context.server
}

authors('request-id gives every request an id and a trace', async (context) => {
  const server = await start(context, '--plugins', 'request-id', '--request-id-log')
  const headers = { 'x-request-id': 'mine' }
  const [one, two] = [await server.request('/'), await server.request('/', { headers })]
  for (const { body, headers } of [one, two]) {
    const [id, trace] = body.split(' ')
    assert.is(headers['x-request-id'], id)
    assert.match(id as string, /^[\w-]{16}$/)
    assert.match(trace as string, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
  }
  assert.is.not(one.body, two.body)
  await server.line(new RegExp(one.headers['x-request-id'] as string))
})

authors('request-id keeps a valid id of a proxy that is trusted', async (context) => {
  const server = await start(context, '--plugins', 'request-id', '--request-id-trust')
  const trace = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00`
  const headers = { 'x-request-id': 'id-1', traceparent: trace }
  assert.is((await server.request('/', { headers })).body, `id-1 ${trace}`)
  const bad = { 'x-request-id': 'a b', traceparent: '00-0' }
  assert.not.match((await server.request('/', { headers: bad })).body, /a b|00-0 /)
})

authors('maintenance answers 503 while its file is there', async (context) => {
  const server = await start(context, '--plugins', 'maintenance,health')
  assert.is((await server.request('/')).status, 200)
  write(context.project, { maintenance: '' })
  await until('it begins', async () => (await server.request('/')).status === 503)
  const { headers, body } = await server.request('/')
  assert.is(headers['retry-after'], '300')
  assert.match(body, /^Maintenance/)
  assert.is((await server.request('/-/live')).status, 200)
  unlinkSync(join(context.project, 'maintenance'))
  await until('it is over', async () => (await server.request('/')).status === 200)
})

authors(
  'api-key lets through who has a key, and tells those that tap its hooks',
  async (context) => {
    const counting = `import { definePlugin } from 'wsgi-core'
    export default definePlugin({
      name: 'counting',
      dependencies: ['api-key'],
      apply(core) {
        const { accepted, rejected } = core.service('api-key')
        accepted.tap('counting', (_request, number) => core.logger('counting').info('key ' + number))
        rejected.tap('counting', (_request, reason) => core.logger('counting').info(reason))
      },
    })`
    write(context.project, { 'counting.js': counting, 'package.json': '{ "type": "module" }' })
    const keys = ['--api-key', 'one', '--api-key', 'two', '--api-key-public', '/open']
    const server = await start(context, '--plugins', './counting.js,api-key', ...keys)
    const status = async (path: string, key?: string) =>
      (await server.request(path, { headers: key === undefined ? {} : { 'x-api-key': key } }))
        .status
    assert.equal(
      await Promise.all([status('/'), status('/', 'three'), status('/', 'two')]),
      [401, 403, 200],
    )
    assert.is(await status('/open'), 200)
    for (const line of [/missing/, /unknown/, /key 1/]) await server.line(line)
  },
)

authors('a plugin that does not like its options stops the start', (context) => {
  const { status, output } = command(context, '--plugins', 'api-key', './app.mjs')
  assert.is(status, 1)
  assert.match(output, "plugin 'api-key' failed to apply: there are no keys")
})

authors(
  'options of installed plugins are in --help and --print-config, secrets masked',
  (context) => {
    const help = command(context, '--plugins', 'api-key,maintenance', '--help').output
    assert.match(help, /Plugin api-key:\n +--api-key KEYS/)
    assert.match(help, /--maintenance-retry-after N\s+Seconds/)
    const printed = command(
      context,
      '--plugins',
      'api-key',
      '--api-key',
      'secret',
      '--print-config',
    )
    assert.equal(JSON.parse(printed.output)['api-key'].header, 'x-api-key')
    assert.not.match(printed.output, 'secret')
  },
)

authors('lists plugins with version, options and hooks', (context) => {
  const { status, output } = command(context, 'plugins')
  assert.is(status, 0)
  assert.match(output, /^maintenance \(1.0.0\)\n {2}options: .*\n {2}hooks: server, beforeListen$/m)
  assert.match(
    output,
    /^wsgi \(.*, built in\)\n(.*\n)+? {2}hooks: prepare, fastifyOptions, .*handle/m,
  )
  assert.match(output, /^@acme\/tea \(2.1.0\)\n {2}hooks: response$/m)
})

authors('lists hooks, and who taps them in a command line, in order', (context) => {
  const table = command(context, 'hooks').output
  assert.match(
    table,
    /^handle\(request, reply\) {2}AsyncSeriesBailHook\n {4}No route took the request/m,
  )
  assert.not.match(table, 'taps:')
  const { output } = command(context, 'hooks', '--plugins', '@acme/tea,request-id', './app.mjs')
  assert.match(output, /^response\(.*\n.*\n {4}taps: tea, request-id$/m)
  assert.match(output, /^handle\(.*\n.*\n {4}taps: wsgi$/m)
})

const packageOf = (name: string, more: object = {}) =>
  JSON.stringify({ name, version: '1.0.0', type: 'module', exports: './index.js', ...more })

authors('refuses a plugin that is made for another version', (context) => {
  const range = { peerDependencies: { 'wsgi-core': '^7.0.0' } }
  const folder = join(context.project, 'node_modules/wsgi-core-plugin-future')
  write(folder, {
    'package.json': packageOf('wsgi-core-plugin-future', range),
    'index.js': plugin('future', ''),
  })
  const { status, output } = command(context, '--plugins', 'future', './app.mjs')
  assert.is(status, 1)
  assert.match(output, "plugin 'future' 1.0.0 is made for wsgi-core ^7.0.0, and this is")
  rmSync(folder, { recursive: true })
})

authors('refuses a plugin that bears another name than its package', (context) => {
  const folder = join(context.project, 'node_modules/wsgi-core-plugin-cup')
  write(folder, {
    'package.json': packageOf('wsgi-core-plugin-cup'),
    'index.js': plugin('mug', ''),
  })
  const { output } = command(context, '--plugins', 'cup', './app.mjs')
  assert.match(output, "'cup' is not a plugin: the name that it gives itself is 'mug'")
  rmSync(folder, { recursive: true })
})

authors('new-plugin makes a plugin whose build and test pass at once', async (context) => {
  const made = command(context, 'new-plugin', 'good-tea')
  assert.match(made.output, /npm install\n +npm test\n$/)
  const folder = join(context.project, 'wsgi-core-plugin-good-tea')
  const modules = join(folder, 'node_modules')
  mkdirSync(modules)
  for (const name of ['tsx', 'typescript', '@types', 'undici-types', 'get-tsconfig', 'esbuild']) {
    symlinkSync(join(root, 'node_modules', name), join(modules, name))
  }
  symlinkSync(join(context.project, 'node_modules/wsgi-core'), join(modules, 'wsgi-core'))
  const tsc = spawnSync(join(root, 'node_modules/.bin/tsc'), [], { cwd: folder, encoding: 'utf8' })
  assert.is(tsc.stdout, '')
  const env = { ...process.env }
  delete env.NODE_OPTIONS
  delete env.NODE_TEST_CONTEXT
  const output = await new Promise<string>((resolve, reject) => {
    execFile('npm', ['test'], { cwd: folder, env, encoding: 'utf8' }, (error, stdout) =>
      error ? reject(new Error(stdout, { cause: error })) : resolve(stdout),
    )
  })
  assert.match(output, /pass 2/)
  const again = command(context, 'new-plugin', 'good-tea')
  assert.match(again.output, 'is there already')
  for (const bad of ['Good', 'a b', '-x']) {
    assert.match(command(context, 'new-plugin', bad).output, 'is no name for a plugin')
  }
})

authors.run()
