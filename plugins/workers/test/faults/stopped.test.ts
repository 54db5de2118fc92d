import * as assert from 'uvu/assert'
import { type Reply, seePids, siteSuite, spawnerOf, until, workersOf } from '../harness.ts'

const test = siteSuite('SIGSTOP')

const stop = (pid: number | string) => process.kill(Number(pid), 'SIGSTOP')

test('of a worker that executes a request: 504 after --timeout, it is killed and replaced', async ({
  site,
}) => {
  const server = await site.start(['-w', '2', '-t', '1'])
  await seePids(server, 2)
  const reply = server.request('/wait/a')
  const pid = await site.noted('begin a ')
  stop(pid)
  assert.is((await reply).status, 504)
  await server.line(new RegExp(`WORKER TIMEOUT \\(pid:${pid}\\)`))
  await server.line(new RegExp(`Worker \\(pid:${pid}\\) ended by SIGKILL`))
  assert.is((await seePids(server, 2)).has(pid), false)
})

test('of a worker that executes nothing: requests go on to others, it is found and replaced', async ({
  site,
}) => {
  const server = await site.start(['-w', '3', '-t', '1'])
  const [first, second] = [...(await seePids(server, 3))] as [string, string]
  for (const pid of [first, second]) stop(pid)
  for (let count = 0; count < 30; count++) {
    assert.is((await server.request('/pid')).status, 200)
  }
  for (const pid of [first, second]) {
    await server.line(new RegExp(`a process is stopped and is killed \\(pid:${pid}\\)`))
    await server.line(new RegExp(`Worker \\(pid:${pid}\\) ended by SIGKILL`))
  }
  const after = await seePids(server, 3)
  assert.is(after.has(first) || after.has(second), false)
})

test('of all workers: the queue fills and refuses what is more, then all is served', async ({
  site,
}) => {
  const server = await site.start(['-w', '2', '-t', '1', '--queue-limit', '4'])
  for (const pid of await seePids(server, 2)) stop(pid)
  const replies = await Promise.all(Array.from({ length: 10 }, () => server.request('/pid')))
  const count = (status: number) => replies.filter((reply: Reply) => reply.status === status).length
  assert.is(count(200), 6, 'as many as wait, and one for each worker')
  assert.is(count(503), 4)
  await until('there are two workers', () => workersOf(server).length === 2)
  assert.is((await seePids(server, 2)).size, 2)
})

test('of the spawner: it is found and replaced, its workers go on', async ({ site }) => {
  const server = await site.start(['-w', '2', '-t', '1'])
  const before = await seePids(server, 2)
  const spawner = await spawnerOf(server)
  stop(spawner)
  assert.is((await server.request('/pid')).status, 200)
  await server.line(new RegExp(`a process is stopped and is killed \\(pid:${spawner}\\)`))
  await server.line(/the spawner died and is replaced/)
  await spawnerOf(server, spawner)
  assert.equal([...(await seePids(server, 2))].sort(), [...before].sort())
})

test.run()
