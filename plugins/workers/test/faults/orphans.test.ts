import * as assert from 'uvu/assert'
import { processes, seePids, siteSuite, spawnerOf, until, workersOf } from '../harness.ts'

const test = siteSuite('kill -9 while a worker starts')

/** The spawner itself runs what `after_in_parent` is given: with --preload the app is imported there. */
const DIES_AFTER_FORK = `
import os, signal
from life import app

def after_fork():
    if os.path.exists("die"):
        os.remove("die")
        os.kill(os.getpid(), signal.SIGKILL)

os.register_at_fork(after_in_parent=after_fork)
`

const SLOW_TO_BOOT = `
import os
from life import app, note, wait_for
note(f"booting {os.getpid()}")
wait_for("boot")
note(f"booted {os.getpid()}")
`

test('of the spawner, before it told of the process: none is left that nobody knows', async ({
  site,
}) => {
  site.write('dies.py', DIES_AFTER_FORK)
  const server = await site.start(['-w', '2', '--preload'], 'dies:app')
  await seePids(server, 2)
  const spawner = await spawnerOf(server)
  site.write('die')
  assert.is((await server.request('/exit/7')).status, 502)
  await server.line(/the spawner died and is replaced/)
  await spawnerOf(server, spawner)
  await seePids(server, 2)
  await until('there are two workers', () => workersOf(server).length === 2)
})

test('of spawner and server: the worker ends when it has loaded its app', async ({ site }) => {
  site.write('slow.py', SLOW_TO_BOOT)
  const server = site.launch(['-w', '1'], 'slow:app')
  const pid = Number(await site.noted('booting '))
  process.kill(await spawnerOf(server), 'SIGKILL')
  const crashed = site.crash(server)
  await until('the worker is alone', () => processes(server).length === 1)
  assert.is(processes(server)[0]?.pid, pid)
  site.write('boot')
  await site.noted('booted ')
  await until('no process is left', () => processes(server).length === 0)
  await crashed
})

test.run()
