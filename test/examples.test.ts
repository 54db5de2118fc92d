// The applications of examples/, through the real command line, as their READMEs promise.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Reply, type ServerProcess, startServer } from './helpers/server-process.ts'

const folderOf = (name: string) => fileURLToPath(new URL(`../examples/${name}`, import.meta.url))
/** A Python with Flask and Django; `npm test` makes it. */
const python = process.env.WSGI_CORE_TEST_PYTHON

interface Context {
  server: ServerProcess
  /** For what the application writes. */
  data: string
}

type SendOptions = Parameters<ServerProcess['request']>[1]

/** Sends and keeps cookies, as a browser does. */
class Browser {
  readonly server: ServerProcess
  readonly cookies = new Map<string, string>()

  constructor(server: ServerProcess) {
    this.server = server
  }

  async request(path: string, options: SendOptions = {}): Promise<Reply> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const headers = { ...options.headers, ...(cookie && { Cookie: cookie }) }
    const reply = await this.server.request(path, { ...options, headers })
    for (const line of reply.headers['set-cookie'] ?? []) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      this.cookies.set(name, value)
    }
    return reply
  }

  post(path: string, fields: Record<string, string>): Promise<Reply> {
    return this.request(path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(fields).toString(),
    })
  }
}

const sha256 = (bytes: string | Buffer) => createHash('sha256').update(bytes).digest('hex')

/** A suite over one server; all of it is skipped where it needs a Python that is not there. */
function exampleSuite(
  name: string,
  start: (data: string) => Promise<ServerProcess>,
  { isSkipped = false } = {},
) {
  const test = suite<Context>(name)
  if (isSkipped) return Object.assign((title: string) => test.skip(title), test)
  test.before(async (context) => {
    context.data = mkdtempSync(join(tmpdir(), 'wsgi-core-example-'))
    context.server = await start(context.data)
  })
  test.after(async ({ server, data }) => {
    await server?.stop()
    rmSync(data, { recursive: true, force: true })
  })
  return test
}

const hello = exampleSuite('examples/hello', () =>
  startServer(['hello:app'], { cwd: folderOf('hello') }),
)

for (const [method, path] of [
  ['GET', '/'],
  ['GET', '/any/where?x=1'],
  ['POST', '/'],
  ['DELETE', '/x'],
] as const) {
  hello(`answers ${method} ${path} with its greeting`, async ({ server }) => {
    const { status, headers, body } = await server.request(path, { method })
    assert.is(status, 200)
    assert.is(headers['content-type'], 'text/plain')
    assert.is(headers['content-length'], '14')
    assert.is(body, 'Hello, world!\n')
  })
}

hello.run()

const flask = exampleSuite(
  'examples/flask',
  (data) =>
    startServer(['-w', '2', '--python', python as string, 'shop:app'], {
      cwd: folderOf('flask'),
      env: { SHOP_DATA: data, SHOP_SECRET_KEY: 'of the tests' },
    }),
  { isSkipped: !python },
)

flask('renders its pages', async ({ server }) => {
  const { status, headers, body } = await server.request('/')
  assert.is(status, 200)
  assert.is(headers['content-type'], 'text/html; charset=utf-8')
  for (const name of ['Espresso cups', 'Moka pot', 'Tea strainer', 'Sugar bowl'])
    assert.match(body, name)
  assert.match((await server.request('/items/2')).body, '<h1>Moka pot</h1>')
})

flask('routes a path that is not ASCII', async ({ server }) => {
  const { status, body } = await server.request('/tags/caf%C3%A9')
  assert.is(status, 200)
  assert.match(body, 'Tagged café')
  assert.match(body, 'Moka pot')
  assert.not.match(body, 'Sugar bowl')
})

flask('redirects', async ({ server }) => {
  const { status, headers } = await server.request('/item/1')
  assert.is(status, 301)
  assert.is(headers.location, '/items/1')
})

flask('keeps a session in a signed cookie, from login to logout', async ({ server }) => {
  const browser = new Browser(server)
  assert.is((await browser.post('/items/1/order', {})).status, 403)
  const login = await browser.post('/login', { name: 'Zoë' })
  assert.is(login.status, 303)
  assert.is(login.headers.location, '/')
  assert.match(login.headers['set-cookie']?.[0] as string, /^session=.+; HttpOnly; .*SameSite=Lax/)
  for (const visits of [1, 2, 3]) {
    const { body } = await browser.request('/visits')
    assert.equal(JSON.parse(body), { user: 'Zoë', visits })
  }
  assert.is((await browser.post('/items/1/order', {})).status, 303)
  assert.match((await browser.request('/')).body, /Order \d+ is on its way\./)
  await browser.post('/logout', {})
  assert.equal(JSON.parse((await browser.request('/visits')).body), { user: null, visits: 1 })
})

