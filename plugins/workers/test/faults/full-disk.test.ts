import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmdirSync, statfsSync, writeFileSync } from 'node:fs'
import { request as sendRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import type { ServerProcess } from '../../../../test/helpers/server-process.ts'
import { siteSuite, until } from '../harness.ts'

const MEGABYTE = 1 << 20
/** What a pool itself needs, and a little: a body of a megabyte does not fit. */
const DISK = MEGABYTE

const test = siteSuite('a full disk')
const mounted: string[] = []

/** A disk that holds `DISK` bytes. */
function smallDisk(): string {
  const folder = mkdtempSync(join(tmpdir(), 'wsgi-core-disk-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK}`, 'tmpfs', folder])
  mounted.push(folder)
  return folder
}

process.on('exit', () => {
  for (const folder of mounted) {
    execFileSync('umount', ['-l', folder])
    rmdirSync(folder)
  }
})

/** Without root, or in a container without the right, there is none. */
function canMount(): boolean {
  return spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0
}

const check = canMount()
  ? test
  : (sentence: string) => test.skip(`${sentence} (no right to mount a small disk)`)

const freeOn = (folder: string) => statfsSync(folder).bavail * statfsSync(folder).bsize

/** Takes all but so many bytes. */
function fill(disk: string, left: number): void {
  writeFileSync(join(disk, 'filler'), Buffer.alloc(Math.max(0, freeOn(disk) - left)))
}

/** Sends a body. @returns the status, also where it comes before all of the body has left. */
function post(server: ServerProcess, size: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(server.url)
    const headers = { 'Content-Length': size }
    const outgoing = sendRequest({ hostname, port, path: '/work', method: 'POST', headers })
    outgoing.on('response', (incoming) => {
      outgoing.off('error', reject).on('error', () => {}) // it closes: the rest is not wanted
      incoming.resume()
      resolve(incoming.statusCode as number)
    })
    outgoing.on('error', reject).end(Buffer.alloc(size))
  })
}

/** Names in the pool's folder that belong to a request. */
const files = (disk: string) =>
  readdirSync(disk, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /(spool|spill|body)-/.test(name),
  )

check('refuses a body that does not fit with 507, and goes on', async ({ site }) => {
  const disk = smallDisk()
  const server = await site.start(['-w', '2'], 'life:app', { env: { TMPDIR: disk } })
  const free = freeOn(disk)
  assert.is(await post(server, 200_000), 200)
  assert.is(await post(server, 2 * MEGABYTE), 507)
  await server.line(/no room for a request/)
  await server.line(/ENOSPC/)
  await until('its file is gone', () => files(disk).length === 0)
  assert.is(await post(server, 200_000), 200)
  // a worker may hold a file open that has no name any more
  await until('its room is free again', () => freeOn(disk) >= free)

  fill(disk, 0)
  assert.is(await post(server, 200_000), 507)
  assert.is(await post(server, 30_000), 507, 'a block of the shared file')
  assert.is(await post(server, 1000), 200, 'what travels in the slot needs no disk')
  assert.is((await server.request('/pid')).status, 200)
  await until('no file is left', () => files(disk).length === 0)
  assert.is(server.log().match(/no room for a request/g)?.length, 1, 'once a minute')
})

check('breaks off an answer that its client does not read, and goes on', async ({ site }) => {
  const disk = smallDisk()
  const server = await site.start(['-w', '1'], 'life:app', { env: { TMPDIR: disk } })
  fill(disk, 4096)
  const size = 40 * MEGABYTE
  const slow = await server.connect()
  slow.socket.pause()
  slow.send(`GET /big/${size} HTTP/1.1\r\nHost: a\r\n\r\n`)
  await server.line(/no room for a request/)
  assert.is((await server.request('/pid')).status, 200, 'the worker is free')
  slow.socket.resume()
  const text = await slow.rest()
  assert.ok(text.length < size, 'it is not whole')
  await until('no file is left', () => files(disk).length === 0)
})

check(
  'from the start ends the start, with the place in the log, and leaves nothing',
  async ({ site }) => {
    const disk = smallDisk()
    fill(disk, 8192)
    const { code, output } = await site.run(['life:app'], { env: { TMPDIR: disk } })
    assert.is(code, 1)
    assert.match(output, /cannot make a private folder in '.*ENOSPC/)
    assert.equal(readdirSync(disk), ['filler'])
  },
)

check('when the server is reloaded leaves the old workers at it', async ({ site }) => {
  const disk = smallDisk()
  const server = await site.start(['-w', '1'], 'life:app', { env: { TMPDIR: disk } })
  const { body: pid } = await server.request('/pid')
  fill(disk, 8192)
  const before = readdirSync(disk)
  server.signal('SIGHUP')
  await server.line(/cannot make a private folder/)
  assert.is((await server.request('/pid')).body, pid)
  assert.equal(readdirSync(disk), before)
})

check('of wsgi.tmpUploadDir leaves the pool alone', async ({ site }) => {
  const disk = smallDisk()
  site.write('config.json', JSON.stringify({ wsgi: { tmpUploadDir: disk } }))
  const server = await site.start(['-w', '1', '--config', 'config.json'])
  assert.is(await post(server, 200_000), 200, 'a body on another disk than the pool')
  assert.is(await post(server, 2 * MEGABYTE), 507)
  assert.is(await post(server, 30_000), 200)
  await until('no file is left', () => files(disk).length === 0)
  server.signal('SIGTERM')
  await server.ended
  assert.equal(readdirSync(disk), [])
})

test.run()
