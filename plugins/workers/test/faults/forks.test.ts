import * as assert from 'uvu/assert'
import { seePids, siteSuite } from '../harness.ts'

const test = siteSuite('an application that forks')

for (const threads of [1, 3]) {
  test(`has the answer of its worker, not of the copy (${threads} threads)`, async ({ site }) => {
    const server = await site.start(['-w', '1', '--threads', `${threads}`])
    const [pid] = await seePids(server, 1)
    assert.is((await server.request('/big/100000')).status, 200) // the connections exist
    for (const how of ['return', 'big', 'exit', 'raise']) {
      const { status, body } = await server.request(`/fork/${how}`)
      assert.is(status, 200)
      assert.ok(body.startsWith('the worker'), body.slice(0, 20))
    }
    await server.line(/Error in a process that the application has forked/)
    const ends = site.notes.filter((note) => note.startsWith('ended '))
    assert.equal(ends, ['ended 0', 'ended 0', 'ended 4', 'ended 1'])
    assert.equal([...(await seePids(server, 1))], [pid])
  })
}

test('in the middle of a stream sends each piece once', async ({ site }) => {
  const server = await site.start(['-w', '1'])
  assert.is((await server.request('/fork-in-stream')).body, 'one two three four')
  assert.is((await server.request('/big/100000')).body.length, 100_000)
})

test('can end what it has started', async ({ site }) => {
  const server = await site.start(['-w', '1'])
  assert.is((await server.request('/terminate-child')).body, '-15')
})

test.run()
