import * as assert from 'uvu/assert'
import {
  processes,
  seeAnother,
  seePids,
  siteSuite,
  until,
} from '../../plugins/workers/test/harness.ts'
import { end, pidIn, upgrade } from './upgrading.ts'

const test = siteSuite('signals at odd moments')

for (const args of [[], ['--fronts', '2']]) {
  test(`those that come while the server stops change nothing ${args}`, async ({ site }) => {
    const server = await site.start(args)
    const reply = server.request('/wait/a')
    await site.noted('begin a ')
    server.signal('SIGTERM')
    await server.line(/Handling signal: term/)
    for (const name of ['USR2', 'HUP', 'WINCH', 'TTIN', 'TTOU', 'USR1']) {
      server.signal(`SIG${name}` as NodeJS.Signals)
      await server.line(new RegExp(`Handling signal: ${name.toLowerCase()}`))
    }
    await server.line(/USR2 signal ignored/)
    site.write('go')
    assert.is((await reply).status, 200)
    assert.is((await server.ended).code, 0)
    assert.not.match(server.log(), /ERROR|CRITICAL/)
  })

  test(`TERM in the middle of a reload ends the server, which leaves nothing ${args}`, async ({
    site,
  }) => {
    site.write('shop.py', 'from life import app\n')
    const server = await site.start(args, 'shop:app')
    site.write('shop.py', 'from life import note, wait_for\nnote("begun")\nwait_for("never")\n')
    server.signal('SIGHUP')
    await site.noted('begun')
    server.signal('SIGTERM')
    assert.is((await server.ended).code, 0)
    assert.match(server.log(), /No reload: the server stops/)
    assert.not.match(server.log(), /goes on as it was/)
  })
}

test('a reload while the new server of an upgrade starts does not disturb it', async ({ site }) => {
  const server = await site.start(['--pid', 'pid'])
  server.signal('SIGUSR2')
  await server.line(/Starting new server with pid/)
  const from = server.log().length
  for (const name of ['SIGHUP', 'SIGHUP', 'SIGUSR2', 'SIGTTIN'] as const) server.signal(name)
  await server.line(/Reloaded/, from)
  await server.line(/Listening at/, from)
  assert.is((await server.request('/pid')).status, 200)
  const [, next] = /Starting new server with pid: (\d+)/.exec(server.log()) as RegExpExecArray
  process.kill(Number(next), 'SIGTERM')
  await server.line(/The new server .* ended with exit code 0; this one goes on/)
  assert.is((await server.request('/pid')).status, 200)
})

test('kill -9 of the old server of an upgrade promotes the new one, pid file included', async ({
  site,
}) => {
  const server = await site.start(['--pid', 'pid', '-w', '1'])
  const next = await upgrade(site, server, /http/)
  const crashed = site.crash(server)
  await until('the new one is promoted', () => pidIn(site, 'pid') === next)
  await until('the other pid file is gone', () => pidIn(site, 'pid.2') === undefined)
  assert.is((await server.request('/pid')).status, 200)
  await end(next)
  await crashed
})

for (const args of [
  ['-w', '2'],
  ['-w', '2', '--fronts', '2', '--threads', '2', '--preload'],
]) {
  test(`those of the server that workers, spawner and fronts get, too, do them no harm (${args.join(' ')})`, async ({
    site,
  }) => {
    const server = await site.start(args)
    const pids = await seePids(server, 2)
    const before = processes(server).map(({ pid }) => pid)
    const reply = server.request('/wait/a')
    await site.noted('begin a ')
    for (const name of ['HUP', 'USR1', 'USR2', 'TTIN', 'TTOU', 'WINCH'])
      for (const pid of before) process.kill(pid, `SIG${name}`)
    site.write('go')
    assert.is((await reply).status, 200)
    assert.equal(await seePids(server, 2), pids)
    assert.equal(
      processes(server).map(({ pid }) => pid),
      before,
    )
  })
}

for (const name of ['SIGQUIT', 'SIGINT'] as const) {
  test(`${name} from outside to a worker: it ends at once and is replaced`, async ({ site }) => {
    const server = await site.start(['-w', '1'])
    const reply = server.request('/wait/a')
    const pid = await site.noted('begin a ')
    process.kill(Number(pid), name)
    assert.is((await reply).status, 502)
    await seeAnother(server, pid)
  })
}

test.run()
