import { execFile } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { type Site, siteSuite, until } from '../../plugins/workers/test/harness.ts'
import { isReloadCommand } from '../reload.ts'

const test = siteSuite('wsgi-core reload')
const BIN = fileURLToPath(new URL('../../bin/wsgi-core.js', import.meta.url))

/** Runs `wsgi-core reload ...args` in the site's folder, to its end. */
const reload = (site: Site, ...args: string[]) =>
  new Promise<{ code: number; output: string }>((resolve) => {
    const command = [BIN, 'reload', ...args]
    execFile(process.execPath, command, { cwd: site.folder }, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), output: stdout + stderr }),
    )
  })

const answering = (text: string) =>
  `def app(environ, start_response):\n    start_response("200 OK", [])\n    return [b"${text}"]\n`

async function start(site: Site, code = answering('one'), ...args: string[]) {
  site.write('shop.py', code)
  const server = await site.start(['--pid', 'shop.pid', ...args], 'shop:app')
  await until('it can be asked', () => isAnswered(site.file('shop.pid.ctl')))
  return server
}

/** The file alone is there a moment earlier. */
const isAnswered = (path: string) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(path)
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })

test('exits with 0 once the new code serves, be the old one busy or not', async ({ site }) => {
  const server = await start(site, 'from life import app\n')
  const running = server.request('/wait/a')
  const pid = await site.noted('begin a ')
  assert.equal(await reload(site, '--pid', 'shop.pid'), { code: 0, output: 'Reloaded\n' })
  assert.is.not((await server.request('/pid')).body, pid)
  site.write('go')
  assert.is((await running).body, `a ${pid}`)
})

