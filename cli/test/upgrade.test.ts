import { existsSync } from 'node:fs'
import * as assert from 'uvu/assert'
import { siteSuite, until } from '../../plugins/workers/test/harness.ts'
import { Load } from '../../test/helpers/load.ts'
import { isAlive } from '../pidfile.ts'
import { answering, end, pidIn, upgrade } from './upgrading.ts'

const test = siteSuite('upgrade')

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
    await until('it is alone', () => !isAlive(server.pid))
    const count = load.answers.length
    await until('it answers alone', () => load.answers.length > count + 100)
    await load.stop()
    assert.equal(load.failures, [])
    await end(next)
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
    await end(next)
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

for (const args of [[], ['--fronts', '2']]) {
  test(`a Unix socket stays while one of two serves, and goes with the last one ${args}`, async ({
    site,
  }) => {
    const bind = `unix:${site.file('sock')}`
    const server = await site.start(['--pid', 'pid', ...args], 'life:app', { bind })
    const first = await upgrade(site, server, /unix:/)
    await end(first)
    assert.is((await server.request('/pid')).status, 200)
    const second = await upgrade(site, server, /unix:/)
    server.signal('SIGTERM')
    await server.line(/Master has been promoted/)
    await until('it is alone', () => !isAlive(server.pid))
    assert.is((await server.request('/pid')).status, 200)
    await end(second)
    assert.not(existsSync(site.file('sock')))
  })
}

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
  await end(next)
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
  await end(next)
})

test.run()
