import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chownSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { type Context, changeAmid, type Site, start, withFolder, write } from './support.ts'

const test = withFolder('static: safety')
const SECRET = 'what nobody may see'

/** A secret beside the folder that is served, and one in a folder whose name begins alike. */
async function startWithSecret(context: Context, options: object = {}): Promise<Site> {
  const { folder } = context
  write(context, { 'a.txt': 'public', 'sub/b.txt': 'public' })
  writeFileSync(join(folder, 'secret.txt'), SECRET)
  mkdirSync(join(folder, 'site-private'))
  writeFileSync(join(folder, 'site-private/secret.txt'), SECRET)
  return start(context, { alias: ['/s/=site'], root: ['/site/='.concat('.')], ...options })
}

const UP = [
  '..',
  '%2e%2e',
  '%2E.',
  '.%2e',
  '%252e%252e',
  '..%00',
  '%c0%ae%c0%ae',
  '%e0%80%ae%e0%80%ae',
  '..;',
  '. .',
  '%u002e%u002e',
  '..\\',
  '..%5c',
  '..%255c',
  '．．',
  '%ef%bc%8e%ef%bc%8e',
]
const SLASH = [
  '/',
  '%2f',
  '%2F',
  '%252f',
  '\\',
  '%5c',
  '%c0%af',
  '%e0%80%af',
  '//',
  '/./',
  '%00/',
  '%ef%bc%8f',
]

test('no spelling of a path leads out of the folder', async (context) => {
  const site = await startWithSecret(context)
  let count = 0
  for (const up of UP) {
    for (const slash of SLASH) {
      for (const prefix of ['/s/', '/s//sub/', '/site/']) {
        const steps = [up, up + slash + up, `sub${slash}${up}${slash}${up}`]
        for (const step of steps) {
          for (const file of ['secret.txt', 'etc/passwd']) {
            const path = (prefix + step + slash + file).replace(/[^\x21-\x7e]/g, encodeURIComponent)
            requests.push(path)
            count++
          }
        }
      }
    }
  }
  assert.ok(count > 3000)
  const bodies = await askAll(site, requests.splice(0))
  assert.is(bodies.length, count)
  for (const [path, body] of bodies) {
    assert.ok(!body.includes(SECRET) && !body.includes('root:'), path)
  }
  assert.is((await site.ask('/s/a.txt')).body, 'public') // it still serves
})
const requests: string[] = []

/** All of them over one connection, one after the other. */
async function askAll(site: Site, paths: readonly string[]): Promise<[string, string][]> {
  const answers: [string, string][] = []
  let connection = await site.connect()
  for (const path of paths) {
    if (connection.socket.closed || connection.socket.destroyed) connection = await site.connect()
    connection.send(`GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`)
    const head = await connection.receive(/^HTTP[\s\S]*?\r\n\r\n/)
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
    const body = length > 0 ? await connection.receive(new RegExp(`^[\\s\\S]{${length}}`)) : ''
    answers.push([path, head + body])
    if (/connection: close/i.test(head)) connection = await site.connect()
  }
  return answers
}

test('absolute paths and absolute targets are below the folder, too', async (context) => {
  const site = await startWithSecret(context)
  for (const path of [
    '/s//etc/passwd',
    '/s/%2fetc/passwd',
    `/s/${context.folder}/secret.txt`,
    'http://test/s/../secret.txt',
    'http://test//etc/passwd',
    '/s/file:///etc/passwd',
  ]) {
    const { status, body } = await site.ask(path)
    assert.ok(!body.includes(SECRET) && !body.includes('root:'), path)
    assert.is.not(status, 500, path)
  }
})

