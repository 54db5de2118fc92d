import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { ParsedHead } from '../door.ts'
import type { EngineOptions } from '../engine.ts'
import { PreparedAnswer, prepareHead } from '../prepared-head.ts'
import { get, post, Stage, sleep } from './wire.ts'

interface Context {
  open(options?: EngineOptions): Promise<Stage>
  stages: Stage[]
}

const FIELDS = ['X-Ready', 'yes']
const READY =
  /^HTTP\/1\.1 200 OK\r\nX-Ready: yes\r\nDate: [^\r]+ GMT\r\nContent-Length: 6\r\n\r\n\/ready$/

/** A stage that answers with the path; its door has those below /ready. */
const test = suite<Context>('answers that are ready')
test.before.each((context) => {
  context.stages = []
  context.open = async (options) => {
    const stage = await Stage.open(({ url }, response) => response.end(url), options)
    const find = ({ url }: ParsedHead) =>
      url.startsWith('/ready') ? new PreparedAnswer(prepareHead(200, FIELDS), url) : undefined
    Object.assign(stage.door, { ready: find })
    context.stages.push(stage)
    return stage
  }
})
test.after.each(async ({ stages }) => {
  for (const stage of stages) await stage.close()
})

test('are sent with date and length; a 304 without', async ({ open }) => {
  const stage = await open()
  const client = await stage.connect()
  client.send(get('/ready'))
  assert.match(await client.until(/\r\n\r\n.{6}/), READY)
  const answer = new PreparedAnswer(prepareHead(304, ['ETag', '"a"']))
  assert.match(
    answer.text,
    /^HTTP\/1\.1 304 Not Modified\r\nETag: "a"\r\nDate: [^\r]+ GMT\r\n\r\n$/,
  )
})

test('keep their place among those that are not', async ({ open }) => {
  const stage = await open()
  const client = await stage.connect()
  const paths = ['/ready-1', '/2', '/ready-3', '/ready-4', '/5', '/6']
  const requests = paths.map((path) => (path === '/5' ? post('body', '', path) : get(path)))
  client.send(requests.join(''))
  for (const path of paths) {
    assert.match(await client.until(/\r\n\r\n\/(?:ready-)?\d/), new RegExp(`\r\n\r\n${path}$`))
  }
})

test('are not asked for where the engine has more to say or to read', async ({ open }) => {
  const stage = await open({ requests: 2 })
  const served = /Connection: close\r\n\r\n\/ready$/
  assert.match(await stage.exchange(get('/ready', 'Connection: close\r\n')), served)
  assert.match(await stage.exchange('GET /ready HTTP/1.0\r\n\r\n'), served)
  const client = await stage.connect()
  client.send(post('body', '', '/ready'))
  assert.not.match(await client.until('\r\n\r\n/ready'), 'X-Ready')
  client.send(get('/ready')) // the last one that this connection may have
  assert.match(await client.rest(), served)
})

test('are given one at a time to a client that does not read', async ({ open }) => {
  const stage = await open()
  const size = 12_000_000
  let asked = 0
  const find = () => {
    asked++
    return new PreparedAnswer(prepareHead(200, FIELDS), 'x'.repeat(size))
  }
  Object.assign(stage.door, { ready: find, keepAlive: 40 })
  const client = await stage.connect()
  client.socket.pause()
  client.send(get())
  while (asked < 1) await sleep(5)
  await sleep(150) // longer than an idle connection is kept
  client.send(get() + get('/behind', 'Connection: close\r\n'))
  await sleep(150)
  client.socket.resume()
  const text = await client.rest()
  assert.is(asked, 1)
  assert.match(text.slice(size), /\r\n\r\n\/HTTP\/1\.1 200 OK\r\n.*\r\n\r\n\/behind$/s)
})

test.run()
