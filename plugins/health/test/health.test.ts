import * as assert from 'uvu/assert'
import { processes, siteSuite, until, workersOf } from '../../workers/test/harness.ts'

const test = siteSuite('health')
const HEALTH = ['--plugins', 'health']
const READY = '/-/ready'

test('answers that it lives and is ready, shortly and for no cache', async ({ site }) => {
  const server = await site.start(HEALTH)
  const live = await server.request('/-/live')
  assert.equal([live.status, live.body], [200, '{"status":"live"}'])
  const ready = await server.request(READY)
  assert.equal([ready.status, ready.body], [200, '{"status":"ready"}'])
  assert.is(ready.headers['cache-control'], 'no-store')
  const head = await server.request(READY, { method: 'HEAD' })
  assert.equal([head.status, head.body], [200, ''])
})

test('leaves the paths to the application without the plugin', async ({ site }) => {
  const server = await site.start([])
  assert.is((await server.request('/-/live')).status, 500) // the app of these tests knows no such action
})

test('takes other paths, and refuses what is none', async ({ site }) => {
  const paths = ['--health-live-path', '/up', '--health-ready-path', '/ok']
  const server = await site.start([...HEALTH, ...paths])
  for (const path of ['/up', '/ok']) assert.is((await server.request(path)).status, 200)
  const end = await site.run([...HEALTH, '--health-live-path', 'up', 'life:app'])
  assert.is(end.code, 2)
  assert.match(end.output, "argument --health-live-path: must be a path that begins with '/'")
})

test('is not ready while no worker is alive, and ready again after', async ({ site }) => {
  const server = await site.start(HEALTH)
  site.append('life.py', '\nwait_for("grow")\n')
  const [worker] = workersOf(server)
  process.kill(worker as number, 'SIGKILL')
  const status = async () => (await server.request(READY)).status
  await until('it is not ready', async () => (await status()) === 503)
  assert.is((await server.request('/-/live')).status, 200)
  const { body } = await server.request(READY)
  assert.is(body, '{"status":"not ready","reason":"no worker is alive"}')
  site.write('grow')
  await until('it is ready', async () => (await status()) === 200)
  assert.ok(processes(server).length > 1)
})

test('is not ready for --shutdown-delay after TERM, and serves meanwhile', async ({ site }) => {
  const server = await site.start([...HEALTH, '--shutdown-delay', '600'])
  server.signal('SIGTERM')
  await server.line(/Accepting requests for 600 more seconds/)
  const ready = await server.request(READY)
  assert.equal([ready.status, JSON.parse(ready.body).reason], [503, 'stopping'])
  assert.is((await server.request('/-/live')).status, 200)
  assert.is((await server.request('/pid')).status, 200)
  server.signal('SIGTERM') // a second one does not wait
  assert.is((await server.ended).code, 0)
})

test('stops by itself when the delay is over', async ({ site }) => {
  const server = await site.start([...HEALTH, '--shutdown-delay', '0.2'])
  server.signal('SIGTERM')
  assert.is((await server.ended).code, 0)
})

test('has no lines in the access log, unless they are wished for', async ({ site }) => {
  const server = await site.start([...HEALTH, '--access-logfile', '-'])
  await server.request(READY)
  await server.request('/pid')
  assert.not.match(await server.line(/" 200 /), READY)
  const loud = await site.start([...HEALTH, '--access-logfile', '-', '--health-access-log'])
  await loud.request(READY)
  await loud.line(/"GET \/-\/ready HTTP\/1\.1" 200 18/)
})

test.run()
