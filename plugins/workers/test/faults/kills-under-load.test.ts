import * as assert from 'uvu/assert'
import type { ServerProcess } from '../../../../test/helpers/server-process.ts'
import { processes, seePids, siteSuite, until, workersOf } from '../harness.ts'
import { Load } from './load.ts'

const KILLS = 20
const THREADS = 2
const SETUP = ['-w', '3', '--threads', `${THREADS}`]

const test = siteSuite(`kill -9 of random workers ${KILLS} times under load`)

test('fails at most what they executed, with 502; all else is answered with 200', async ({
  site,
}) => {
  const server = await site.start(SETUP)
  const load = new Load(server, { path: '/work/20', clients: 12 })
  await killAll(server, [load])
  const { 200: served = 0, 502: failed = 0, ...others } = load.counts
  assert.equal(others, {})
  assert.ok(failed > 0, 'the kills hit requests')
  assert.ok(failed <= KILLS * THREADS, `${failed} failed for ${KILLS * THREADS} executed at most`)
  assert.ok(served > failed)
  const lines = () => server.log().match(/a request failed with its worker/g) ?? []
  await until('each of them is in the log', () => lines().length >= failed)
  assert.is(lines().length, failed)
})

test('with --retry-safe fails no request whose method is safe', async ({ site }) => {
  const server = await site.start([...SETUP, '--retry-safe'])
  const get = new Load(server, { path: '/work/20', clients: 8 })
  const post = new Load(server, { path: '/work/20', method: 'POST', body: 'order', clients: 4 })
  await killAll(server, [get, post])
  assert.equal(Object.keys(get.counts), ['200'])
  const { 200: _, 502: failed = 0, ...others } = post.counts
  assert.equal(others, {})
  assert.ok(failed <= KILLS * THREADS)
  assert.match(server.log(), /a request whose worker died is given to another/)
})

/** Kills random workers, each once the one before was replaced and requests are served; then ends the load. */
async function killAll(server: ServerProcess, loads: readonly Load[]): Promise<void> {
  await seePids(server, 3)
  for (let kill = 0; kill < KILLS; kill++) {
    const before = loads.map((load) => load.total)
    await until('requests are served', () =>
      loads.every((load, index) => load.total > (before[index] as number) + 5),
    )
    const workers = workersOf(server)
    const victim = workers[Math.floor(Math.random() * workers.length)] as number
    process.kill(victim, 'SIGKILL')
    await server.line(new RegExp(`Worker \\(pid:${victim}\\) ended by SIGKILL`))
  }
  await Promise.all(loads.map((load) => load.stop()))
  await until('there are three workers', () => workersOf(server).length === 3)
  assert.is(processes(server).length, 4, 'three workers and their spawner')
}

test.run()