test('what could be a path within a segment is refused as it is', async (context) => {
  write(context, { 'x/y': 'y', 'x%2fy': 'percent' })
  const site = await start(context, { alias: ['/s/=site'] })
  for (const path of [
    '/s/x%2fy',
    '/s/x%5Cy',
    '/s/x\\y',
    '/s/x%00',
    '/s/./x/y',
    '/s/x/%2e/y',
    '/s/x/../x/y',
  ]) {
    assert.is((await site.ask(path)).status, 404, path)
  }
  assert.is((await site.ask('/s/x%252fy')).body, 'percent') // decoded once
  assert.is((await site.ask('/s/x//y')).body, 'y')
})

test('dotfiles are hidden, and .well-known is not', async (context) => {
  write(context, {
    '.env': SECRET,
    '.git/config': SECRET,
    '.well-known/acme/x': 'x',
    '.well-known/.env': SECRET,
  })
  const site = await start(context, { alias: ['/s/=site'] })
  for (const path of [
    '/s/.env',
    '/s/%2eenv',
    '/s/.git/config',
    '/s/.well-known/.env',
    '/s/.git/',
  ]) {
    assert.is((await site.ask(path)).status, 404, path)
  }
  assert.is((await site.ask('/s/.well-known/acme/x')).body, 'x')
  const open = await start(context, { alias: ['/s/=site'], dotfiles: true })
  assert.is((await open.ask('/s/.env')).body, SECRET)
})

/** Links of all kinds: what each leads to. */
function link(context: Context) {
  const { folder } = context
  write(context, { 'a.txt': 'inside', 'sub/b.txt': 'inside' })
  writeFileSync(join(folder, 'secret.txt'), SECRET)
  mkdirSync(join(folder, 'outside'))
  writeFileSync(join(folder, 'outside/c.txt'), SECRET)
  const make = (name: string, target: string) => symlinkSync(target, join(folder, 'site', name))
  make('to-file', 'a.txt')
  make('to-folder', 'sub')
  make('out-file', join(folder, 'secret.txt'))
  make('out-folder', '../outside')
  make('out-by-two', 'out-folder')
  make('broken', 'none')
  make('circle', 'circle')
}

const LINKS = [
  'to-file',
  'to-folder/b.txt',
  'out-file',
  'out-folder/c.txt',
  'out-by-two/c.txt',
  'broken',
  'circle',
]
const statuses = async (site: Site) => {
  const all: number[] = []
  for (const path of LINKS) all.push((await site.ask(`/s/${path}`)).status)
  return all
}

for (const [followSymlinks, expected] of [
  ['inside', [200, 200, 403, 403, 403, 404, 404]],
  ['always', [200, 200, 200, 200, 200, 404, 404]],
  ['owner', [200, 200, 200, 200, 200, 404, 404]],
  ['never', [404, 403, 404, 403, 403, 404, 404]],
] as const) {
  test(`followSymlinks: ${followSymlinks}`, async (context) => {
    link(context)
    const site = await start(context, { alias: ['/s/=site'], followSymlinks })
    assert.equal(await statuses(site), expected)
    assert.equal(await statuses(site), expected) // from memory, too
    assert.is((await site.ask('/s/a.txt')).body, 'inside')
  })
}

if (process.getuid?.() === 0) {
  test('followSymlinks: owner refuses a link to the file of another user', async (context) => {
    link(context)
    chownSync(join(context.folder, 'secret.txt'), 1234, 1234)
    chownSync(join(context.folder, 'outside/c.txt'), 1234, 1234)
    const site = await start(context, { alias: ['/s/=site'], followSymlinks: 'owner' })
    assert.equal(await statuses(site), [200, 200, 403, 403, 403, 404, 404])
  })
}

test('the folder itself may be a link, and another one after a deployment', async (context) => {
  const { folder } = context
  for (const name of ['one', 'two']) {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'a.txt'), name)
  }
  symlinkSync('one', join(folder, 'current'))
  const site = await start(context, { alias: ['/s/=current'] })
  assert.is((await site.ask('/s/a.txt')).body, 'one')
  symlinkSync('two', join(folder, 'next'))
  renameSync(join(folder, 'next'), join(folder, 'current'))
  for (;;) {
    const { status, body } = await site.ask('/s/a.txt')
    if (body === 'two') break
    assert.ok(body === 'one' || status === 403) // for a second at most
  }
})

