// What the logs have of an application's requests, and what it prints.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { appSuite } from './app-server.ts'

const PORTABLE = ['--log-format', 'json', '-w', '1']

const failures = appSuite('record of a failed request', 'logs', [...PORTABLE, '--timeout', '1'])

/** The first entry whose text begins so; the log has other lines too, of the application. */
const entryOf = async (server: { line(pattern: RegExp): Promise<string> }, text: string) =>
  JSON.parse(await server.line(new RegExp(`"msg":"${text}`)))

failures('has the request, the worker and the traceback in one', async ({ server }) => {
  const worker = Number((await server.request('/')).body)
  assert.is((await server.request('/fail?a=%20b')).status, 500)
  const entry = await entryOf(server, 'Error handling request')
  assert.is(entry.level, 'error')
  assert.is(entry.msg, 'Error handling request /fail')
  assert.equal([entry.method, entry.url, entry.worker], ['GET', '/fail?a=%20b', worker])
  assert.type(entry.request, 'number')
  assert.match(entry.traceback, /^Traceback .*\n {2}File ".*logs\.py", line \d+, in application\n/)
  assert.match(entry.traceback, /\nRuntimeError: the reason\nin two lines\n$/)
})

failures('names what a worker executed when it died', async ({ server }) => {
  const worker = Number((await server.request('/')).body)
  assert.is((await server.request('/die?a')).status, 502)
  const { level, method, url, request, ...entry } = await entryOf(
    server,
    'a request failed with its worker',
  )
  assert.equal([level, method, url, entry.worker], ['error', 'GET', '/die?a', worker])
  assert.type(request, 'number')
})

failures('names what took too long', async ({ server }) => {
  assert.is((await server.request('/sleep?a')).status, 504)
  const { level, method, url, seconds } = await entryOf(server, 'WORKER TIMEOUT')
  assert.equal([level, method, url, seconds], ['critical', 'GET', '/sleep?a', 1])
})
failures.run()

const capture = appSuite('what the application prints', 'logs', ['--capture-output'])

capture('is in the error log by lines, with the pid of the worker', async ({ server }) => {
  const pid = (await server.request('/print')).body
  await server.request('/print') // ends the line that has no end
  const head = '^\\[[\\d: +-]+\\] \\[\\d+\\] \\[INFO\\] '
  const tail = ` .*worker=${pid}$`
  await server.line(new RegExp(`${head}printed while it is loaded${tail}`))
  for (const text of ['by print, größe', 'by stderr', 'by wsgi\\.errors', 'by a child']) {
    await server.line(new RegExp(`${head}${text}${tail}`))
  }
  await server.line(new RegExp(`${head}by the descriptor, and \\\\x1b\\[31m${tail}`))
  await server.line(new RegExp(`${head}x{8192} \\.\\.\\. \\[shortened\\]${tail}`))
  const forged = `\\[2026-01-01 00:00:00 \\+0000\\] \\[1\\] \\[INFO\\] forged`
  await server.line(new RegExp(`${head}${forged}by print, größe${tail}`))
})
capture.run()

const json = appSuite('what the application prints, as JSON', 'logs', [
  ...PORTABLE,
  '--capture-output',
  '--preload',
])

json(
  'has a record for each line, from the spawner too, and none is lost at the end',
  async ({ server }) => {
    const worker = Number((await server.request('/print')).body)
    const { worker: spawner } = await entryOf(server, 'printed while it is loaded')
    assert.type(spawner, 'number')
    assert.is.not(spawner, worker)
    assert.is((await entryOf(server, 'by a child')).worker, worker)
    await server.stop()
    assert.is((await entryOf(server, '\\[2026-01-01 .* forged')).worker, worker)
  },
)
json.run()

const folder = mkdtempSync(join(tmpdir(), 'wsgi-core-access-'))
const file = join(folder, 'access.log')
const ATOMS = '%({X-A}i)s|%({Content-Type}o)s|%({REMOTE_PORT}e)s|%({wsgi.url_scheme}e)s|%({NONE}e)s'
const FORMAT = `%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"|%(m)s|%(U)s|%(q)s|${ATOMS}`

const access = appSuite('access log of an application', 'logs', [
  ...['--access-logfile', file, '--access-logformat', FORMAT],
])
access.after(() => rmSync(folder, { recursive: true }))

access('has one line for each request, whatever is in it', async ({ server }) => {
  const headers = { Referer: 'http://ref/', 'User-Agent': 'UA "x', 'X-A': 'a"\\b\u00e9' }
  const { body } = await server.request('/a?b=1', { headers })
  const raw = await server.raw(
    'GET /%22%0d%0a127.0.0.1?%22 HTTP/1.1\r\nHost: a\r\nUser-Agent: \t"\u0085\\\r\nConnection: close\r\n\r\n',
  )
  assert.match(raw, /^HTTP\/1\.1 200 /)
  await server.stop()
  const [first, second, ...others] = readFileSync(file, 'latin1').trimEnd().split('\n')
  assert.equal(others, [])
  const time = String.raw`\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]`
  const golden = String.raw`^127\.0\.0\.1 - - ${time} "GET /a\?b=1 HTTP/1\.1" 200 ${body.length} "http://ref/" "UA \\"x"`
  assert.match(
    first ?? '',
    new RegExp(String.raw`${golden}\|GET\|/a\|b=1\|a\\"\\\\b\\xE9\|text/plain\|\d+\|http\|-$`),
  )
  assert.match(second ?? '', '"GET /%22%0d%0a127.0.0.1?%22 HTTP/1.1" 200 ')
  assert.match(second ?? '', String.raw` "-" "\"\x85\\"|GET|/\"\x0D\x0A127.0.0.1|%22|-|`)
})
access.run()
