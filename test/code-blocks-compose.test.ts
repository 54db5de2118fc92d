// Runs each code block of these pages.
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import {
  command,
  type Entry,
  launch,
  launchCommand,
  prints,
  root,
  run,
  runBlocks,
  save,
  saved,
  serve,
  serving,
} from './helpers/code-blocks.ts'

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

runBlocks('docs/compose.md', COMPOSE)
runBlocks('docs/javascript-apps.md', APPS)
