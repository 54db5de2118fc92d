import * as assert from 'uvu/assert'
import { seeAnother, seePids, siteSuite } from '../harness.ts'

const test = siteSuite("an application that closes its worker's descriptors")

for (const [workers, threads] of [
  [1, 1],
  [2, 1],
  [1, 4],
] as const) {
  test(`fails its request and is replaced (${workers} workers, ${threads} threads)`, async ({
    site,
  }) => {
    const server = await site.start(['-w', `${workers}`, '--threads', `${threads}`])
    await seePids(server, workers)
    const reply = await server.request('/closerange')
    assert.is(reply.status, 502)
    const pid = await site.noted('closerange ')
    await server.line(
      new RegExp(
        `worker ${pid} ends: its application has closed the worker's own file descriptors`,
      ),
    )
    await server.line(new RegExp(`Worker \\(pid:${pid}\\) ended by code 1`))
    await seeAnother(server, pid)
    assert.is((await seePids(server, workers)).has(pid), false)
  })
}

test('or writes to one of them does no harm', async ({ site }) => {
  const server = await site.start(['-w', '1'])
  assert.is((await server.request('/control')).body, 'written')
  await server.line(/the application wrote to descriptor 3, which is not its own/)
  assert.is((await server.request('/pid')).status, 200)
})

test('or leaves half a line there is replaced all the same', async ({ site }) => {
  const server = await site.start(['-w', '1'])
  assert.is((await server.request('/write-and-leave')).status, 502)
  const pid = await site.noted('leave ')
  await server.line(new RegExp(`Worker \\(pid:${pid}\\) ended by code 5`))
  await seeAnother(server, pid)
})

test('or writes to all of them fails no request of another worker', async ({ site }) => {
  const server = await site.start(['-w', '2'])
  assert.is((await server.request('/big/200000')).status, 200) // that worker has a connection
  for (let round = 0; round < 4; round++) {
    assert.is((await server.request('/scribble')).body, 'written')
    assert.is((await server.request('/pid')).status, 200)
  }
  await server.line(/the application wrote to a descriptor of its worker/)
  await seePids(server, 2)
})

test.run()
