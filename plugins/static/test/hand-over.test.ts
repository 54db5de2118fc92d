import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type ServerProcess, startServer } from '../../../test/helpers/server-process.ts'

const APPS = fileURLToPath(new URL('apps', import.meta.url))
const LARGE = 'abcdefghij'.repeat(300_000)

interface Context {
  server: ServerProcess
  folder: string
}

const test = suite<Context>('static: files that an application names')

test.before(async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'wsgi-core-handing-'))
  mkdirSync(join(folder, 'public'))
  const files = {
    'a.txt': '0123456789',
    'large.bin': LARGE,
    'ünï code.txt': 'snow',
    '404.html': 'gone',
  }
  for (const place of ['internal', 'allowed', 'outside']) {
    mkdirSync(join(folder, place))
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, place, name), text)
  }
  const config = {
    plugins: ['static'],
    static: {
      xSendfile: [join(folder, 'allowed')],
      root: { '/': join(folder, 'public') },
      locations: [
        {
          path: '/internal/',
          alias: join(folder, 'internal'),
          internal: true,
          expires: '1d',
          errorPages: { 404: '/internal/404.html' },
        },
      ],
    },
  }
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  const args = ['--config', join(folder, 'config.json'), '--access-logfile', '-', 'handing:app']
  const server = await startServer(args, { cwd: APPS, env: { TEST_FOLDER: folder } })
  Object.assign(context, { server, folder })
})
test.after(async ({ server, folder }) => {
  await server?.stop()
  rmSync(folder, { recursive: true })
})

test('X-Accel-Redirect: the file, with the fields of the application', async ({ server }) => {
  const { status, body, headers } = await server.request('/accel/a.txt')
  assert.equal([status, body], [200, '0123456789'])
  assert.equal(headers['set-cookie'], ['a=1', 'b=2'])
  assert.is(headers['content-type'], 'text/plain; charset=utf-8') // an empty one says nothing
  assert.is(headers['content-length'], '10')
  assert.is(headers['cache-control'], 'private')
  assert.is.not(headers.etag, '"of the app"')
  assert.equal(
    Object.keys(headers).filter((name) => name.startsWith('x-')),
    [],
  )
  await server.line(/"GET \/accel\/a\.txt HTTP\/1\.1" 200 10/)
})

test("the application's type and disposition count, in parts of a range too", async ({
  server,
}) => {
  const { headers } = await server.request('/typed/a.txt')
  assert.is(headers['content-type'], 'text/csv')
  assert.is(headers['content-disposition'], 'attachment; filename=report.csv')
  const parts = await server.request('/typed/a.txt', { headers: { Range: 'bytes=0-0,9-9' } })
  assert.is(parts.status, 206)
  assert.match(parts.body, 'Content-Type: text/csv\r\nContent-Range: bytes 9-9/10')
  assert.match(parts.headers['content-type'] as string, /^multipart\/byteranges/)
})

test('with all that files have: ranges, conditions, HEAD', async ({ server }) => {
  const { headers } = await server.request('/accel/a.txt')
  const ask = (headers: Record<string, string>, method = 'GET') =>
    server.request('/accel/a.txt', { method, headers })
  assert.is((await ask({ Range: 'bytes=2-4' })).body, '234')
  assert.is((await ask({ Range: 'bytes=20-' })).status, 416)
  assert.is((await ask({ 'If-None-Match': headers.etag as string })).status, 304)
  assert.is((await ask({ 'If-Match': '"x"' })).status, 412)
  const head = await ask({}, 'HEAD')
  assert.equal([head.status, head.headers['content-length'], head.body], [200, '10', ''])
  const post = await server.request('/accel/a.txt', { method: 'POST', body: 'x' })
  assert.equal([post.status, post.body], [200, '0123456789'])
})

test('large files, and names of all kinds', async ({ server }) => {
  assert.ok((await server.request('/accel/large.bin')).body === LARGE)
  const name = encodeURIComponent('ünï code.txt')
  assert.is((await server.request(`/accel/${name}`)).body, 'snow')
  assert.is((await server.request(`/sendfile/allowed/${name}`)).body, 'snow')
})

test("what is not there is 404, with the location's page and a line in the log", async ({
  server,
}) => {
  const missing = await server.request('/accel/none')
  assert.equal([missing.status, missing.body], [404, 'gone'])
  await server.line(/the application names a file that is not to be had .*none/)
  for (const path of [
    '/to/internal/../outside/a.txt',
    '/to/elsewhere/a.txt',
    '/to/internal/%2e%2e/outside/a.txt',
  ]) {
    assert.is((await server.request(path)).status, 404, path)
  }
})

test('an internal location is not reached from outside', async ({ server }) => {
  for (const path of ['/internal/a.txt', '/internal/', '//internal/a.txt', '/internal/none']) {
    assert.is((await server.request(path)).status, 404, path)
  }
})

test('what was sent to whom it may concern is sent to nobody else', async ({ server }) => {
  assert.is((await server.request('/sendfile/allowed/a.txt')).body, '0123456789')
  assert.is((await server.request('/a.txt')).status, 500) // the application has no such function
})

test('X-Sendfile is for the folders that are allowed', async ({ server }) => {
  assert.is((await server.request('/sendfile/allowed/a.txt')).body, '0123456789')
  for (const path of [
    '/sendfile/outside/a.txt',
    '/sendfile/allowed/../outside/a.txt',
    '/sendfile//etc/passwd',
    '/sendfile/allowed',
  ]) {
    const { status, body } = await server.request(path)
    assert.equal([status, body.includes('0123456789')], [404, false], path)
  }
})

test("a body that the application gives, and an error after it, are nobody's", async ({
  server,
}) => {
  for (const kind of ['streamed', 'late', 'wrapped_accel']) {
    const { status, body } = await server.request(`/${kind}/a.txt`)
    assert.equal([status, body], [200, '0123456789'], kind)
  }
  assert.is((await server.request('/plain/x')).body, 'plain') // the worker goes on
})

test('wsgi.file_wrapper is sent the same way', async ({ server }) => {
  assert.ok((await server.request('/wrapped/outside/large.bin')).body === LARGE)
})

test('a client that leaves in the middle leaves no file open', async ({ server }) => {
  const before = server.descriptors()
  const connection = await server.connect()
  connection.send('GET /accel/large.bin HTTP/1.1\r\nHost: test\r\n\r\n')
  await connection.receive(/\r\n\r\n/)
  connection.destroy()
  for (let turn = 0; server.descriptors() > before; turn++) {
    assert.ok(turn < 3000)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
})

test.run()
