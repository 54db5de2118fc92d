import {
  closeSync,
  openSync,
  readdirSync,
  readlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { type Context, LAST, start, withServers } from '../../test/support.ts'
import { ReadBuffers } from '../read-buffers.ts'
import { type FilePiece, sendFile } from '../send-file.ts'

const test = withServers('sendFile')
const SIZE = 1_500_000
const CONTENT = 'abcdefghij'.repeat(SIZE / 10)
const failures: string[] = []

/** A server that answers with these pieces of a file. */
async function serve(context: Context, pieces: readonly FilePiece[], length: number) {
  const path = join(context.folder, 'file')
  writeFileSync(path, CONTENT)
  failures.length = 0
  const server = await start(context, ({ hooks }) => {
    hooks.handle.tap('test', ({ raw }, reply) => {
      reply.hijack()
      const response = reply.raw as ServerResponse
      response.writeHead(200, { 'Content-Length': length })
      const broken = (error: Error) => {
        failures.push(error.message)
        response.destroy()
      }
      if (raw.url === '/gone') response.destroy()
      const fd = openSync(path, 'r')
      if (raw.url === '/shrink') truncateSync(path, 1000)
      if (raw.url === '/closed') closeSync(fd)
      sendFile(response, fd, pieces, broken)
      return true
    })
  })
  const openFiles = () =>
    readdirSync('/proc/self/fd').filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`) === path
      } catch {
        return false // closed in between
      }
    }).length
  return { server, openFiles }
}

const bodyOf = (raw: string) => raw.slice(raw.indexOf('\r\n\r\n') + 4)

async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; !holds(); turn++) {
    assert.ok(turn < 3000, 'it never came')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

for (const [what, pieces, body] of [
  ['all of it', [{ start: 0, length: SIZE }], CONTENT],
  ['a part', [{ start: 5, length: 700_001 }], CONTENT.slice(5, 700_006)],
  ['nothing', [], ''],
  ['an empty part', [{ start: 3, length: 0 }], ''],
  [
    'parts, and bytes between them',
    [
      Buffer.from('<'),
      { start: 1, length: 2 },
      Buffer.from('|'),
      { start: 0, length: 600_000 },
      Buffer.from('>'),
    ],
    `<bc|${CONTENT.slice(0, 600_000)}>`,
  ],
] as const) {
  test(`sends ${what}, and closes the file`, async (context) => {
    const { server, openFiles } = await serve(context, pieces, body.length)
    assert.ok(bodyOf(await server.raw(LAST())) === body)
    await until(() => openFiles() === 0)
    assert.equal(failures, [])
  })
}

test('tells of a file that becomes shorter, or cannot be read', async (context) => {
  const { server } = await serve(context, [{ start: 0, length: SIZE }], SIZE)
  assert.ok(bodyOf(await server.raw(LAST('/shrink'))).length < SIZE)
  assert.equal(failures, ['the file became shorter while it was sent'])
  assert.is(bodyOf(await server.raw(LAST('/closed'))), '')
  assert.match(failures[1] as string, 'EBADF')
})

test('closes the file of a client that is gone, or leaves', async (context) => {
  const { server, openFiles } = await serve(context, [{ start: 0, length: SIZE }], SIZE)
  await server.raw(LAST('/gone'))
  await until(() => openFiles() === 0)
  const connection = await server.connect()
  connection.socket.pause()
  connection.send(LAST())
  connection.destroy()
  await until(() => openFiles() === 0)
})

test('buffers are two for each, smaller where there are many, and used again', () => {
  const one = new ReadBuffers()
  const [first, second] = [one.take() as Buffer, one.take() as Buffer]
  assert.is(one.take(), undefined)
  one.giveBack(first)
  assert.ok(one.take() === first)
  one.giveBack(second)
  one.release()
  one.release()
  const many = Array.from({ length: 5000 }, () => new ReadBuffers())
  assert.ok(many[0]?.take() === second)
  const { length: size } = many[4999]?.take() ?? first
  assert.ok(size < first.length && size >= 16_384)
  for (const each of many) each.release()
})

test.run()
