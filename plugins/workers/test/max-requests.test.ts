import * as assert from 'uvu/assert'
import type { ServerProcess } from '../../../test/helpers/server-process.ts'
import { type Reply, siteSuite, until, workersOf } from './harness.ts'

const test = siteSuite('--max-requests')

/** Asks one after the other until that many workers were seen. */
async function recycle(server: ServerProcess, generations: number): Promise<Reply[]> {
  const replies: Reply[] = []
  await until(`${generations} workers are seen`, async () => {
    for (let count = 0; count < 20; count++) replies.push(await server.request('/pid'))
    return new Set(replies.map(({ body }) => body)).size >= generations
  })
  return replies
}

for (const workers of [1, 2]) {
  test(`replaces workers without a failed request (-w ${workers})`, async ({ site }) => {
    const count = String(workers)
    const server = await site.start([
      '-w',
      count,
      '--max-requests',
      '15',
      '--max-requests-jitter',
      '10',
    ])
    const replies = await recycle(server, 6)
    assert.ok(replies.every(({ status }) => status === 200))
    await until(
      'as many workers are left as there should be',
      () => workersOf(server).length === workers,
    )
    assert.not.match(server.log(), /ended by|failed/)
  })
}

test('a worker serves on until its replacement is ready', async ({ site }) => {
  site.append('life.py', 'if os.path.exists("slow"):\n    wait_for("boot")\n')
  const server = await site.start(['-w', '1', '--max-requests', '3'])
  const first = (await server.request('/pid')).body
  site.write('slow')
  const replies = []
  for (let count = 0; count < 10; count++) replies.push((await server.request('/pid')).body)
  assert.equal([...new Set(replies)], [first])
  site.write('boot')
  await until('the next one answers', async () => (await server.request('/pid')).body !== first)
})

test('a replacement that cannot boot is tried again', async ({ site }) => {
  site.append('life.py', 'if os.path.exists("broken"):\n    raise ValueError("broken now")\n')
  const server = await site.start(['-w', '1', '--max-requests', '3'])
  const first = (await server.request('/pid')).body
  site.write('broken')
  for (let count = 0; count < 5; count++) assert.is((await server.request('/pid')).body, first)
  await server.line(/ValueError: broken now/)
  assert.is((await server.request('/pid')).body, first)
  site.remove('broken')
  await until('the next one answers', async () => (await server.request('/pid')).body !== first)
  await until('the old one is gone', () => workersOf(server).length === 1)
})

test.run()
