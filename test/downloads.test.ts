// examples/downloads, and Django's collected static files, through the real command line.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type ServerProcess, startServer } from './helpers/server-process.ts'

const folderOf = (name: string) => fileURLToPath(new URL(`../examples/${name}`, import.meta.url))
/** A Python with Flask and Django; `npm test` makes it. */
const python = process.env.WSGI_CORE_TEST_PYTHON
const CSV = 'order,amount\n1,19.99\n2,5.00\n'

const test = suite<{ undo: (() => unknown)[] }>('examples: files')
const check = python === undefined ? (name: string) => test.skip(name) : test

test.before.each((context) => {
  context.undo = []
})
test.after.each(async ({ undo }) => {
  for (const step of undo.reverse()) await step()
})

async function start(undo: (() => unknown)[], folder: string, args: readonly string[], env = {}) {
  const server = await startServer(['--python', python as string, ...args], {
    cwd: folderOf(folder),
    env,
  })
  undo.push(() => server.stop())
  return server
}

async function checkDownloads(server: ServerProcess): Promise<void> {
  const path = '/downloads/report.csv?member=yes'
  assert.is((await server.request('/downloads/report.csv')).status, 403)
  const { status, body, headers } = await server.request(path)
  assert.equal([status, body], [200, CSV])
  assert.match(headers['content-type'] as string, /^text\/csv/)
  assert.match(headers['content-disposition'] as string, /^attachment/)
  assert.is(headers['x-sendfile'] ?? headers['x-accel-redirect'], undefined)
  const part = await server.request(path, { headers: { Range: 'bytes=0-11' } })
  assert.equal([part.status, part.body], [206, 'order,amount'])
  const again = { headers: { 'If-None-Match': headers.etag as string } }
  assert.is((await server.request(path, again)).status, 304)
  assert.is((await server.request('/downloads/none?member=yes')).status, 404)
  assert.is((await server.request('/downloads/..%2fflask_app.py?member=yes')).status, 404)
  assert.is((await server.request('/internal/report.csv')).status, 404)
}

check("Flask's send_from_directory hands its files over", async ({ undo }) => {
  await checkDownloads(await start(undo, 'downloads', ['flask_app:app']))
})

check('a view of Django hands its files over', async ({ undo }) => {
  await checkDownloads(await start(undo, 'downloads', ['django_app:app']))
})

check("Django's collected files are served beside it, hashed ones for ever", async ({ undo }) => {
  const folder = mkdtempSync(join(tmpdir(), 'wsgi-core-collected-'))
  undo.push(() => rmSync(folder, { recursive: true }))
  const env = { DJANGO_STATIC_ROOT: folder, DJANGO_DATABASE: join(folder, 'db.sqlite3') }
  const command = ['manage.py', 'collectstatic', '--noinput', '-v', '0']
  execFileSync(python as string, command, {
    cwd: folderOf('django'),
    env: { ...process.env, ...env, PYTHONDONTWRITEBYTECODE: '1' },
  })
  const args = ['--plugins', 'static', '--static', `/static/=${folder}`, '--static-immutable']
  const server = await start(undo, 'django', [...args, 'bookshelf.wsgi'], env)
  const { status, headers } = await server.request('/static/books/style.css')
  assert.equal([status, headers['content-type']], [200, 'text/css; charset=utf-8'])
  assert.is((await server.request('/static/admin/css/base.css')).status, 200)
  assert.is((await server.request('/static/none.css')).status, 404)
})

test.run()
