// Runs each code block of the pages for composers, authors of JavaScript applications and authors of plugins.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { transformSync } from 'esbuild'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const root = fileURLToPath(new URL('..', import.meta.url))

interface Context {
  folder: string
  children: ChildProcess[]
}

interface Block {
  readonly kind: string
  readonly text: string
}

const blocksOf = (page: string): Block[] =>
  [...readFileSync(join(root, page), 'utf8').matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(
    ([, kind = '', text = '']) => ({ kind, text }),
  )

/** A block, told by its kind and something that stands in it, and what is to come of it. */
type Entry = readonly [
  kind: string,
  has: string,
  check: (text: string, context: Context) => unknown,
]

/** Starts a program in the folder of the hello example, where `wsgi-core` is what was built. */
function launch(context: Context, args: readonly string[], cwd = join(root, 'examples/hello')) {
  const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  context.children.push(child)
  let output = ''
  const look = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (piece) => {
      output += piece
      for (const each of look) each()
    })
  }
  const ended = once(child, 'close')
  void ended.then(() => {
    for (const each of look) each()
  })
  const find = (pattern: RegExp) =>
    new Promise<string>((resolve, reject) => {
      const each = () => {
        const found = pattern.exec(output)
        if (found) resolve(found[1] ?? found[0])
        else if (child.exitCode !== null) reject(new Error(`it ended: ${output}`))
        else return
        look.delete(each)
      }
      look.add(each)
      each()
    })
  return { child, find, ended: ended.then(() => output), output: () => output }
}

/** Writes the block into a file of its own, on a free port. */
function save({ folder }: Context, name: string, text: string): string {
  const file = join(folder, name.replace(/\.ts$/, '.mjs'))
  const moved = text.replaceAll('127.0.0.1:8000', '127.0.0.1:0')
  const isTyped = name.endsWith('.ts') // docs.test.ts checks the types
  writeFileSync(file, isTyped ? transformSync(moved, { loader: 'ts' }).code : moved)
  return file
}

/** The block runs to its end. @returns what it printed */
async function run(context: Context, name: string, text: string, use = ''): Promise<string> {
  const { ended, child } = launch(context, [save(context, name, text + use)])
  const output = await ended
  assert.is(child.exitCode, 0, output)
  return output
}

type Answers = Readonly<Record<string, string | RegExp>>

/** The block serves: by path, what it answers. */
async function serve(program: ReturnType<typeof launch>, answers: Answers) {
  const address = await program.find(/Listening at: (\S+)/)
  for (const [path, expected] of Object.entries(answers)) {
    const answer = await fetch(address + path)
    const text = `${answer.status} ${await answer.text()}`
    assert.match(text, expected)
  }
  program.child.kill()
  await program.ended
}

const serving =
  (name: string, answers: Answers) =>
  (text: string, context: Context): Promise<void> =>
    serve(launch(context, [save(context, name, text)]), answers)

const prints =
  (name: string, expected: string | RegExp) =>
  async (text: string, context: Context): Promise<void> =>
    assert.match(await run(context, name, text), expected)

const saved = (name: string) => (text: string, context: Context) => void save(context, name, text)

/** Serves the saved application by this command. */
const command =
  (answers: Answers) =>
  async (text: string, context: Context): Promise<void> => {
    for (const line of text.trim().split('\n')) {
      const [, ...words] = line.split(' ')
      const target = (words.at(-1) ?? '').split(':').at(-1) as string
      const program = launchCommand(context, ['-b', '127.0.0.1:0', ...words])
      await serve(program, { '/x': answers[target] ?? '200' })
    }
  }

const launchCommand = (context: Context, words: readonly string[]) =>
  launch(context, [join(root, 'bin/wsgi-core.js'), ...words], context.folder)

const INTO = `
  import { createServer } from 'wsgi-core'
  const server = await createServer({ bind: ['127.0.0.1:0'], logLevel: 'error' })`