flask('refuses a session cookie that was changed', async ({ server }) => {
  const browser = new Browser(server)
  await browser.post('/login', { name: 'Zoë' })
  browser.cookies.set('session', `${browser.cookies.get('session')}x`)
  assert.equal(JSON.parse((await browser.request('/visits')).body).user, null)
})

for (const size of [0, 1, 5000, 300_000, 3_000_000]) {
  flask(`takes a multipart upload of ${size} bytes`, async ({ server }) => {
    const file = Buffer.alloc(size, 'an upload\r\n--almost\r\n')
    const form = new FormData()
    form.set('note', 'größer')
    form.set('file', new Blob([file], { type: 'image/png' }), 'a b.png')
    const request = new Request('http://test/', { method: 'POST', body: form })
    const { status, body } = await server.request('/upload', {
      method: 'POST',
      headers: { 'Content-Type': request.headers.get('content-type') as string },
      body: Buffer.from(await request.arrayBuffer()),
    })
    assert.is(status, 201)
    assert.equal(JSON.parse(body), {
      name: 'a b.png',
      type: 'image/png',
      note: 'größer',
      size,
      sha256: sha256(file),
    })
  })
}

for (const headers of [{}, { 'Transfer-Encoding': 'chunked' }]) {
  flask(`takes a plain body ${Object.values(headers).join('')}`, async ({ server }) => {
    const sent = Buffer.alloc(1_500_000, 'plain')
    const { body } = await server.request('/digest', { method: 'PUT', headers, body: sent })
    assert.equal(JSON.parse(body), { size: sent.length, sha256: sha256(sent) })
  })
}

flask('refuses an upload past its own limit', async ({ server }) => {
  const body = Buffer.alloc(64 * 1024 * 1024 + 1)
  assert.is((await server.request('/digest', { method: 'PUT', body })).status, 413)
})

const CATALOGUE = readFileSync(join(folderOf('flask'), 'catalogue.csv'))

flask('sends a file, its ranges, and nothing where the client has it', async ({ server }) => {
  const whole = await server.request('/catalogue.csv')
  assert.is(whole.status, 200)
  assert.ok(whole.bytes.equals(CATALOGUE))
  assert.is(whole.headers['content-type'], 'text/csv; charset=utf-8')
  assert.is(whole.headers['content-disposition'], 'attachment; filename=catalogue.csv')
  assert.is(whole.headers['content-length'], String(CATALOGUE.length))

  const etag = whole.headers.etag as string
  const known = await server.request('/catalogue.csv', { headers: { 'If-None-Match': etag } })
  assert.is(known.status, 304)
  assert.is(known.bytes.length, 0)
  assert.is(known.headers.etag, etag)

  const part = await server.request('/catalogue.csv', { headers: { Range: 'bytes=3-12' } })
  assert.is(part.status, 206)
  assert.is(part.headers['content-range'], `bytes 3-12/${CATALOGUE.length}`)
  assert.ok(part.bytes.equals(CATALOGUE.subarray(3, 13)))

  const last = await server.request('/catalogue.csv', { headers: { Range: 'bytes=-5' } })
  assert.is(last.status, 206)
  assert.ok(last.bytes.equals(CATALOGUE.subarray(-5)))

  const outside = await server.request('/catalogue.csv', { headers: { Range: 'bytes=9999-' } })
  assert.is(outside.status, 416)
  assert.is(outside.headers['content-range'], `bytes */${CATALOGUE.length}`)

  const head = await server.request('/catalogue.csv', { method: 'HEAD' })
  assert.is(head.headers['content-length'], String(CATALOGUE.length))
  assert.is(head.bytes.length, 0)
})

flask('streams a line at a time', async ({ server }) => {
  const connection = await server.connect()
  connection.send('GET /stream?n=3&gate=lines HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n')
  for (const number of [1, 2, 3]) {
    await connection.receive(new RegExp(`line ${number}\n`))
    if (number < 3) {
      const { status, headers } = await server.request('/gates/lines', { method: 'POST' })
      assert.is(status, 204)
      assert.is(headers['content-type'], undefined)
    }
  }
  assert.match(await connection.rest(), /^\r\n0\r\n\r\n$/)
  await server.line(/stream closed after 3 of 3 lines/)
})

flask('ends a stream whose client has left', async ({ server }) => {
  const connection = await server.connect()
  connection.send('GET /stream?n=9&gate=left HTTP/1.1\r\nHost: test\r\n\r\n')
  await connection.receive(/line 1\n/)
  connection.destroy()
  for (let round = 0; round < 3; round++) await server.request('/gates/left', { method: 'POST' })
  await server.line(/stream closed after [123] of 9 lines/)
})

