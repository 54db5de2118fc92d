import { existsSync } from 'node:fs'
import * as assert from 'uvu/assert'
import { siteSuite } from '../../plugins/workers/test/harness.ts'
import { answering, end, keepsUnixSocket, pidIn, upgrade, upgradesUnderLoad } from './upgrading.ts'

const test = siteSuite('upgrade')

upgradesUnderLoad(test, ['-w', '2'])
keepsUnixSocket(test, [])

test('a second USR2 is ignored by both, and a new server that cannot start changes nothing', async ({
  site,
}) => {
  site.write('shop.py', answering('one'))
  const server = await site.start(['--pid', 'pid'], 'shop:app')
  const next = await upgrade(site, server, /http/)
  server.signal('SIGUSR2')
  await server.line(/USR2 signal ignored. Child exists./)
  process.kill(next, 'SIGUSR2')
  await server.line(/USR2 signal ignored. Parent exists./)
  await end(next)
  await server.line(/The new server .* ended with exit code 0/)
  site.write('shop.py', 'raise ValueError("not yet")\n')
  server.signal('SIGUSR2')
  await server.line(/The new server .* ended with exit code 3; this one goes on/)
  assert.is((await server.request('/')).body, 'one')
  assert.is(pidIn(site, 'pid'), server.pid)
  assert.not(existsSync(site.file('pid.2')))
})

test('QUIT, too, leaves the service to the new one, whose application does not see the variable of an upgrade', async ({
  site,
}) => {
  site.write(
    'names.py',
    'import os\ndef app(environ, start_response):\n    start_response("200 OK", [])\n' +
      '    return [" ".join(os.environ).encode()]\n',
  )
  const server = await site.start(['--pid', 'pid'], 'names:app')
  const next = await upgrade(site, server, /http/)
  server.signal('SIGQUIT')
  await server.line(/Master has been promoted/)
  const { body } = await server.request('/')
  assert.match(body, 'TMPDIR')
  assert.not.match(body, 'WSGI_CORE_UPGRADE')
  await end(next)
})

test.run()
