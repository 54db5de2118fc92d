import * as assert from 'uvu/assert'
import { seePids, siteSuite } from '../harness.ts'

const test = siteSuite('a stop')

for (const [workers, threads] of [
  [2, 150],
  [6, 60],
] as const) {
  test(`of ${workers} workers with ${threads} threads each needs no SIGKILL`, async ({ site }) => {
    const server = await site.start(['-w', `${workers}`, '--threads', `${threads}`])
    await seePids(server, workers)
    server.signal('SIGTERM')
    assert.is((await server.ended).code, 0)
    assert.not.match(server.log(), /SIGKILL/)
  })
}

test.run()
