import { existsSync, readFileSync } from 'node:fs'
import * as assert from 'uvu/assert'
import {
  type Process,
  processes,
  type Site,
  siteSuite,
  until,
} from '../../plugins/workers/test/harness.ts'
import { Load } from '../../test/helpers/load.ts'
import type { ServerProcess } from '../../test/helpers/server-process.ts'

const test = siteSuite('upgrade')

const answering = (text: string) =>
  `def app(environ, start_response):\n    start_response("200 OK", [])\n    return [b"${text}"]\n`

const pidIn = (site: Site, name: string) =>
  existsSync(site.file(name)) ? Number(readFileSync(site.file(name), 'utf8')) : undefined

/** Sends USR2 and waits until the new server serves. @returns its pid. */
async function upgrade(site: Site, server: ServerProcess, bind: RegExp): Promise<number> {
  const from = server.log().length
  server.signal('SIGUSR2')
  await server.line(new RegExp(`Listening at: ${bind.source}`), from)
  await until('the new pid file is there', () => pidIn(site, 'pid.2') !== undefined)
  return pidIn(site, 'pid.2') as number
}

const isHere = (server: ServerProcess, pid: number) =>
  processes(server).some((each: Process) => each.pid === pid)

/** Ends a server that is nobody's child here. */
async function end(server: ServerProcess, pid: number): Promise<void> {
  process.kill(pid, 'SIGTERM')
  await until('the new server has left', () => !isHere(server, pid))
}

for (const args of [
  ['-w', '2'],
  ['-w', '2', '--fronts', '2'],
]) {
  test(`USR2, WINCH, TERM to the old one: the new one goes on, nothing is lost (${args.join(' ')})`, async ({
    site,
  }) => {
    site.write('shop.py', answering('one'))
    const server = await site.start([...args, '--pid', 'pid'], 'shop:app')
    const load = new Load(server.url, 16)
    const last = () => load.answers.slice(-64).map(({ body }) => body)
    await until('the old one answers', () => last().includes('one'))
    site.write('shop.py', answering('two!'))
    const next = await upgrade(site, server, /http/)
    assert.is(pidIn(site, 'pid'), server.pid)
    server.signal('SIGWINCH')
    await server.line(/No workers any more/)
    await until('only the new one answers', () => last().every((body) => body === 'two!'))
    server.signal('SIGTERM')
    await until('the new one is promoted', () => pidIn(site, 'pid') === next)
    await until('the other pid file is gone', () => pidIn(site, 'pid.2') === undefined)
    await until('it is alone', () => !isHere(server, server.pid))
    const count = load.answers.length
    await until('it answers alone', () => load.answers.length > count + 100)
    await load.stop()
    assert.equal(load.failures, [])
    await end(server, next)
    assert.not(existsSync(site.file('pid')))
  })

  test(`the old one takes its workers back, the new one is sent away, nothing is lost (${args.join(' ')})`, async ({
    site,
  }) => {
    site.write('shop.py', answering('one'))
    const server = await site.start([...args, '--pid', 'pid'], 'shop:app')
    const load = new Load(server.url, 16)
    site.write('shop.py', answering('two!'))
    const next = await upgrade(site, server, /http/)
    server.signal('SIGWINCH')
    await server.line(/No workers any more/)
    site.write('shop.py', answering('three'))
    const from = server.log().length
    server.signal('SIGHUP')
    await server.line(/Reloaded/, from)
    await end(server, next)
    await server.line(/The new server .* ended with exit code 0/)
    assert.not(existsSync(site.file('pid.2')))
    const count = load.answers.length
    await until('the old one answers', () => load.answers.length > count + 100)
    await load.stop()
    assert.equal(load.failures, [])
    assert.is((await server.request('/')).body, 'three')
    assert.is(pidIn(site, 'pid'), server.pid)
  })
}

test('a Unix socket stays while one of two serves, and goes with the last one', async ({
  site,
}) => {
  const bind = `unix:${site.file('sock')}`
  const server = await site.start(['--pid', 'pid'], 'life:app', { bind })
  const first = await upgrade(site, server, /unix:/)
  await end(server, first)
  assert.is((await server.request('/pid')).status, 200)
  const second = await upgrade(site, server, /unix:/)
  server.signal('SIGTERM')
  await server.line(/Master has been promoted/)
  assert.is((await server.request('/pid')).status, 200)
  await end(server, second)
  assert.not(existsSync(site.file('sock')))
})

test('a second USR2 is ignored by both, and a new server that cannot start changes nothing', async ({
  site,
}) => {
  site.write('shop.py', answering('one'))
  const server = await site.start(['--pid', 'pid'], 'shop:app')
  const next = await upgrade(site, server, /http/)
  server.signal('SIGUSR2')
  await server.line(/USR2 signal ignored. Child exists./)
  process.kill(next, 'SIGUSR2')
  await server.line(/USR2 signal ignored. Parent exists./)
  await end(server, next)
  await server.line(/The new server .* ended with exit code 0/)
  site.write('shop.py', 'raise ValueError("not yet")\n')
  server.signal('SIGUSR2')
  await server.line(/The new server .* ended with exit code 3; this one goes on/)
  assert.is((await server.request('/')).body, 'one')
  assert.is(pidIn(site, 'pid'), server.pid)
  assert.not(existsSync(site.file('pid.2')))
})

test('QUIT, too, leaves the service to the new one, whose application does not see the variable of an upgrade', async ({
  site,
}) => {
  site.write(
    'names.py',
    'import os\ndef app(environ, start_response):\n    start_response("200 OK", [])\n' +
      '    return [" ".join(os.environ).encode()]\n',
  )
  const server = await site.start(['--pid', 'pid'], 'names:app')
  const next = await upgrade(site, server, /http/)
  server.signal('SIGQUIT')
  await server.line(/Master has been promoted/)
  const { body } = await server.request('/')
  assert.match(body, 'TMPDIR')
  assert.not.match(body, 'WSGI_CORE_UPGRADE')
  await end(server, next)
})

test('TTIN brings back the workers that WINCH has sent away; what came meanwhile is answered', async ({
  site,
}) => {
  const server = await site.start(['-w', '1'])
  server.signal('SIGWINCH')
  await server.line(/No workers any more/)
  const reply = server.request('/pid')
  const from = server.log().length
  server.signal('SIGTTIN')
  await server.line(/Listening at/, from)
  assert.is((await reply).status, 200)
})

for (const args of [[], ['--fronts', '2']]) {
  test(`a reload that fails while the workers are away changes nothing, and the next one brings them back ${args}`, async ({
    site,
  }) => {
    site.write('shop.py', answering('one'))
    const server = await site.start(args, 'shop:app')
    server.signal('SIGWINCH')
    await server.line(/No workers any more/)
    site.write('shop.py', 'raise ValueError("not yet")\n')
    server.signal('SIGHUP')
    await server.line(/the reload failed/)
    const reply = server.request('/')
    site.write('shop.py', answering('two'))
    server.signal('SIGHUP')
    assert.is((await reply).body, 'two')
  })
}

test('TERM ends a server whose workers are away', async ({ site }) => {
  const server = await site.start(['-w', '1'])
  server.signal('SIGWINCH')
  await server.line(/No workers any more/)
  server.signal('SIGTERM')
  assert.is((await server.ended).code, 0)
})

test.run()
