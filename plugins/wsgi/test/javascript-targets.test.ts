import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  runCommand,
  type ServerProcess,
  startServer,
} from '../../../test/helpers/server-process.ts'

const APPS = fileURLToPath(new URL('apps', import.meta.url))

interface Context {
  folder: string
  servers: ServerProcess[]
}

const targets = suite<Context>('targets that are JavaScript files')

targets.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'wsgi-core-js-'))
  context.servers = []
})
targets.after.each(async ({ folder, servers }) => {
  for (const server of servers) await server.stop()
  rmSync(folder, { recursive: true })
})

async function start({ servers }: Context, args: readonly string[], cwd = APPS) {
  const server = await startServer(args, { cwd })
  servers.push(server)
  return server
}

const body = async (server: ServerProcess, path: string) => (await server.request(path)).body

targets('loads TypeScript', async (context) => {
  const text = `const word: string = 'typed'
    export function app(environ: object, start: (status: string, headers: []) => void) {
      start('200 OK', [])
      return Buffer.from(word)
    }`
  writeFileSync(join(context.folder, 'app.ts'), text)
  const server = await start(context, ['app.ts:app'], context.folder)
  assert.is(await body(server, '/'), 'typed')
})

for (const [target, args, expected] of [
  ['./service.mjs:create("tea", {"loud": true})', [], 'TEA'],
  ["./service.mjs:create('tea', {})", [], 'tea'],
  ['./service.mjs:inner.handler', ['--interface', 'node'], 'node /x'],
  ['./service.mjs', [], 'fetch /x'],
] as const) {
  targets(`serves the target ${target}`, async (context) => {
    const server = await start(context, [...args, target])
    assert.is(await body(server, '/x'), expected)
  })
}

for (const [target, code, text] of [
  ['./nothing.mjs:app', 3, "no file '.*nothing.mjs'; check the target"],
  ['./service.mjs:nothing', 4, "no export 'nothing' in the target"],
  ['./service.mjs:number', 4, 'is a number; name an application, or say what it is by --interface'],
  ['./service.mjs:create(process.pid)', 4, 'with literal arguments'],
  ['./broken.cjs', 3, "import of '.*broken.cjs' failed: Error: this does not load"],
] as const) {
  targets(`ends the start with ${code} for ${target}`, async ({ folder }) => {
    writeFileSync(join(folder, 'broken.cjs'), "throw new Error('this does not load')")
    const cwd = target.includes('broken') ? folder : APPS
    const end = await runCommand([target], { cwd })
    assert.is(end.code, code, end.output)
    assert.match(end.output, new RegExp(text))
  })
}

targets.run()
