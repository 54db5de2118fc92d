import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { until } from '../../../test/helpers/server-process.ts'
import { ask, get, openHttp2 } from './client.ts'
import { wsgiSuite } from './site.ts'

const upgrades = wsgiSuite('TLS')

for (const fronts of ['1', '2']) {
  upgrades(`goes on through an upgrade, with ${fronts} fronts`, async (context) => {
    const pid = join(context.folder, `pid-${fronts}`)
    const server = await context.serve(['--fronts', fronts, '--pid', pid])
    const { ca } = context
    const session = await openHttp2(server.url, { ca })
    assert.is((await ask(session, '/pid')).status, 200)
    const from = server.log().length
    server.signal('SIGUSR2')
    const line = await server.line(/Listening at: https.*\((\d+)\)/, from)
    const next = Number(/\((\d+)\)$/.exec(line)?.[1])
    try {
      server.signal('SIGTERM')
      await until('the old one is gone', () => !isAlive(server.pid))
      assert.is((await get(`${server.url}/pid`, { ca })).status, 200)
      session.destroy()
    } finally {
      process.kill(next, 'SIGTERM')
      await until('the new one is gone', () => !isAlive(next))
    }
  })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

upgrades.run()
