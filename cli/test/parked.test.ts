import * as assert from 'uvu/assert'
import { siteSuite } from '../../plugins/workers/test/harness.ts'
import { answering } from './upgrading.ts'

const test = siteSuite('a server whose workers WINCH has sent away')

for (const args of [[], ['--fronts', '2']]) {
  test(`WINCH leaves a Unix socket where it is, and HUP serves at it again ${args}`, async ({
    site,
  }) => {
    const bind = `unix:${site.file('sock')}`
    const server = await site.start(args, 'life:app', { bind })
    server.signal('SIGWINCH')
    await server.line(/No workers any more/)
    const reply = server.request('/pid')
    server.signal('SIGHUP')
    assert.is((await reply).status, 200)
  })
}

test('TTIN brings back the workers that WINCH has sent away; what came meanwhile is answered', async ({
  site,
}) => {
  const server = await site.start(['-w', '1'])
  server.signal('SIGWINCH')
  await server.line(/No workers any more/)
  const reply = server.request('/pid')
  const from = server.log().length
  server.signal('SIGTTIN')
  await server.line(/Listening at/, from)
  assert.is((await reply).status, 200)
})

for (const args of [[], ['--fronts', '2']]) {
  test(`a reload that fails while the workers are away changes nothing, and the next one brings them back ${args}`, async ({
    site,
  }) => {
    site.write('shop.py', answering('one'))
    const server = await site.start(args, 'shop:app')
    server.signal('SIGWINCH')
    await server.line(/No workers any more/)
    site.write('shop.py', 'raise ValueError("not yet")\n')
    server.signal('SIGHUP')
    await server.line(/the reload failed/)
    const reply = server.request('/')
    site.write('shop.py', answering('two'))
    server.signal('SIGHUP')
    assert.is((await reply).body, 'two')
  })
}

test('TERM ends a server whose workers are away', async ({ site }) => {
  const server = await site.start(['-w', '1'])
  server.signal('SIGWINCH')
  await server.line(/No workers any more/)
  server.signal('SIGTERM')
  assert.is((await server.ended).code, 0)
})

test.run()
