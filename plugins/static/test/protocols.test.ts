import { once } from 'node:events'
import type { ClientHttp2Session } from 'node:http2'
import { text } from 'node:stream/consumers'
import * as assert from 'uvu/assert'
import { createTestServer } from '../../../testing/index.ts'
import tls from '../../tls/index.ts'
import { Authority } from '../../tls/test/authority.ts'
import { get, openHttp2 } from '../../tls/test/client.ts'
import staticFiles from '../index.ts'
import { type Context, withFolder, write } from './support.ts'

const test = withFolder('static: over HTTP/2 and TLS')
const LARGE = 'abcdefghij'.repeat(300_000)

const authority = new Authority()
const { cert: certfile, key: keyfile } = authority.issue('site')
const client = { ca: authority.read('ca.pem') }

async function serve(context: Context) {
  write(context, { 'a.txt': '0123456789', 'a.txt.gz': 'gzip', 'large.bin': LARGE })
  const files = staticFiles({ alias: ['/s/=site'], compress: false })
  const config = { chdir: context.folder }
  const server = await createTestServer({
    plugins: [files, tls({ certfile: [certfile], keyfile: [keyfile] } as never)],
    config,
  })
  context.undo.push(() => server.close())
  return server
}

async function ask(session: ClientHttp2Session, path: string, headers = {}, method = 'GET') {
  const stream = session.request({ ':path': path, ':method': method, ...headers })
  const [response] = await once(stream, 'response')
  return { status: response[':status'], headers: response, body: await text(stream) }
}

test('HTTP/2 gives the same answers, by both lanes', async (context) => {
  const server = await serve(context)
  const session = await openHttp2(server.url, client)
  context.undo.push(() => session.close())
  for (let count = 0; count < 3; count++) {
    const { status, headers, body } = await ask(session, '/s/a.txt')
    assert.equal([status, body, headers['content-length']], [200, '0123456789', '10'])
    assert.is(headers['content-type'], 'text/plain; charset=utf-8')
    const again = await ask(session, '/s/a.txt', { 'if-none-match': headers.etag })
    assert.equal([again.status, again.body], [304, ''])
  }
  assert.is((await ask(session, '/s/a.txt', { 'accept-encoding': 'gzip' })).body, 'gzip')
  const part = await ask(session, '/s/a.txt', { range: 'bytes=2-4' })
  assert.equal([part.status, part.body], [206, '234'])
  const head = await ask(session, '/s/a.txt', {}, 'HEAD')
  assert.equal([head.status, head.headers['content-length'], head.body], [200, '10', ''])
  assert.is((await ask(session, '/s/none')).status, 404)
})

test('HTTP/2 sends large files, several at once', async (context) => {
  const server = await serve(context)
  const session = await openHttp2(server.url, client)
  context.undo.push(() => session.close())
  const answers = await Promise.all([1, 2, 3].map(() => ask(session, '/s/large.bin')))
  for (const { body } of answers) assert.ok(body === LARGE)
  const part = await ask(session, '/s/large.bin', { range: 'bytes=-10' })
  assert.equal([part.status, part.body], [206, 'abcdefghij'])
})

test('TLS sends files of all sizes', async (context) => {
  const server = await serve(context)
  for (let count = 0; count < 2; count++) {
    assert.is((await get(`${server.url}/s/a.txt`, client)).body, '0123456789')
    assert.ok((await get(`${server.url}/s/large.bin`, client)).body === LARGE)
  }
})

test.after(() => authority.remove())

test.run()
