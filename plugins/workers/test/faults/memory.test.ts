import * as assert from 'uvu/assert'
import { seeAnother, seePids, siteSuite } from '../harness.ts'
import { Load } from './load.ts'

const test = siteSuite('--max-worker-memory')

for (const setup of [
  ['-w', '2'],
  ['-w', '1', '--threads', '2'],
]) {
  test(`replaces a worker that grew past it, after its request, and no request fails (${setup.join(' ')})`, async ({
    site,
  }) => {
    const server = await site.start([...setup, '--max-worker-memory', '150M'])
    await seePids(server, Number(setup[1]))
    const load = new Load(server, { path: '/work', clients: 4 })
    const reply = await server.request('/grow/200')
    assert.is(reply.status, 200)
    const line = await server.line(
      new RegExp(`Worker \\(pid:${reply.body}\\) grew past its limit and is replaced`),
    )
    const size = Number(/size=(\d+)M/.exec(line)?.[1])
    assert.ok(size >= 200 && size < 400, line)
    await server.line(new RegExp(`Worker exiting \\(pid: ${reply.body}\\)`))
    await load.stop()
    assert.equal(Object.keys(load.counts), ['200'])
    await seeAnother(server, reply.body)
  })
}

test('leaves those below it alone, and says what it takes', async ({ site }) => {
  const server = await site.start(['-w', '1', '--max-worker-memory', '1.5G'])
  const { body } = await server.request('/grow/100')
  await new Promise((resolve) => setTimeout(resolve, 1100)) // longer than between two looks
  assert.is((await server.request('/pid')).body, body)
  assert.is((await server.request('/pid')).body, body)
  const bad = await site.run(['--max-worker-memory', '512', 'life:app'])
  assert.is(bad.code, 2)
  assert.match(bad.output, /max-worker-memory.*must be a size of 1M or more, such as 512M or 2G/)
})

test('below what a worker takes from the start is said, and replaces none', async ({ site }) => {
  const server = await site.start(['-w', '1', '--max-worker-memory', '1M'])
  await server.line(/--max-worker-memory is below the \d+M of a worker that has just started/)
  const { body } = await server.request('/pid')
  assert.is((await server.request('/pid')).body, body)
  assert.not.match(server.log(), /is replaced/)
})

test.run()
