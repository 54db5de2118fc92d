// What is beside the plugin misbehaves: no answer is left out, and no file left open.
import { truncateSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, type Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply } from 'fastify'
import * as assert from 'uvu/assert'
import type { Core, ResponseHead } from '../../../core/index.ts'
import { type Context, changeAmid, openFiles, start, withFolder, write } from './support.ts'

const test = withFolder('static: beside what misbehaves')

async function untilClosed(context: Context): Promise<void> {
  while (openFiles(context) > 0) await new Promise((resolve) => setTimeout(resolve, 5))
}

const HEADS: Readonly<Record<string, (head: ResponseHead) => void>> = {
  'a field with a line end': (head) => (head.headers = [...head.headers, ['X-Evil', 'a\nb']]),
  'a field that is no latin-1': (head) => (head.headers = [...head.headers, ['X-Evil', '€']]),
  'a status that there is not': (head) => (head.statusCode = 1000),
}

for (const [what, change] of Object.entries(HEADS)) {
  test(`a tap that makes ${what} costs the answer, not the connection`, async (context) => {
    write(context, { 'a.txt': 'a' })
    const tap = ({ hooks }: Core) => hooks.response.tap('app', change)
    for (const cache of [67_108_864, 0]) {
      const site = await start(context, { alias: ['/s/=site'], cache }, tap)
      assert.is((await site.ask('/s/a.txt')).status, 500)
      await untilClosed(context)
      assert.match(site.log(), 'request failed')
    }
  })
}

type OnSend = (reply: FastifyReply, payload: unknown) => unknown
const ON_SEND: Readonly<Record<string, OnSend>> = {
  fails: () => Promise.reject(new Error('no')),
  'sends something else': (reply) => {
    reply.removeHeader('content-length')
    return 'something else'
  },
  'adds a field that cannot be sent': (reply, payload) => {
    reply.header('x-evil', '€')
    return payload
  },
}

const onSend = (hook: OnSend) => (core: Core) =>
  core.hooks.server.tap('app', (fastify: FastifyInstance) => {
    fastify.addHook('onSend', async (_request, reply, payload) => hook(reply, payload))
  })

for (const [what, hook] of Object.entries(ON_SEND)) {
  test(`a hook onSend that ${what} leaves no file open`, async (context) => {
    write(context, { 'a.txt': 'a' })
    const site = await start(context, { alias: ['/s/=site'], cache: 0 }, onSend(hook))
    const { body } = await site.ask('/s/a.txt')
    assert.is.not(body, 'a')
    assert.ok(body.length > 0)
    await untilClosed(context)
  })
}

test('clients that leave, before and after the first bytes, leave no file open', async (context) => {
  write(context, { 'large.bin': Buffer.alloc(4_000_000) })
  let begun = 0
  const hook = onSend((_reply, payload) => {
    begun++
    return payload
  })
  const site = await start(context, { alias: ['/s/=site'], cache: 0 }, hook)
  for (let count = 1; count <= 8; count++) {
    const { socket } = await site.connect()
    socket.pause()
    const left = new Promise((resolve) => socket.once('close', resolve))
    socket.write('GET /s/large.bin HTTP/1.1\r\nHost: test\r\n\r\n')
    if (count % 2 === 0) await new Promise((resolve) => socket.once('readable', resolve))
    else while (begun < count) await new Promise((resolve) => setImmediate(resolve))
    socket.destroy()
    await left
  }
  await untilClosed(context)
})

test('a file that shrinks is not whole either for who changes it on its way', async (context) => {
  const size = 32 * 1_048_576
  write(context, { 'large.bin': '' })
  const path = join(context.folder, 'site/large.bin')
  truncateSync(path, size)
  const hook = onSend((reply, payload) => {
    reply.removeHeader('content-length')
    return (payload as Readable).pipe(new PassThrough())
  })
  const site = await start(context, { alias: ['/s/=site'], cache: 0 }, hook)
  const answer = await changeAmid(site, 'GET /s/large.bin HTTP/1.1\r\nHost: test\r\n\r\n', () =>
    truncateSync(path, 1000),
  )
  assert.match(answer, 'Transfer-Encoding: chunked')
  assert.not.match(answer.slice(-20), '\r\n0\r\n\r\n')
  assert.match(site.log(), 'became shorter')
  await untilClosed(context)
})

test.run()