flask('sends an order as an event to who listens', async ({ server }) => {
  const listener = await server.connect()
  listener.send('GET /events?limit=1 HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n')
  const head = await listener.receive(/: connected\n\n/)
  assert.match(head, /content-type: text\/event-stream/i)
  const order = await server.request('/api/orders', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: '{"item": 2, "quantity": 1}',
  })
  assert.is(order.status, 201)
  const { id } = JSON.parse(order.body)
  assert.is(order.headers.location, `/api/orders/${id}`)
  const data = `{"id": ${id}, "item": 2, "quantity": 1}`
  assert.match(await listener.rest(), `id: ${id}\nevent: order\ndata: ${data}\n\n`)
})

flask('speaks JSON, in errors too', async ({ server }) => {
  const items = await server.request('/api/items')
  assert.is(items.headers['content-type'], 'application/json')
  assert.is(JSON.parse(items.body).length, 4)
  assert.is(JSON.parse((await server.request('/api/items/3')).body).name, 'Tea strainer')
  const post = (body: string, type = 'application/json') =>
    server.request('/api/orders', { method: 'POST', headers: { 'Content-Type': type }, body })
  for (const [reply, status] of [
    [await server.request('/api/items/99'), 404],
    [await server.request('/api/items', { method: 'POST' }), 405],
    [await post('{"item": 99}'), 400],
    [await post('{not json'), 400],
    [await post('item=1', 'text/plain'), 415],
  ] as const) {
    assert.is(reply.status, status)
    assert.is(reply.headers['content-type'], 'application/json')
    assert.type(JSON.parse(reply.body).error, 'string')
  }
})

flask('adds, finds and removes an order', async ({ server }) => {
  const body = '{"item": 1, "quantity": 100}'
  const headers = { 'Content-Type': 'application/json' }
  const added = await server.request('/api/orders', { method: 'POST', headers, body })
  const path = added.headers.location as string
  assert.is(JSON.parse((await server.request(path)).body).quantity, 100)
  const removed = await server.request(path, { method: 'DELETE' })
  assert.is(removed.status, 204)
  assert.is(removed.headers['content-length'], undefined)
  assert.is((await server.request(path)).status, 404)
})

for (const [path, status, title] of [
  ['/nothing', 404, '404 Not Found'],
  ['/crash', 500, '500 Internal Server Error'],
  ['/stream?n=0', 400, '400 Bad Request'],
] as const) {
  flask(`has a page of its own for ${path}`, async ({ server }) => {
    const reply = await server.request(path)
    assert.is(reply.status, status)
    assert.match(reply.body, `<h1>${title}</h1>`)
    assert.match(reply.body, '<nav>')
  })
}

flask('logs the traceback of a crash', async ({ server }) => {
  await server.request('/crash')
  await server.line(/RuntimeError: this route always fails/)
})

flask('breaks off a stream that fails midway', async ({ server }) => {
  const raw = await server.raw('GET /crash/midway HTTP/1.1\r\nHost: test\r\n\r\n')
  assert.match(raw, /^HTTP\/1\.1 200 OK\r\n/)
  assert.match(raw, /\r\n7\r\nline 1\n\r\n$/)
  await server.line(/this stream always fails after its first line/)
})

flask('shows the environ as it came', async ({ server }) => {
  const { body } = await server.request('/environ/caf%C3%A9/x?a=%20b', {
    method: 'PATCH',
    headers: { 'X-Many': ['1', '2'], Cookie: 'a=1', 'Content-Type': 'a/b' },
    body: 'xyz',
  })
  const seen = JSON.parse(body)
  assert.is(seen.REQUEST_METHOD, 'PATCH')
  assert.is(seen.PATH_INFO, '/environ/cafÃ©/x')
  assert.is(seen.QUERY_STRING, 'a=%20b')
  assert.is(seen.HTTP_X_MANY, '1,2')
  assert.is(seen.CONTENT_LENGTH, '3')
  assert.is(seen.CONTENT_TYPE, 'a/b')
  assert.is(seen['wsgi.multiprocess'], true)
  assert.is(seen['wsgi.multithread'], false)
  assert.not.ok('HTTP_COOKIE' in seen)
})

flask.run()

async function startDjango(data: string): Promise<ServerProcess> {
  const cwd = folderOf('django')
  const env = {
    DJANGO_DATABASE: join(data, 'db.sqlite3'),
    DJANGO_SUPERUSER_PASSWORD: 'correct horse battery',
  }
  for (const args of [
    ['migrate', '--verbosity', '0'],
    ['createsuperuser', '--noinput', '--username', 'ada', '--email', 'ada@test.invalid'],
  ])
    execFileSync(python as string, ['manage.py', ...args], {
      cwd,
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1', ...env },
      stdio: 'pipe',
    })
  const args = ['-w', '2', '--python', python as string, 'bookshelf.wsgi:application']
  return startServer(args, { cwd, env })
}

