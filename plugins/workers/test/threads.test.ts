import * as assert from 'uvu/assert'
import { siteSuite } from './harness.ts'

const test = siteSuite('--threads')

test('executes as many requests at once', async ({ site }) => {
  const server = await site.start(['-w', '1', '--threads', '4'])
  const replies = await Promise.all([1, 2, 3, 4].map(() => server.request('/barrier')))
  assert.equal(
    replies.map(({ status, body }) => [status, body]),
    [1, 2, 3, 4].map(() => [200, 'True']),
  )
})

for (const [workers, threads, multiprocess, multithread] of [
  ['1', '1', 'False', 'False'],
  ['1', '2', 'False', 'True'],
  ['2', '1', 'True', 'False'],
] as const) {
  test(`-w ${workers} --threads ${threads}: PEP 3333 multithread and multiprocess are true to it`, async ({
    site,
  }) => {
    const server = await site.start(['-w', workers, '--threads', threads])
    assert.is((await server.request('/show/wsgi.multithread')).body, multithread)
    assert.is((await server.request('/show/wsgi.multiprocess')).body, multiprocess)
  })
}

test.run()