test('a link that is put in the place of a file is never followed out, however it is timed', async (context) => {
  const { folder } = context
  write(context, { 'dir/x.txt': 'inside' })
  mkdirSync(join(folder, 'outside'))
  writeFileSync(join(folder, 'outside/x.txt'), SECRET)
  symlinkSync('../outside', join(folder, 'site/link'))
  const site = await start(context, { alias: ['/s/=site'], cache: 0 })
  const seen = new Set<number>()
  for (let count = 0; count < 150; count++) {
    const asked = Promise.all(Array.from({ length: 4 }, () => site.ask('/s/dir/x.txt')))
    for (let turn = 0; turn < 4; turn++) {
      await new Promise(setImmediate)
      renameSync(join(folder, 'site/dir'), join(folder, 'site/aside'))
      renameSync(join(folder, 'site/link'), join(folder, 'site/dir'))
      await new Promise(setImmediate)
      renameSync(join(folder, 'site/dir'), join(folder, 'site/link'))
      renameSync(join(folder, 'site/aside'), join(folder, 'site/dir'))
    }
    for (const { status, body } of await asked) {
      assert.ok(!body.includes(SECRET))
      seen.add(status)
    }
  }
  assert.ok(seen.has(200))
})

test('FIFOs, sockets and devices are refused, and nobody waits for them', async (context) => {
  const { folder } = context
  write(context, { 'a.txt': 'a' })
  execFileSync('mkfifo', [join(folder, 'site/fifo')])
  const server = createServer().listen(join(folder, 'site/socket'))
  context.undo.push(() => new Promise((closed) => server.close(closed)))
  symlinkSync('/dev/zero', join(folder, 'site/zero'))
  const site = await start(context, { alias: ['/s/=site'], followSymlinks: 'always' })
  for (const name of ['fifo', 'socket', 'zero']) {
    assert.is((await site.ask(`/s/${name}`)).status, 404, name)
  }
})

test('a file that shrinks while it is sent breaks its answer off, and no other', async (context) => {
  const size = 64 * 1_048_576
  write(context, { 'large.bin': '', 'a.txt': 'a' })
  const path = join(context.folder, 'site/large.bin')
  truncateSync(path, size)
  const site = await start(context, { alias: ['/s/=site'] })
  const rest = await changeAmid(site, 'GET /s/large.bin HTTP/1.1\r\nHost: test\r\n\r\n', () =>
    truncateSync(path, 1000),
  )
  assert.match(rest, `Content-Length: ${size}`)
  assert.ok(rest.length < size)
  assert.match(site.log(), 'became shorter')
  assert.is((await site.ask('/s/a.txt')).body, 'a')
})

test('a file that grows while it is sent is sent as long as it was', async (context) => {
  const size = 32 * 1_048_576
  write(context, { 'large.bin': '' })
  const path = join(context.folder, 'site/large.bin')
  truncateSync(path, size)
  const site = await start(context, { alias: ['/s/=site'] })
  const rest = await changeAmid(
    site,
    'GET /s/large.bin HTTP/1.1\r\nHost: test\r\n\r\nGET /s/none HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n',
    () => appendFileSync(path, 'x'.repeat(5_000_000)),
  )
  const at = rest.indexOf('\r\n\r\n') + 4 + size
  assert.match(rest.slice(at), /^HTTP\/1\.1 404 /)
})

test('a file that may not be read is 403', async (context) => {
  write(context, { 'a.txt': 'a' })
  const site = await start(context, { alias: ['/s/=site'] })
  rmSync(join(context.folder, 'site/a.txt'))
  symlinkSync('/proc/1/mem-none', join(context.folder, 'site/a.txt'))
  assert.is.not((await site.ask('/s/a.txt')).status, 200)
  const long = await site.ask(`/s/${'x'.repeat(300)}`)
  assert.is(long.status, 404)
})

test.run()
