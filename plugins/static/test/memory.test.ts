import { once } from 'node:events'
import {
  closeSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import type { EngineResponse } from '../../../core/index.ts'
import { startServer } from '../../../test/helpers/server-process.ts'
import { FastLane } from '../fast-lane.ts'
import { FileStore, type Found } from '../file-store.ts'
import { type Location, resolveLocations } from '../locations.ts'
import { Memory } from '../memory.ts'
import { type StaticOptions, schema } from '../options.ts'
import { StoredFile } from '../stored-file.ts'
import { openFiles, start, withFolder, write } from './support.ts'

const DEFAULTS = Object.fromEntries(
  Object.entries(schema).map(([key, { default: value }]) => [key, value]),
) as unknown as StaticOptions

const test = withFolder('static: memory')

async function until(what: string, holds: () => unknown): Promise<void> {
  for (let turn = 0; turn < 3000; turn++) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  assert.unreachable(`it never came that ${what}`)
}

for (const [what, change] of [
  ['that is written anew', (path: string) => writeFileSync(path, 'newer')],
  [
    'that another one replaces',
    (path: string) => {
      writeFileSync(`${path}.tmp`, 'newer')
      const { atime, mtime } = statSync(path)
      utimesSync(`${path}.tmp`, atime, mtime)
      renameSync(`${path}.tmp`, path)
    },
  ],
] as const) {
  test(`a file ${what} is seen within a second or so`, async (context) => {
    write(context, { 'a.txt': 'older' })
    const site = await start(context, { alias: ['/s/=site'] })
    const before = await site.ask('/s/a.txt')
    assert.is(before.body, 'older')
    change(join(context.folder, 'site/a.txt'))
    await until('the new one is served', async () => (await site.ask('/s/a.txt')).body === 'newer')
    assert.is.not((await site.ask('/s/a.txt')).headers.etag, '')
  })
}

test('a file that is removed is gone, and a neighbour that comes or goes is seen', async (context) => {
  write(context, { 'a.js': 'plain', 'b.js': 'plain', 'b.js.br': 'brotli' })
  const site = await start(context, { alias: ['/s/=site'] })
  const headers = { 'Accept-Encoding': 'br' }
  const ask = async (path: string) => (await site.ask(path, { headers })).body
  assert.equal([await ask('/s/a.js'), await ask('/s/b.js')], ['plain', 'brotli'])
  write(context, { 'a.js.br': 'brotli' })
  rmSync(join(context.folder, 'site/b.js.br'))
  await until('the new neighbour is sent', async () => (await ask('/s/a.js')) === 'brotli')
  await until('the old neighbour is not', async () => (await ask('/s/b.js')) === 'plain')
  rmSync(join(context.folder, 'site/a.js'))
  await until('it is gone', async () => (await site.ask('/s/a.js')).status === 404)
})

test('a file that changes twice within its timestamps is read again', async (context) => {
  const path = join(context.folder, 'site/a.txt')
  const now = new Date()
  const put = (text: string) => {
    writeFileSync(path, text)
    utimesSync(path, now, now)
  }
  put('one')
  const site = await start(context, { alias: ['/s/=site'] })
  assert.is((await site.ask('/s/a.txt')).body, 'one')
  put('two')
  await until('it is read again', async () => (await site.ask('/s/a.txt')).body === 'two')
})

/** What the budget needs to know of a file. */
function fake(key: string, bytes: number) {
  let left = () => {}
  return {
    key,
    bytes,
    wasUsed: false,
    users: 0,
    leave(done: () => void) {
      if (this.users === 0) done()
      else left = done
    },
    finish: () => left(),
  }
}
const put = (memory: Memory, file: ReturnType<typeof fake>) =>
  memory.put(file as unknown as StoredFile)

test('the budget holds, and what is used stays', () => {
  const memory = new Memory(100)
  const dropped: string[] = []
  memory.dropped = ({ key }) => dropped.push(key)
  for (const key of ['a', 'b', 'c', 'd']) put(memory, fake(key, 25))
  assert.is(memory.bytes, 100)
  memory.get('a')
  put(memory, fake('e', 25))
  assert.equal([memory.bytes, dropped], [100, ['b']])
  put(memory, fake('a', 25)) // the same once more
  assert.equal([memory.bytes, dropped], [100, ['b', 'a']])
})

test('what was dropped and is still being sent counts', () => {
  const memory = new Memory(100)
  const slow = Object.assign(fake('a', 60), { users: 1 })
  put(memory, slow)
  memory.drop('a')
  assert.is(memory.bytes, 60)
  assert.not.ok(memory.reserve('b', 24 + 17))
  slow.finish()
  assert.is(memory.bytes, 0)
})

test('large files are kept once they are asked for again, those of a quarter of the budget at most', () => {
  const memory = new Memory(64 * 1_048_576)
  const wants = (key: string, megabytes: number) => {
    const isWanted = memory.reserve(key, megabytes * 1_048_576)
    if (isWanted) memory.release(key, megabytes * 1_048_576)
    return isWanted
  }
  assert.equal([wants('a', 10), wants('b', 10), wants('a', 10)], [false, false, true])
  assert.equal([wants('c', 1), wants('c', 17)], [true, false])
  assert.not.ok(new Memory(0).reserve('a', 1))
})

test('a file that has left memory does not enter the fast lane', async (context) => {
  write(context, { 'a.txt': 'a' })
  const [location] = resolveLocations({ ...DEFAULTS, alias: ['/s/=site'] }, context.folder)
  const store = new FileStore(1_048_576, false)
  const lane = new FastLane(store.memory)
  const found = await store.find(location as Location, ['a.txt'], new Map())
  const { stored } = found as { stored: StoredFile }
  const head = { method: 'GET', fields: [], dropped: undefined }
  lane.admit('/s/a.txt', stored)
  assert.ok(lane.take({ ...head, url: '/s/a.txt' }))
  store.memory.drop(stored.key)
  lane.admit('/s//a.txt', stored)
  for (const url of ['/s/a.txt', '/s//a.txt']) assert.not(lane.take({ ...head, url }))
})

test('a file is read by one request at a time, and all of them within the budget', () => {
  const memory = new Memory(100)
  assert.ok(memory.reserve('a', 25))
  assert.not.ok(memory.reserve('a', 25))
  for (const key of ['b', 'c', 'd']) assert.ok(memory.reserve(key, 25))
  assert.not.ok(memory.reserve('e', 1))
  memory.release('a', 25)
  assert.ok(memory.reserve('e', 1))
})

test('no file stays open: neither those in memory, nor those that are sent, nor where the client leaves', async (context) => {
  write(context, { 'a.txt': 'a', 'a.txt.gz': 'a', 'index.html': 'x', 'sub/x': 'x' })
  const path = join(context.folder, 'site/large.bin')
  writeFileSync(path, '')
  truncateSync(path, 200 * 1_048_576)
  const site = await start(context, { alias: ['/s/=site'], autoindex: true })
  for (const url of ['/s/a.txt', '/s/', '/s/sub', '/s/sub/', '/s/none', '/s/large.bin/x'])
    await site.ask(url)
  for (const [method, headers] of [
    ['HEAD', {}],
    ['GET', { Range: 'bytes=0-10' }],
    ['GET', { Range: 'bytes=999999999-' }],
    ['GET', { 'If-None-Match': '*' }],
    ['GET', { 'If-Match': '"x"' }],
    ['POST', { 'Content-Length': '0' }],
  ] as const) {
    await site.ask('/s/large.bin', { method, headers: headers as never })
  }
  await until('nothing is open', () => openFiles(context) === 0)
  const connection = await site.connect()
  connection.send('GET /s/large.bin HTTP/1.1\r\nHost: test\r\n\r\n')
  await connection.receive(/\r\n\r\n/)
  connection.socket.pause()
  assert.is(openFiles(context), 1)
  connection.destroy()
  await until('it is closed', () => openFiles(context) === 0)
})

test('a response that has ended before holds no file', () => {
  const stats = { size: 1, mtimeMs: 0 } as Stats
  const [location] = resolveLocations({ ...DEFAULTS, alias: [`/=${tmpdir()}`] }, '/')
  const form = { coding: undefined, stats, content: Buffer.from('x') }
  const file = new StoredFile('a', location as Location, 'a.txt', 'text/plain', [form])
  const open = { destroyed: false, owner: undefined } as unknown as EngineResponse
  file.hold(open)
  file.hold({ destroyed: true } as EngineResponse)
  let hasLeft = false
  file.leave(() => {
    hasLeft = true
  })
  assert.not.ok(hasLeft)
  open.owner?.closed(true)
  assert.ok(hasLeft)
})

test('slow readers of a file of 3 GB take little memory, all of them together', async (context) => {
  const path = join(context.folder, 'site/huge.bin')
  writeFileSync(path, '')
  truncateSync(path, 3 * 1024 ** 3)
  const options = ['--plugins', 'static', '--static', '/s/=site']
  const server = await startServer(options, { cwd: context.folder })
  context.undo.push(() => server.stop())
  const { hostname, port } = new URL(server.url)
  const read = async (rounds: number) => {
    const socket = connect(Number(port), hostname)
    socket.write('GET /s/huge.bin HTTP/1.1\r\nHost: test\r\n\r\n')
    for (let round = 0; round < rounds; round++) {
      await once(socket, 'readable')
      while (socket.read() !== null);
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    socket.destroy()
    return socket.bytesRead
  }
  await read(20)
  const before = server.memory()
  let most = before
  const timer = setInterval(() => {
    most = Math.max(most, server.memory())
  }, 20)
  const bytes = await Promise.all(Array.from({ length: 20 }, () => read(40)))
  clearInterval(timer)
  for (const each of bytes) assert.ok(each > 1_000_000)
  const megabytes = (most - before) / 1_048_576
  assert.ok(megabytes < 100, `${megabytes} MB more for ${bytes}`)
})

test('a file is read and compressed once, however many ask for it meanwhile', async (context) => {
  write(context, { 'a.txt': 'some words '.repeat(90_000) })
  const options = { ...DEFAULTS, alias: ['/s/=site'] }
  const [location] = resolveLocations(options, context.folder) as [Location]
  const store = new FileStore(16 * 1_048_576, true)
  let again = 0
  store.memory.dropped = () => again++
  const nothing = new Map<string, number>()
  const first = store.find(location, ['a.txt'], nothing)
  let isFound = false
  first.finally(() => {
    isFound = true
  })
  const see = (found: Found) => {
    assert.is(found.kind, 'file')
    if (found.kind === 'file' && 'fd' in found.source) closeSync(found.source.fd)
  }
  while (!isFound) see(await store.find(location, ['a.txt'], nothing))
  see(await first) // another may have come before it
  assert.ok(again <= 1, `${again} times more`) // who looked just before it was there
  assert.is(openFiles(context), 0)
})

test.run()
