import { spawn } from 'node:child_process'
import { once } from 'node:events'
import * as assert from 'uvu/assert'
import { isAlive, isStopped } from '../../signals.ts'
import { processes, seePids, siteSuite, spawnerOf, until, workersOf } from '../harness.ts'
import { Load } from './load.ts'

const ROUNDS = 5
const WORKERS = 3

const test = siteSuite('kill -9 of the spawner under load')

test(`${ROUNDS} times fails no request; then there are as many workers as there should be`, async ({
  site,
}) => {
  const server = await site.start(['-w', `${WORKERS}`])
  await seePids(server, WORKERS)
  const load = new Load(server, { path: '/work', clients: 6 })
  for (let round = 0; round < ROUNDS; round++) {
    const from = server.log().length
    const spawner = await spawnerOf(server)
    process.kill(spawner, 'SIGKILL')
    await server.line(/the spawner died and is replaced/, from)
    await spawnerOf(server, spawner)
    const before = load.total
    await until('requests are served', () => load.total > before + 20)
  }
  await load.stop()
  assert.equal(Object.keys(load.counts), ['200'])
  assert.is(workersOf(server).length, WORKERS)
  assert.is(processes(server).length, WORKERS + 1, 'and one spawner')
})

test('together with a worker fails what that worker executed, and both are replaced', async ({
  site,
}) => {
  const server = await site.start(['-w', `${WORKERS}`])
  await seePids(server, WORKERS)
  const load = new Load(server, { path: '/work', clients: 6 })
  await until('requests are served', () => load.total > 20)
  const spawner = await spawnerOf(server)
  const [worker] = workersOf(server)
  process.kill(spawner, 'SIGKILL')
  process.kill(worker as number, 'SIGKILL')
  await spawnerOf(server, spawner)
  await until('it is replaced', () => workersOf(server).length === WORKERS)
  await seePids(server, WORKERS)
  await load.stop()
  const { 200: served = 0, 502: failed = 0, ...others } = load.counts
  assert.equal(others, {})
  assert.ok(served > 0 && failed <= 1, `${failed} failed`)
})

test('leaves workers that count as dead once they are, reaped or not', async () => {
  const parent = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [line] = await once(parent.stdout, 'data')
  const child = Number(line)
  await until('the child is dead', () => !isAlive(child))
  process.kill(child, 0) // it is there: a zombie, as nobody asks how it ended
  assert.is(isAlive(parent.pid as number), true)
  parent.kill('SIGSTOP')
  await until('it is stopped', () => isStopped(parent.pid as number))
  parent.kill('SIGKILL')
  await once(parent, 'exit')
  assert.is(isAlive(parent.pid as number), false)
})

test.run()
