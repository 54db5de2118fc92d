import { once } from 'node:events'
import { Agent } from 'node:http'
import { connect, type Socket } from 'node:net'
import * as assert from 'uvu/assert'
import type { ServerProcess } from '../../../../test/helpers/server-process.ts'
import { seePids, siteSuite, spawnerOf, until, workersOf } from '../harness.ts'
import { Load } from './load.ts'

const LIMIT = 160
const FEW = { wrapper: ['bash', '-c', `ulimit -n ${LIMIT}; exec "$@"`, 'bash'] }
const SCARCE = /too few descriptors \(ulimit -n\)/g

const test = siteSuite('few descriptors')

test('idle connections give their places; all goes on, and is said once', async ({ site }) => {
  const server = await site.start(['-w', '2'], 'life:app', FEW)
  await seePids(server, 2)
  const before = server.descriptors()
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const kept = () => server.request('/pid', { agent })
  assert.is((await kept()).status, 200)
  const idle = await openMany(server, 1000)
  await server.line(SCARCE)
  // until the last one is accepted, whoever has just connected may have to make room for it; they are in order
  const served = () => server.request('/pid').then(({ status }) => status === 200)
  await until('all are accepted', () => served().catch(() => false))
  const areMost = () => idle.filter(({ closed }) => closed).length > 1000 - LIMIT
  await until('most have lost their places', areMost)
  assert.ok(server.descriptors() < LIMIT)
  const load = new Load(server, { path: '/work', clients: 2 })
  for (let count = 0; count < 20; count++) assert.is((await kept()).status, 200)

  const [worker] = workersOf(server)
  const big = await server.request('/work', { method: 'POST', body: 'x'.repeat(200_000) })
  assert.is(big.status, 200, 'there is a descriptor for a file')
  process.kill(worker as number, 'SIGKILL')
  await server.line(new RegExp(`Worker \\(pid:${worker}\\) ended by SIGKILL`))
  const spawner = await spawnerOf(server)
  process.kill(spawner, 'SIGKILL')
  await spawnerOf(server, spawner)
  assert.is((await kept()).status, 200)
  await load.stop()
  const { 200: answered = 0, 502: failed = 0, ...others } = load.counts
  assert.equal(others, {})
  assert.ok(answered > 0 && failed <= 1, 'but what the worker executed that was killed')

  for (const socket of idle) socket.destroy()
  agent.destroy()
  await until('the descriptors are free', () => server.descriptors() <= before + 4)
  assert.is((await seePids(server, 2)).size, 2)
  assert.is(server.log().match(SCARCE)?.length, 1)
})

test('requests under way keep theirs: what is more is turned away, then all is well', async ({
  site,
}) => {
  const server = await site.start(['-w', '1'], 'life:app', FEW)
  const busy = Array.from({ length: 300 }, () => server.request('/wait/x').catch(() => 'reset'))
  await server.line(SCARCE)
  await site.noted('begin x ')
  site.write('go')
  const replies = await Promise.all(busy)
  const statuses = replies.map((reply) => (typeof reply === 'string' ? reply : reply.status))
  const count = (status: unknown) => statuses.filter((each) => each === status).length
  assert.ok(count(200) > LIMIT / 2, `${count(200)} were taken`)
  const refused = count(503) + count('reset') // a reset: nothing had been read of it, and another came
  assert.is(count(200) + refused, 300)
  assert.is((await server.request('/pid')).status, 200)
})

/** Opens connections that never say anything. */
async function openMany(server: ServerProcess, count: number): Promise<Socket[]> {
  const { hostname, port } = new URL(server.url)
  const sockets: Socket[] = []
  for (let index = 0; index < count; index++) {
    const socket = connect(Number(port), hostname).on('error', () => {}) // a reset: its place was needed
    sockets.push(socket.resume())
    if (index % 100 === 99) await once(socket, 'connect')
  }
  return sockets
}

test.run()
