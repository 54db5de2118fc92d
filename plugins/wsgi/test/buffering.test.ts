import { createHash } from 'node:crypto'
import { readdirSync, readlinkSync, statSync } from 'node:fs'
import type { Socket } from 'node:net'
import * as assert from 'uvu/assert'
import { type ServerProcess, until } from '../../../test/helpers/server-process.ts'
import { appSuite, requestText } from './app-server.ts'

const MEGABYTE = 1 << 20
/** Of the bodies here. */
const SIZE = 200
/** What the front may grow by while such a body passes through it. */
const MEMORY_BOUND = 96 * MEGABYTE

/** Bytes of the files that the front holds open in its runtime directory, also of those without a name. */
function spilled(server: ServerProcess): number {
  const folder = `/proc/${server.pid}/fd`
  let bytes = 0
  for (const fd of readdirSync(folder)) {
    try {
      const isSpill = /\/(spill|spool)-/.test(readlinkSync(`${folder}/${fd}`))
      if (isSpill) bytes += statSync(`${folder}/${fd}`).size
    } catch {
      // closed in the meantime
    }
  }
  return bytes
}

/** Asks until the only worker has answered this often: it is free. */
async function assertServed(server: ServerProcess, times = 10): Promise<void> {
  for (let round = 0; round < times; round++)
    assert.is((await server.request('/lazy')).body, 'lazy')
}

/** Reads an answer as slowly as it is told to, with a hash of the body. */
class Reader {
  readonly socket: Socket
  readonly #hash = createHash('sha256')
  #head = ''
  #size = 0

  constructor(socket: Socket) {
    this.socket = socket.removeAllListeners('data').setEncoding('latin1').pause()
    socket.on('data', (text) => this.#take(String(text)))
  }

  /** One piece, of what one read gives. */
  async readOne(): Promise<void> {
    const read = new Promise((resolve) => this.socket.once('data', resolve))
    this.socket.resume()
    await read
    this.socket.pause()
  }

  async readAll(): Promise<{ size: number; sha256: string }> {
    const closed = new Promise((resolve) => this.socket.once('close', resolve))
    this.socket.resume()
    await closed
    return { size: this.#size, sha256: this.#hash.digest('hex') }
  }

  #take(text: string): void {
    if (this.#head.includes('\r\n\r\n')) return this.#count(text)
    this.#head += text
    const end = this.#head.indexOf('\r\n\r\n')
    if (end >= 0) this.#count(this.#head.slice(end + 4))
  }

  #count(text: string): void {
    this.#size += text.length
    this.#hash.update(text, 'latin1')
  }
}

/** What /big of apps/pep3333.py sends. */
function bigDigest(megabytes: number): string {
  const hash = createHash('sha256')
  for (let number = 0; number < megabytes; number++)
    hash.update(Buffer.alloc(MEGABYTE, number % 251))
  return hash.digest('hex')
}

const buffering = appSuite('with one worker', 'pep3333:app', ['-w', '1'])

buffering('twenty slow uploaders hold it not', async ({ server }) => {
  const body = 'dribble '.repeat(10)
  const uploaders = await Promise.all(Array.from({ length: 20 }, () => server.connect()))
  for (const uploader of uploaders)
    uploader.send(
      `POST /digest HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n`,
    )
  for (let at = 0; at < body.length; at += 8) {
    for (const uploader of uploaders) uploader.send(body.slice(at, at + 8))
    await assertServed(server, 3)
  }
  const digest = createHash('sha256').update(body).digest('hex')
  for (const uploader of uploaders) assert.match(await uploader.rest(), `${body.length} ${digest}`)
})

buffering('slow readers of big answers hold it not, nor memory', async ({ server }) => {
  await assertServed(server)
  const before = server.memory()
  const readers = await Promise.all([server.connect(), server.connect()])
  for (const reader of readers) {
    reader.socket.pause()
    reader.send(requestText(`/big?${SIZE}`))
  }
  await until('the answers are in files', () => spilled(server) > 2 * (SIZE - 16) * MEGABYTE)
  await assertServed(server)
  assert.ok(server.memory() - before < MEMORY_BOUND, `${server.memory() - before} bytes more`)
  for (const reader of readers) reader.destroy()
  await until('the files are closed', () => spilled(server) === 0)
  await assertServed(server)
})

buffering('a slow reader gets every byte in the end', async ({ server }) => {
  const before = server.memory()
  const connection = await server.connect()
  const reader = new Reader(connection.socket)
  connection.send(requestText(`/big?${SIZE}`))
  await until('the answer is in a file', () => spilled(server) > (SIZE - 16) * MEGABYTE)
  let most = 0
  for (let round = 0; round < 20; round++) {
    await reader.readOne()
    await assertServed(server, 1)
    most = Math.max(most, server.memory())
  }
  assert.ok(most - before < MEMORY_BOUND, `${most - before} bytes more`)
  const { size, sha256 } = await reader.readAll()
  assert.is(size, SIZE * MEGABYTE)
  assert.is(sha256, bigDigest(SIZE))
  await until('the file is closed', () => spilled(server) === 0)
})

buffering(
  'a big upload in parts holds it not, nor memory, and arrives whole',
  async ({ server }) => {
    await assertServed(server)
    const before = server.memory()
    const part = Buffer.alloc(MEGABYTE, 'upload')
    const hash = createHash('sha256')
    const uploader = await server.connect()
    uploader.send(
      `POST /digest HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: ${SIZE * MEGABYTE}\r\n\r\n`,
    )
    let most = 0
    for (let number = 0; number < SIZE; number++) {
      hash.update(part)
      if (!uploader.socket.write(part)) await drained(uploader.socket)
      if (number % 20 !== 0) continue
      await assertServed(server, 2)
      most = Math.max(most, server.memory())
    }
    assert.match(await uploader.rest(), `${SIZE * MEGABYTE} ${hash.digest('hex')}`)
    assert.ok(most - before < MEMORY_BOUND, `${most - before} bytes more`)
    await until('no file is left', () => !server.runtimeFiles().some(isBody))
  },
)

buffering.run()

const drained = (socket: Socket) => new Promise((resolve) => socket.once('drain', resolve))
const isBody = (name: string) => /^(spool|spill|body)-/.test(name)
