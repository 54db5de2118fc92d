import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { removeLeftovers } from '../../leftovers.ts'
import { RuntimeDirectory } from '../../runtime-directory.ts'
import { processes, seePids, siteSuite, spawnerOf, until } from '../harness.ts'

const unit = suite<{ parent: string }>('what a crashed server has left')

unit.before.each((context) => {
  context.parent = mkdtempSync(join(tmpdir(), 'wsgi-core-leftovers-'))
})

unit.after.each(({ parent }) => rmSync(parent, { recursive: true, force: true }))

/** No process of today started so early. */
const DEAD = { started: '1' }

/** A folder as this process makes one, with another owner. */
function leave(parent: string, changes: Readonly<Record<string, unknown>>): RuntimeDirectory {
  const directory = new RuntimeDirectory(parent)
  const owner = JSON.parse(readFileSync(directory.file('owner'), 'utf8'))
  writeFileSync(directory.file('owner'), JSON.stringify({ ...owner, ...changes }))
  writeFileSync(directory.file('spool-1-1'), 'private')
  return directory
}

unit('is removed, that of a live one is not', ({ parent }) => {
  const dead = leave(parent, DEAD)
  const gone = leave(parent, { pid: 2 ** 30 })
  const live = leave(parent, {})
  removeLeftovers(parent)
  assert.equal(readdirSync(parent), [live.path.slice(parent.length + 1)])
  assert.is(existsSync(dead.path) || existsSync(gone.path), false)
})

unit('stays while a process still has its queue open', ({ parent }) => {
  const directory = leave(parent, DEAD)
  execFileSync('mkfifo', [directory.file('queue')])
  const worker = openSync(directory.file('queue'), constants.O_RDONLY | constants.O_NONBLOCK)
  removeLeftovers(parent)
  assert.is(existsSync(directory.path), true)
  closeSync(worker)
  removeLeftovers(parent)
  assert.is(existsSync(directory.path), false)
})

unit(
  'of another container is judged by its queue, as its process numbers say nothing',
  ({ parent }) => {
    const other = { space: 'pid:[1]' }
    const unknown = leave(parent, { ...DEAD, ...other })
    const ended = leave(parent, other)
    execFileSync('mkfifo', [ended.file('queue')])
    removeLeftovers(parent)
    assert.is(existsSync(unknown.path), true)
    assert.is(existsSync(ended.path), false)
  },
)

unit('is left alone where it may belong to somebody else', ({ parent }) => {
  leave(parent, { ...DEAD, boot: 'another machine' })
  chmodSync(leave(parent, DEAD).path, 0o755)
  writeFileSync(leave(parent, {}).file('owner'), 'no owner')
  rmSync(leave(parent, {}).file('owner'))
  const target = leave(join(parent, '..'), DEAD)
  symlinkSync(target.path, join(parent, 'wsgi-core-abcdef'))
  mkdirSync(join(parent, 'wsgi-core-mine-000000'))
  const before = readdirSync(parent)
  removeLeftovers(parent)
  assert.equal(readdirSync(parent), before)
  assert.is(existsSync(target.file('owner')), true)
  target.remove()
})

unit.run()

const test = siteSuite('kill -9 of server and spawner at once')

test('leaves no process, and no folder behind the next start', async ({ site }) => {
  site.write('config.json', JSON.stringify({ wsgi: { tmpUploadDir: 'uploads' } }))
  mkdirSync(site.file('uploads'))
  const setup = ['-w', '2', '--config', 'config.json']
  const server = await site.start(setup)
  await seePids(server, 2)
  process.kill(await spawnerOf(server), 'SIGKILL')
  await site.crash(server)
  await until('no process is left', () => processes(server).length === 0)
  assert.is(readdirSync(server.folder).length, 1)
  assert.is(readdirSync(site.file('uploads')).length, 1)

  const next = await site.start(setup, 'life:app', { env: { TMPDIR: server.folder } })
  assert.is((await next.request('/pid')).status, 200)
  assert.is(readdirSync(server.folder).length, 1, 'its own')
  assert.is(readdirSync(site.file('uploads')).length, 1)
  next.signal('SIGTERM')
  await next.ended
  assert.equal(readdirSync(server.folder), [])
  assert.equal(readdirSync(site.file('uploads')), [])
})

test('and the folder of a live one is private', async ({ site }) => {
  const server = await site.start(['-w', '1'])
  const [name] = readdirSync(server.folder) as [string]
  const folder = join(server.folder, name)
  assert.is(statSync(folder).mode & 0o777, 0o700)
  assert.is(JSON.parse(readFileSync(join(folder, 'owner'), 'utf8')).pid, server.pid)
})

test('does not touch the folder of a server that lives beside it', async ({ site }) => {
  const server = await site.start(['-w', '1'])
  const next = await site.start(['-w', '1'], 'life:app', { env: { TMPDIR: server.folder } })
  assert.is(readdirSync(server.folder).length, 2)
  next.signal('SIGTERM')
  await next.ended
  assert.is(readdirSync(server.folder).length, 1)
  assert.is((await server.request('/pid')).status, 200)
})

test.run()
