import * as assert from 'uvu/assert'
import { createServer } from '../../../../core/index.ts'
import { seePids, siteSuite, spawnerOf } from '../harness.ts'
import { frontsOf, seeServing, TELL_FRONT } from './support.ts'

const test = siteSuite('several fronts')

test('serve at the same addresses, for the same workers, and stop as one', async ({ site }) => {
  const socket = `unix:${site.file('s.sock')}`
  const server = await site.start(['--fronts', '2', '-b', socket, '-w', '2', ...TELL_FRONT])
  const fronts = frontsOf(server)
  assert.is(fronts.length, 2)
  await seeServing(server, fronts)
  assert.is((await seePids(server, 2)).size, 2)
  await spawnerOf(server) // one for all
  assert.is(server.log().match(/Listening at: /g)?.length, 2)
  server.signal('SIGTERM')
  assert.is((await server.ended).code, 0)
  assert.is(server.log().match(/Shutting down: Master/g)?.length, 1)
})

test('are refused where they cannot be', async () => {
  const server = createServer({ bind: ['127.0.0.1:0'], errorLogfile: '/dev/null', fronts: 2 })
  const error = await server.listen().catch((reason) => reason)
  assert.is(error.code, 'WSGI_CORE_FRONTS_NOT_HERE')
})

test('are bounded', async ({ site }) => {
  const { code, output } = await site.run(['--fronts', '65', 'life:app'])
  assert.is(code, 2)
  assert.match(output, /'fronts': must be 64 or less/)
})

test.run()
