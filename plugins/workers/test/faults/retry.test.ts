import { readdirSync } from 'node:fs'
import * as assert from 'uvu/assert'
import { siteSuite } from '../harness.ts'

const test = siteSuite('--retry-safe')

const AGAIN = /a request whose worker died is given to another/g

/** Ends its worker the first time that it is asked. */
const ONCE = `
import os, time
from life import app as life, note, answer

def app(environ, start_response):
    what = environ["PATH_INFO"]
    if what.startswith("/part"):
        return life(environ, start_response)
    if what == "/hints":
        environ["wsgi.early_hints"]([("Link", "</style.css>; rel=preload")])
    size = len(environ["wsgi.input"].read()) if what == "/read" else int(environ.get("CONTENT_LENGTH") or 0)
    if not os.path.exists("died"):
        note("dies")
        open("died", "w").close()
        os._exit(9)
    return answer(start_response, f"{environ['REQUEST_METHOD']} {size}")
`

test('gives a safe request to another worker, with its body where that is still here', async ({
  site,
}) => {
  site.write('once.py', ONCE)
  const server = await site.start(['-w', '2', '--retry-safe'], 'once:app')
  for (const method of ['GET', 'HEAD', 'OPTIONS']) {
    const reply = await server.request('/', { method })
    assert.is(reply.status, 200)
    if (method !== 'HEAD') assert.is(reply.body, `${method} 0`)
    site.remove('died')
  }
  for (const size of [10, 5000, 100_000]) {
    const headers = { 'Content-Length': size }
    const reply = await server.request('/read', { headers, body: 'x'.repeat(size) })
    const isGone = size > 65_536 // in a file, which a worker takes away when it opens it
    assert.is(reply.status, isGone ? 502 : 200)
    if (!isGone) assert.is(reply.body, `GET ${size}`)
    site.remove('died')
  }
  assert.is(server.log().match(AGAIN)?.length, 5)
  assert.equal(
    server.runtimeFiles().filter((name) => /^(body|spool)/.test(name)),
    [],
  )
})

test('does not repeat what may not be repeated, nor what was seen', async ({ site }) => {
  site.write('once.py', ONCE)
  const server = await site.start(['-w', '2', '--retry-safe'], 'once:app')
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
    assert.is((await server.request('/', { method })).status, 502)
    site.remove('died')
  }
  assert.is((await server.request('/hints')).status, 502)
  const connection = await server.connect()
  connection.send('GET /part/exit HTTP/1.1\r\nHost: a\r\n\r\n')
  await connection.receive(/the first part\n/)
  site.write('more')
  assert.is(await connection.rest(), '\r\n')
  assert.not.match(server.log(), AGAIN)
})

test('repeats a request once: what kills its workers does not kill them all', async ({ site }) => {
  const server = await site.start(['-w', '4', '--retry-safe'])
  assert.is((await server.request('/exit/9')).status, 502)
  assert.is(site.notes.length, 2)
  await server.line(/a request failed with its worker/)
  assert.is(server.log().match(AGAIN)?.length, 1)
})

test('is off unless it is asked for', async ({ site }) => {
  site.write('once.py', ONCE)
  const server = await site.start(['-w', '2'], 'once:app')
  assert.is((await server.request('/')).status, 502)
  assert.equal(readdirSync(site.folder).includes('died'), true)
})

test.run()