const COMPOSE: readonly Entry[] = [
  [
    'ts',
    'keepAlive: 30',
    serving('first.ts', { '/version': '{"version":1}', '/': 'Hello, world!' }),
  ],
  ['js', "require('wsgi-core')", serving('first.cjs', { '/tea': '200 You asked for /tea' })],
  [
    'ts',
    "hooks.response.tap('mine'",
    serving('hooks.ts', { '/teapot': '418 short', '/': 'Hello' }),
  ],
  [
    'ts',
    '.handleSignals()',
    async (text, context) => {
      const program = launch(context, [
        save(context, 'signals.ts', `${text}\nconsole.log('reloaded')`),
      ])
      await program.find(/reloaded/)
      program.child.kill('SIGTERM')
      await program.ended
      assert.is(program.child.exitCode, 0, program.output())
    },
  ],
  [
    'ts',
    'createHttpServer(shop.handle)',
    async (text, context) => {
      const use = `
        await new Promise((resolve) => host.once('listening', resolve))
        const { port } = host.address() as { port: number }
        for (const url of [shop.addresses[0], 'http://127.0.0.1:' + port]) {
          console.log(await (await fetch(url as string)).text())
        }
        console.log((await fetch(admin.addresses[0] + '/-/ready')).status)
        host.close().closeAllConnections()
        await Promise.all([shop.close(), admin.close()])`
      assert.match(await run(context, 'several.ts', text, use), /shop\n\nshop\n\n200\n/)
    },
  ],
]

const APPS: readonly Entry[] = [
  ['js', 'Hello from process', saved('app.js')],
  ['sh', '-w 2 ./app.js:app', command({ app: /^200 Hello from process \d+, at \/x\n$/ })],
  [
    'js',
    'tea is ready',
    async (text, context) => {
      const file = save(context, 'tea.mjs', text)
      const program = launchCommand(context, ['-b', '127.0.0.1:0', `${file}:app`])
      await serve(program, { '/': '200 3\n2\n1\ntea is ready\n' })
      assert.match(program.output(), 'the kettle is off')
    },
  ],
  [
    'js',
    'welcome: name',
    async (text, context) => {
      const file = save(context, 'welcome.mjs', text)
      const program = launchCommand(context, ['-b', '127.0.0.1:0', `${file}:app`])
      const address = await program.find(/Listening at: (\S+)/)
      const answer = await fetch(address, { method: 'POST', body: '{"name":"Ada"}' })
      assert.equal([answer.status, await answer.json()], [201, { welcome: 'Ada' }])
      program.child.kill()
      await program.ended
    },
  ],
  ['js', "served: 'by Fastify'", saved('apps.mjs')],
  [
    'sh',
    './apps.mjs:fastify',
    async (text, context) => {
      await command({ fastify: '404', node: '200 served by a handler: GET /x' })(text, context)
      const rest = 'wsgi-core ./apps.mjs:worker\nwsgi-core ./apps.mjs:wsgi'
      await command({ worker: '200 served by fetch: /x', wsgi: '200 served WSGI' })(rest, context)
    },
  ],
  ['ts', 'bytes, thank you', serving('front.ts', { '/': '200 0 bytes, thank you' })],
  ['ts', 'validator((environ', prints('valid.ts', '500 true')],
  [
    'ts',
    'workerConformance({',
    async (text, context) => {
      copyFileSync(join(root, 'examples/workers/hello.pl'), join(context.folder, 'hello.pl'))
      const local = text.replace("'hello.pl'", `'${join(context.folder, 'hello.pl')}'`)
      assert.match(await run(context, 'conformance.ts', local), /ok: tells.*\nok: answers/)
    },
  ],
]

