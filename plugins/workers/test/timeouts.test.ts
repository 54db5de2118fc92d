import * as assert from 'uvu/assert'
import { type Reply, seeAnother, seePids, siteSuite, until } from './harness.ts'

const test = siteSuite('--timeout')

test('answers 504, logs every thread, ends the worker by SIGABRT and replaces it', async ({
  site,
}) => {
  const server = await site.start(['-w', '1', '--threads', '2', '-t', '1'])
  const reply = server.request('/sleep')
  const pid = await site.noted('begin sleep ')
  assert.is((await reply).status, 504)
  await server.line(new RegExp(`WORKER TIMEOUT \\(pid:${pid}\\)`))
  await server.line(new RegExp(`Worker \\(pid:${pid}\\) ended by SIGABRT\\.`))
  await until('the traceback is there', () => /life\.py.* in sleep_in_c/.test(server.log()))
  const threads = () => server.log().match(/Thread 0x|Current thread/g) ?? []
  await until('each thread shows', () => threads().length >= 3)
  await seeAnother(server, pid)
})

test('ends a worker whose C code holds the GIL', async ({ site }) => {
  const server = await site.start(['-w', '1', '-t', '1'])
  const reply = server.request('/gil')
  const pid = await site.noted('begin gil ')
  assert.is((await reply).status, 504)
  await server.line(new RegExp(`Worker \\(pid:${pid}\\) ended by SIGABRT\\.`))
  await until('the traceback is there', () => /life\.py.* in hold_the_gil/.test(server.log()))
  await seeAnother(server, pid)
})

test('kills a worker that ignores SIGABRT', async ({ site }) => {
  const server = await site.start(['-w', '1', '-t', '1'])
  const reply = server.request('/ignore')
  const pid = await site.noted('begin ignore ')
  assert.is((await reply).status, 504)
  await server.line(new RegExp(`WORKER TIMEOUT \\(pid:${pid}\\)`))
  await server.line(new RegExp(`Worker \\(pid:${pid}\\) ended by SIGKILL\\.`))
  await seeAnother(server, pid)
})

test('leaves requests of other workers alone', async ({ site }) => {
  const server = await site.start(['-w', '2', '-t', '2'])
  await seePids(server, 2)
  const late = server.request('/sleep')
  const pid = await site.noted('begin sleep ')
  let running = true
  const replies: Reply[] = []
  const load = (async () => {
    while (running) replies.push(await server.request('/pid'))
  })()
  assert.is((await late).status, 504)
  await server.line(new RegExp(`Worker \\(pid:${pid}\\) ended`))
  await seePids(server, 2)
  running = false
  await load
  assert.ok(replies.length > 10)
  assert.ok(replies.every(({ status, body }) => status === 200 && body !== pid))
})

test('breaks off a streamed answer, without a clean end', async ({ site }) => {
  const server = await site.start(['-w', '1', '-t', '1'])
  const connection = await server.connect()
  connection.send('GET /stream/late HTTP/1.1\r\nHost: a\r\n\r\n')
  const head = await connection.receive(/chunk 2\n/)
  assert.match(head, /^HTTP\/1\.1 200 OK/)
  const pid = await site.noted('begin late ')
  assert.not.match(await connection.rest(), /0\r\n\r\n$/)
  await server.line(new RegExp(`WORKER TIMEOUT \\(pid:${pid}\\)`))
  await seeAnother(server, pid)
})

test('ends a worker that hangs in close() when its answer is out', async ({ site }) => {
  const server = await site.start(['-w', '1', '-t', '1'])
  assert.is((await server.request('/close')).body, 'all of it')
  const pid = await site.noted('begin close ')
  await server.line(new RegExp(`WORKER TIMEOUT \\(pid:${pid}\\)`))
  await seeAnother(server, pid)
})

test('0 is no limit', async ({ site }) => {
  const server = await site.start(['-w', '1', '-t', '0'])
  const reply = server.request('/wait/long')
  await site.noted('begin long ')
  site.write('go')
  assert.is((await reply).status, 200)
})

test('does not count the time that a request waits', async ({ site }) => {
  const server = await site.start(['-w', '1', '-t', '2'])
  const late = server.request('/sleep')
  await site.noted('begin sleep ')
  const waiting = server.request('/pid')
  assert.is((await late).status, 504)
  assert.is((await waiting).status, 200)
})

test.run()