test('of code that cannot serve exits with the reason and a code; the old goes on', async ({
  site,
}) => {
  const server = await start(site)
  for (const [broken, code, reason] of [
    ['raise ValueError("not yet")\n', 3, /line 1, in <mod[\s\S]*ValueError: not yet/],
    ['def app(:\n', 3, /shop\.py", line 1[\s\S]*SyntaxError/],
    ['shop = 1\n', 4, /no attribute 'app' in 'shop'/],
    ['import os\nos._exit(7)\n', 3, /ended while it started: code 7/],
    ['import os\nos.kill(os.getpid(), 9)\n', 3, /while it started: SIGKILL/],
  ] as const) {
    const from = server.log().length
    site.write('shop.py', broken)
    const end = await reload(site, '-p', 'shop.pid')
    assert.is(end.code, code, broken)
    assert.match(end.output, /^wsgi-core: error: the reload failed: /)
    assert.match(end.output, reason)
    await server.line(/the reload failed; the server goes on as it was/, from)
    assert.match(server.log().slice(from), reason)
    assert.is((await server.request('/')).body, 'one')
    await until('what was begun is undone', () => readdirSync(server.folder).length === 1)
  }
  site.write('shop.py', answering('three'))
  assert.is((await reload(site, '-p', 'shop.pid')).code, 0)
  assert.is((await server.request('/')).body, 'three')
})

test('of preloaded code that ends the process exits with 1; the old goes on', async ({ site }) => {
  const server = await start(site, answering('one'), '--preload', '-w', '2')
  site.write('shop.py', 'import os\nos._exit(7)\n')
  const end = await reload(site, '-p', 'shop.pid')
  assert.is(end.code, 1)
  assert.match(end.output, /spawner '.*' cannot run: exit code 7/)
  assert.is((await server.request('/')).body, 'one')
})

test('of a bad configuration exits with 2 and the reason; the old goes on', async ({ site }) => {
  site.write('wsgi-core.config.json', '{}')
  const server = await start(site)
  site.write('wsgi-core.config.json', '{"logLevel": "loud"}')
  const end = await reload(site, '-p', 'shop.pid')
  assert.is(end.code, 2)
  assert.match(end.output, /setting 'logLevel'/)
  await server.line(/setting 'logLevel'/)
  assert.is((await server.request('/')).body, 'one')
})

test('tells each who asks of the reload that was asked for', async ({ site }) => {
  const server = await start(site)
  site.write(
    'shop.py',
    'from life import note, wait_for\nnote("begun")\nwait_for("first")\nraise ValueError("first")\n',
  )
  const first = reload(site, '-p', 'shop.pid')
  await site.noted('begun')
  const second = reload(site, '-p', 'shop.pid')
  await until('both have asked', () => server.log().split('Handling command').length === 3)
  site.write('shop.py', answering('two'))
  site.write('first')
  assert.match((await first).output, /ValueError: first/)
  assert.equal(await second, { code: 0, output: 'Reloaded\n' })
  assert.is((await server.request('/')).body, 'two')
})

test('says so where there is no server to ask, and signals nobody', async ({ site }) => {
  const stranger = execFile('sleep', ['60'])
  for (const [text, reason] of [
    [undefined, /no such file/],
    ['', /no process id in it/],
    ['nonsense', /no process id in it/],
    ['99999999', /process 99999999 does not run; the file is stale/],
    [`${stranger.pid}`, /process \d+ is not the server that wrote it/],
  ] as const) {
    if (text !== undefined) site.write('shop.pid', text)
    const { code, output } = await reload(site, '--pid', 'shop.pid')
    assert.is(code, 1)
    assert.match(output, reason)
  }
  assert.is(stranger.exitCode ?? stranger.signalCode, null)
  stranger.kill()
})

test('does not take one server for another', async ({ site }) => {
  const server = await start(site)
  site.write('shop.pid', `${process.pid}\n`)
  const { code, output } = await reload(site, '--pid', 'shop.pid')
  assert.is(code, 1)
  assert.match(output, /is not the server that wrote it/)
  assert.not.match(server.log(), /Handling command/)
  site.write('shop.pid', `${server.pid}\n`)
})

test('gives up after --timeout, and hears of the end of the server', async ({ site }) => {
  const server = await start(site)
  site.write('shop.py', 'from life import wait_for\nwait_for("never")\n')
  const { code, output } = await reload(site, '--pid', 'shop.pid', '--timeout', '2')
  assert.is(code, 1)
  assert.match(output, /not known after 2 seconds/)
  const asked = reload(site, '--pid', 'shop.pid')
  await until('it has asked', () => server.log().split('Handling command').length === 3)
  server.signal('SIGINT')
  const end = await asked
  assert.is(end.code, 1)
  assert.match(end.output, /told to stop|is stopping|ended before it was done/)
})

test('has a socket for the owner alone, which a crash leaves and the end removes', async ({
  site,
}) => {
  const crashed = await start(site)
  await site.crash(crashed)
  assert.ok(existsSync(site.file('shop.pid.ctl')))
  const server = await start(site)
  assert.is(statSync(site.file('shop.pid.ctl')).mode & 0o777, 0o600)
  assert.is((await reload(site, '-p', 'shop.pid')).code, 0)
  server.signal('SIGTERM')
  await server.ended
  assert.is(existsSync(site.file('shop.pid.ctl')), false)
})

test('a socket file that is none does not keep the server from starting', async ({ site }) => {
  site.write('shop.pid.ctl', 'mine')
  site.write('shop.py', answering('one'))
  const server = await site.start(['--pid', 'shop.pid'], 'shop:app')
  await server.line(/'wsgi-core reload' will not reach this server/)
  assert.match(server.log(), /'wsgi-core reload' will not reach this server[\s\S]*is no socket/)
  assert.is((await reload(site, '-p', 'shop.pid')).code, 1)
})

test('the socket survives what is no command', async ({ site }) => {
  await start(site)
  for (const text of ['\n', 'null\n', '{"command":"stop"}\n', `${'x'.repeat(2000)}`]) {
    assert.match(await converse(site.file('shop.pid.ctl'), text), /does not know this command/)
  }
  assert.is((await reload(site, '-p', 'shop.pid')).code, 0)
})

function converse(path: string, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let heard = ''
    const socket = connect(path).setEncoding('utf8').on('error', reject)
    socket.on('data', (chunk) => {
      heard += chunk
    })
    socket.on('end', () => resolve(heard))
    socket.write(text)
  })
}

test('refuses what it does not know', async ({ site }) => {
  for (const args of [[], ['-p', 'x', '--timeout', 'soon'], ['-p', 'x', 'y'], ['-p', 'x', '--w']]) {
    assert.is((await reload(site, ...args)).code, 2, args.join(' '))
  }
  assert.match((await reload(site, '--help')).output, /^Usage: wsgi-core reload --pid FILE/)
})

test('is told from an application named reload', async ({ site }) => {
  for (const words of ['reload', 'reload --pid x', 'reload --pid=x', 'reload -px', 'reload -h']) {
    assert.ok(isReloadCommand(words.split(' ')), words)
  }
  for (const words of ['', 'reload -w 2', 'reload:app --pid x', '--pid x reload', 'shop:app']) {
    assert.not.ok(isReloadCommand(words.split(' ')), words)
  }
  site.passed = true
})

test.run()