const django = exampleSuite('examples/django', startDjango, { isSkipped: !python })

const LOCAL = { Host: 'localhost' }
const tokenIn = (page: string) =>
  /name="csrfmiddlewaretoken" value="([^"]+)"/.exec(page)?.[1] as string

django('shows its books, and takes one by a form with a CSRF token', async ({ server }) => {
  const browser = new Browser(server)
  const shelf = await browser.request('/')
  assert.is(shelf.status, 200)
  assert.match(shelf.body, 'None yet.')
  const fields = { title: 'Émile & co', author: 'J. J.', csrfmiddlewaretoken: tokenIn(shelf.body) }
  const added = await browser.post('/', fields)
  assert.is(added.status, 302)
  assert.is(added.headers.location, '/books/1/')
  const book = await browser.request('/books/1/')
  assert.match(book.body, '<h1>Émile &amp; co</h1>')
  assert.match(book.body, 'Added Émile &amp; co by J. J.')
})

django('refuses a form without its token, and a form that is not filled in', async ({ server }) => {
  const browser = new Browser(server)
  const { body } = await browser.request('/')
  assert.is((await browser.post('/', { title: 'T', author: 'A' })).status, 403)
  const empty = await browser.post('/', { csrfmiddlewaretoken: tokenIn(body) })
  assert.is(empty.status, 400)
  assert.match(empty.body, 'This field is required.')
})

django('redirects to the address with a slash, and has a page for 404', async ({ server }) => {
  const { status, headers } = await server.request('/books/1', { headers: LOCAL })
  assert.is(status, 301)
  assert.is(headers.location, '/books/1/')
  const missing = await server.request('/books/999/')
  assert.is(missing.status, 404)
  assert.match(missing.body, 'There is nothing at /books/999/.')
})

django('refuses a method that a view does not take', async ({ server }) => {
  const { status, headers } = await server.request('/books.csv', { method: 'DELETE' })
  assert.is(status, 403) // the CSRF check comes first
  assert.is(headers.allow, undefined)
  assert.is((await server.request('/books/1/', { method: 'OPTIONS' })).status, 405)
})

django('lets its admin log in, with two cookies, and shows the books there', async ({ server }) => {
  const browser = new Browser(server)
  const first = await browser.request('/admin/')
  assert.is(first.status, 302)
  assert.is(first.headers.location, '/admin/login/?next=/admin/')
  const page = await browser.request('/admin/login/?next=/admin/')
  const login = await browser.post('/admin/login/?next=/admin/', {
    csrfmiddlewaretoken: tokenIn(page.body),
    username: 'ada',
    password: 'correct horse battery',
    next: '/admin/',
  })
  assert.is(login.status, 302)
  assert.is(login.headers.location, '/admin/')
  const names = login.headers['set-cookie']?.map((line) => line.split('=')[0])
  assert.equal(names?.sort(), ['csrftoken', 'sessionid'])
  assert.match((await browser.request('/admin/books/book/')).body, 'Émile &amp; co')
})

django('streams its export', async ({ server }) => {
  const { status, headers, body } = await server.request('/books.csv')
  assert.is(status, 200)
  assert.is(headers['transfer-encoding'], 'chunked')
  assert.is(headers['content-type'], 'text/csv; charset=utf-8')
  assert.is(headers['content-disposition'], 'attachment; filename="books.csv"')
  assert.is(body, 'id,title,author\r\n1,Émile & co,J. J.\r\n')
})

django('serves static files, its own and the admin’s', async ({ server }) => {
  const style = await server.request('/static/books/style.css')
  assert.is(style.headers['content-type'], 'text/css')
  const file = join(folderOf('django'), 'books/static/books/style.css')
  assert.ok(style.bytes.equals(readFileSync(file)))
  assert.is((await server.request('/static/admin/css/base.css')).status, 200)
  for (const path of ['/static/../bookshelf/settings.py', '/static/%2e%2e/bookshelf/settings.py']) {
    const { status, body } = await server.request(path)
    assert.is(status, 400) // Django's SuspiciousFileOperation
    assert.not.match(body, 'SECRET_KEY')
  }
})

django('refuses a host that it does not know', async ({ server }) => {
  assert.is((await server.request('/', { headers: { Host: 'evil.test' } })).status, 400)
  await server.line(/Invalid HTTP_HOST header: 'evil\.test'/)
})

django.run()
