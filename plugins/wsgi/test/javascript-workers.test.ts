import { existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type ServerProcess, startServer, until } from '../../../test/helpers/server-process.ts'

const APPS = fileURLToPath(new URL('apps', import.meta.url))

interface Context {
  folder: string
  servers: ServerProcess[]
}

const workers = suite<Context>('applications in JavaScript, in workers')

workers.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'wsgi-core-js-'))
  context.servers = []
})
workers.after.each(async ({ folder, servers }) => {
  for (const server of servers) await server.stop()
  rmSync(folder, { recursive: true })
})

async function start({ servers }: Context, args: readonly string[], cwd = APPS) {
  const server = await startServer(args, { cwd })
  servers.push(server)
  return server
}

const SERVICE = './service.mjs:app'
const body = async (server: ServerProcess, path: string, options = {}) =>
  (await server.request(path, options)).body

workers('serves requests with bodies and answers of all sizes', async (context) => {
  const server = await start(context, ['-w', '2', SERVICE])
  assert.is(await body(server, '/'), 'service')
  for (const size of [0, 3, 10_000, 300_000]) {
    const options = { method: 'POST', body: 'x'.repeat(size) }
    assert.is(await body(server, '/echo', options), options.body)
    assert.is(await body(server, '/sizes', options), String(size))
  }
  assert.is((await body(server, '/big')).length, 3_000_000)
  const { status } = await server.request('/fail')
  assert.is(status, 500)
  assert.match(await server.line(/the app says no/), 'Error')
})

workers('pass over signals that are meant for the server', async (context) => {
  const server = await start(context, ['-w', '1', SERVICE])
  const pid = Number(await body(server, '/pid'))
  const inspector = /Debugger listening/
  for (const name of ['HUP', 'USR1', 'USR2', 'TTIN', 'TTOU', 'WINCH'])
    for (const each of [pid, parentOf(pid)]) process.kill(each, `SIG${name}`)
  assert.is(await body(server, '/pid'), String(pid))
  await server.stop()
  assert.not.match(server.log(), inspector)
  assert.not.match(server.log(), /ended by|died/)
})

const parentOf = (pid: number) =>
  Number(readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ')[1])

workers('reads bodies on demand', async (context) => {
  const server = await start(context, ['--no-request-buffering', SERVICE])
  const options = { method: 'POST', body: 'x'.repeat(300_000) }
  assert.is(await body(server, '/echo', options), options.body)
})

workers('executes as many requests at a time as --threads says', async (context) => {
  const server = await start(context, ['--threads', '3', SERVICE])
  const file = join(context.folder, 'go')
  const waiting = [1, 2].map(() => body(server, `/wait?${file}`))
  await until('two are executed', async () => (await body(server, '/running')) === '2')
  writeFileSync(file, '')
  assert.equal((await Promise.all(waiting)).sort(), ['2', '2'])
})

workers('ends a worker over its time, be it busy or waiting, and replaces it', async (context) => {
  const server = await start(context, ['-t', '1', SERVICE])
  for (const path of ['/busy', '/never']) {
    const pid = await body(server, '/pid')
    assert.is((await server.request(path)).status, 504)
    await until('another serves', async () => ![pid, ''].includes(await body(server, '/pid')))
  }
})

workers('what cannot be sent, or shown, costs its own request alone', async (context) => {
  const server = await start(context, [SERVICE])
  const pid = await body(server, '/pid')
  for (const path of ['/circle', '/blank']) assert.is((await server.request(path)).status, 500)
  await server.line(/goes in a circle/)
  const statusFor = async (size: number) => {
    const options = { headers: { 'Head-Size': String(size) }, maxHeaderSize: 300_000 }
    return (await server.request('/', options)).status
  }
  const room = 262_000 - '200 OK\0X\0'.length
  assert.equal([await statusFor(room), await statusFor(room + 1)], [200, 500])
  await server.line(/the head has 262001 bytes/)
  assert.is(await body(server, '/pid'), pid)
})

workers('a worker that crashes or exits costs its request, and is replaced', async (context) => {
  const server = await start(context, [SERVICE])
  for (const path of ['/crash', '/exit']) {
    assert.is((await server.request(path)).status, 502)
    assert.is(await body(server, '/'), 'service')
  }
  await server.line(/nobody catches this/)
  await server.line(/ended by code 7/)
})

workers('replaces a worker after --max-requests, without losing any', async (context) => {
  const server = await start(context, ['--max-requests', '5', SERVICE])
  const pids = new Set<string>()
  for (let count = 0; count < 40; count++) pids.add(await body(server, '/pid'))
  await until('another serves', async () => pids.add(await body(server, '/pid')).size > 1)
})

workers('a reload by HUP serves the application as it is now', async (context) => {
  const file = join(context.folder, 'app.cjs')
  const write = (word: string) =>
    writeFileSync(
      file,
      `exports.app = (environ, start) => { start('200 OK', []); return Buffer.from('${word}') }`,
    )
  write('one')
  const server = await start(context, ['-w', '2', './app.cjs'], context.folder)
  assert.is(await body(server, '/'), 'one')
  write('two')
  server.signal('SIGHUP')
  await until('the new one answers', async () => (await body(server, '/')) === 'two')
})

workers('--reload sees a changed file, of ES modules too', async (context) => {
  const file = (name: string) => join(context.folder, name)
  const part = (word: string) => writeFileSync(file('part.mjs'), `export const word = '${word}'`)
  part('one')
  const app = `import { word } from './part.mjs'
    export default (environ, start) => { start('200 OK', []); return Buffer.from(word) }`
  writeFileSync(file('app.mjs'), app)
  const server = await start(context, ['--reload', './app.mjs'], context.folder)
  assert.is(await body(server, '/'), 'one')
  part('two')
  utimesSync(file('part.mjs'), Date.now() / 1000, Date.now() / 1000 + 2)
  await until('the new one answers', async () => (await body(server, '/')) === 'two')
})

workers('leaves nothing behind', async (context) => {
  const server = await start(context, ['-w', '2', SERVICE])
  const pid = Number(await body(server, '/pid'))
  const { folder } = server
  assert.is(await server.stop(), 0)
  context.servers = []
  assert.not(existsSync(folder))
  assert.throws(() => process.kill(pid, 0), /ESRCH/)
})

workers.run()
