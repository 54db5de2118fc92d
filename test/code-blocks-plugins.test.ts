// Runs each code block of these pages.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { type Entry, launchCommand, prints, run, runBlocks, save } from './helpers/code-blocks.ts'

const INTO = `
  import { createServer } from 'wsgi-core'
  const server = await createServer({ bind: ['127.0.0.1:0'], logLevel: 'error' })`

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

runBlocks('docs/plugin-guide.md', GUIDE)
runBlocks('docs/testing-plugins.md', TESTING)
