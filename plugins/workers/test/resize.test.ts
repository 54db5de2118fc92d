import * as assert from 'uvu/assert'
import { Load } from '../../../test/helpers/load.ts'
import { seePids, siteSuite, until, workersOf } from './harness.ts'

const test = siteSuite('resize')

for (const args of [
  ['-w', '1'],
  ['-w', '1', '--threads', '2', '--preload'],
  ['-w', '1', '--fronts', '2'],
]) {
  test(`TTIN and TTOU change the number of workers and lose no request (${args.join(' ')})`, async ({
    site,
  }) => {
    const server = await site.start(args)
    const load = new Load(server.url, 8, '/pid')
    const seen = () => new Set(load.answers.slice(-100).map(({ body }) => body))
    const becomes = (count: number) =>
      until(`${count} workers answer`, () => load.answers.length > 0 && seen().size === count)
    await becomes(1)
    for (const count of [2, 3]) {
      server.signal('SIGTTIN')
      await becomes(count)
    }
    for (const count of [2, 1]) {
      const from = server.log().length
      server.signal('SIGTTOU')
      await server.line(/Worker exiting/, from)
      await becomes(count)
    }
    await load.stop()
    assert.equal(load.failures, [])
  })
}

test('TTOU takes away no more than all but one; HUP brings the configured number back', async ({
  site,
}) => {
  const server = await site.start(['-w', '3'])
  await seePids(server, 3)
  for (const count of [2, 1]) {
    const from = server.log().length
    server.signal('SIGTTOU')
    await server.line(/Worker exiting/, from)
    await until(`${count} are left`, () => workersOf(server).length === count)
  }
  const alone = workersOf(server)
  server.signal('SIGTTOU')
  const from = server.log().length
  server.signal('SIGUSR1')
  await server.line(/Handling signal: usr1/, from)
  assert.is((await server.request('/pid')).body, String(alone[0]))
  server.signal('SIGHUP')
  await server.line(/Reloaded/)
  await until('three serve', () => workersOf(server).length === 3)
  assert.is((await seePids(server, 3)).has(String(alone[0])), false)
})

test('TTOU: a worker that goes finishes its request first', async ({ site }) => {
  const server = await site.start(['-w', '2'])
  await seePids(server, 2)
  const replies = ['a', 'b'].map((name) => server.request(`/wait/${name}`))
  for (const name of ['a', 'b']) await site.noted(`begin ${name} `)
  server.signal('SIGTTOU')
  await server.line(/the number of workers changes/)
  site.write('go')
  for (const reply of await Promise.all(replies)) assert.is(reply.status, 200)
  await until('one is left', () => workersOf(server).length === 1)
  assert.not.match(server.log(), /ended by|died/)
})

test('TTIN and at once TTOU: one worker is left, and serves', async ({ site }) => {
  const server = await site.start(['-w', '1'])
  server.signal('SIGTTIN')
  await server.line(/the number of workers changes/)
  server.signal('SIGTTOU')
  await until('one is left', () => workersOf(server).length === 1)
  assert.is((await server.request('/pid')).status, 200)
  assert.not.match(server.log(), /died|ended by/)
})

test.run()
