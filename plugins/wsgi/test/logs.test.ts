// The records of requests that failed, and what the application prints.
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