const GUIDE: readonly Entry[] = [
  [
    'sh',
    'new-plugin tea-time',
    async (_text, context) => {
      const { ended } = launchCommand(context, ['new-plugin', 'tea-time'])
      assert.match(await ended, 'npm test')
      assert.ok(existsSync(join(context.folder, 'wsgi-core-plugin-tea-time/src/index.ts')))
    },
  ],
  [
    'ts',
    'Turns visitors away',
    async (text, context) => {
      save(context, 'tea-time.ts', text)
      const use = `
        import tea from './tea-time.mjs'
        for (const options of [{ from: 0, to: 24 }, { from: 0, to: 0 }]) {
          const server = await createServer({ bind: ['127.0.0.1:0'] }).use(tea(options)).listen()
          console.log((await fetch(server.addresses[0] as string)).status)
          await server.close()
        }`
      const main = `import { createServer } from 'wsgi-core'${use}`
      const output = await run(context, 'main.ts', main)
      assert.match(output, /^404$(.|\n)*refused=0(.|\n)*^418$(.|\n)*refused=1/m)
    },
  ],
  [
    'ts',
    "const name = 'all-hooks'",
    async (text, context) => {
      for (const [, hook] of text.matchAll(/hooks\.(\w+)\.tap/g)) assert.type(hook, 'string')
      save(context, 'all-hooks.ts', text)
      const main = `
        import wsgi from 'wsgi-core/plugins/wsgi'
        import all from './all-hooks.mjs'
        ${INTO}
          .use(all())
          .use(wsgi((environ, start) => {
            start('200 OK', [])
            if (environ.PATH_INFO === '/fail') throw new Error('no tea')
            return Buffer.from(String(environ['tea.kind']))
          }))
          .listen()
        for (const path of ['/TEA', '/handled', '/app', '/fail']) {
          const answer = await fetch(server.addresses[0] + path)
          console.log(answer.status, answer.headers.get('x-tea'), (await answer.text()).slice(0, 7))
        }
        await server.resize(1)
        await server.close()`
      const output = await run(context, 'main.ts', main)
      for (const line of [
        ...['prepare', 'listeners: 1', 'listens at 1', 'request GET /TEA', '200 green tea'],
        ...['200 green handled', '200 green green', 'failed: no tea', 'finished 500', 'resize 1'],
        ...['beforeClose', 'beforeRetire', 'undone'],
      ]) {
        assert.match(output, line)
      }
      const { createHooks } = await import('../core/index.ts')
      const tapped = [...text.matchAll(/hooks\.(\w+)\.tap/g)].map(([, name]) => name)
      assert.equal(tapped, Object.keys(createHooks()), 'every hook, in their order')
    },
  ],
  [
    'ts',
    "definePlugin({\n  name: 'cup'",
    async (text, context) => {
      save(context, 'cup.ts', text)
      const main = `
        import { cup, kettle } from './cup.mjs'
        ${INTO}.use(cup).use(kettle({ degrees: 80 })).listen()
        console.log(await (await fetch(server.addresses[0] + '/cup')).text())
        await server.close()`
      assert.match(await run(context, 'main.ts', main), '80 degrees')
    },
  ],
  [
    'json',
    'peerDependencies',
    async (text, context) => {
      const folder = join(context.folder, 'node_modules/wsgi-core-plugin-tea-time')
      mkdirSync(join(folder, 'dist'), { recursive: true })
      writeFileSync(join(folder, 'package.json'), text)
      const plugin = "import { definePlugin } from 'wsgi-core'\nexport default definePlugin"
      writeFileSync(join(folder, 'dist/index.js'), `${plugin}({ name: 'tea-time', apply() {} })`)
      const { ended } = launchCommand(context, ['plugins'])
      assert.match(await ended, /^tea-time \(1.0.0\)\n {2}hooks: none$/m)
    },
  ],
  [
    'sh',
    'wsgi-core hooks --plugins',
    async (text, context) => {
      const outputs = text
        .trim()
        .split('\n')
        .map((line) => launchCommand(context, line.split(' ').slice(1)).ended)
      const [plugins, hooks] = await Promise.all(outputs)
      assert.match(plugins as string, /^wsgi \(/m)
      assert.match(hooks as string, /taps: health/)
    },
  ],
]

const TESTING: readonly Entry[] = [
  ['ts', "test('says which tea", prints('tea.test.ts', /# pass 1\n/)],
  ['ts', "logFormat: 'json'", prints('records.ts', 'tea look at this cold')],
  ['ts', 'workerDouble((', prints('double.ts', 'POST got 3 bytes 502')],
  [
    'ts',
    'FakeClock.install()',
    prints('clock.ts', /74 seconds: false\nclosed after 77 seconds: true/),
  ],
]

const PAGES: Readonly<Record<string, readonly Entry[]>> = {
  'docs/compose.md': COMPOSE,
  'docs/javascript-apps.md': APPS,
  'docs/plugin-guide.md': GUIDE,
  'docs/testing-plugins.md': TESTING,
}

for (const [page, entries] of Object.entries(PAGES)) {
  const blocks = suite<Context>(`code blocks of ${page}`)

  blocks.before((context) => {
    context.folder = mkdtempSync(join(tmpdir(), 'wsgi-core-blocks-'))
    context.children = []
    mkdirSync(join(context.folder, 'node_modules'))
    for (const [name, path] of [
      ['wsgi-core', root],
      ['@types', join(root, 'node_modules/@types')],
    ] as const) {
      symlinkSync(path, join(context.folder, 'node_modules', name))
    }
    writeFileSync(join(context.folder, 'package.json'), '{}')
  })
  blocks.after(({ folder, children }) => {
    for (const child of children) if (child.exitCode === null) child.kill('SIGKILL')
    rmSync(folder, { recursive: true })
  })

  for (const [kind, has, check] of entries) {
    blocks(`${kind}: ${has.replaceAll('\n', ' ')}`, async (context) => {
      const found = blocksOf(page).filter((each) => each.kind === kind && each.text.includes(has))
      assert.is(found.length, 1, `one block with ${has}`)
      await check((found[0] as Block).text, context)
    })
  }

  blocks('each one is run', () => assert.is(blocksOf(page).length, entries.length))

  blocks.run()
}
