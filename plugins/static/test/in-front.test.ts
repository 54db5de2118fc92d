import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { createTestServer } from '../../../testing/index.ts'
import wsgi from '../../wsgi/index.ts'
import staticFiles from '../index.ts'
import { type Context, withFolder, write } from './support.ts'

const test = withFolder('static: files that a function in this process names')

type StartResponse = (status: string, headers: [string, string][]) => unknown

async function* late(startResponse: StartResponse) {
  startResponse('200 OK', [['X-Accel-Redirect', '/internal/large.bin']])
  yield Buffer.from('not wanted')
  throw new Error('after the head')
}

function app(environ: Record<string, unknown>, startResponse: StartResponse) {
  const path = String(environ.PATH_INFO)
  if (path === '/late') return late(startResponse)
  const names = path === '/plain' ? [] : [['X-Accel-Redirect', `/internal${path}`]]
  startResponse('200 OK', [['Content-Type', 'text/csv'], ...names] as [string, string][])
  return [Buffer.from('plain')]
}

async function serve(context: Context, config: object = {}) {
  write(context, { 'a.txt': '0123456789', 'large.bin': 'abcdefghij'.repeat(200_000) })
  const locations = [{ path: '/internal/', alias: 'site', internal: true }]
  const plugins = [staticFiles({ locations }), wsgi(app as never)]
  const server = await createTestServer({ plugins, config: { chdir: context.folder, ...config } })
  context.undo.push(() => server.close())
  return server
}

test('go out in place of its answer, with its fields', async (context) => {
  const server = await serve(context)
  const { status, headers, body } = await server.request('/a.txt')
  assert.equal([status, body, headers['content-type']], [200, '0123456789', 'text/csv'])
  assert.is((await server.request('/a.txt', { headers: { Range: 'bytes=2-4' } })).body, '234')
  assert.is((await server.request('/none')).status, 404)
  assert.is((await server.request('/plain')).body, 'plain')
  assert.is((await server.request('/internal/a.txt')).status, 404)
})

test('are whole whatever becomes of the answer', async (context) => {
  const server = await serve(context)
  const { status, body } = await server.request('/late')
  assert.equal([status, body.length], [200, 2_000_000])
  assert.is((await server.request('/plain')).body, 'plain')
})

for (const order of ['before', 'after']) {
  test(`are served whether the plugin is named ${order} the application or not`, async (context) => {
    write(context, { 'a.txt': '0123456789' })
    const plugins = [staticFiles({ alias: { '/files/': 'site' } }), wsgi(app as never)]
    if (order === 'after') plugins.reverse()
    const server = await createTestServer({ plugins, config: { chdir: context.folder } })
    context.undo.push(() => server.close())
    assert.is((await server.request('/files/a.txt')).body, '0123456789')
    assert.is((await server.request('/plain')).body, 'plain')
  })
}

test('leave methods and paths that no router knows to the log as they came', async (context) => {
  const accessLogfile = join(context.folder, 'access.log')
  const server = await serve(context, {
    accessLogfile,
    accessLogformat: '%(m)s %(U)s %(q)s: %(r)s',
  })
  for (const target of ['FROB /internal/a.txt', 'GET /internal/100%?%', 'GET /plain?100%'])
    await server.raw(`${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
  await server.close()
  assert.equal(readFileSync(accessLogfile, 'latin1').trim().split('\n'), [
    'FROB /internal/a.txt : FROB /internal/a.txt HTTP/1.1',
    'GET /internal/100% %: GET /internal/100%?% HTTP/1.1',
    'GET /plain 100%: GET /plain?100% HTTP/1.1',
  ])
})

test.run()
