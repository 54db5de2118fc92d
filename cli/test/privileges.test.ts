import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { runCommand, ServerProcess, startServer, until } from '../../test/helpers/server-process.ts'

const APP = fileURLToPath(new URL('fixtures/identity.py', import.meta.url))
const BIN = fileURLToPath(new URL('../../bin/wsgi-core.js', import.meta.url))
const USER = 'nobody'

interface Context {
  folder: string
  servers: ServerProcess[]
}

const test = suite<Context>('another user')
const uid = idOf('-u')
const gid = idOf('-g')
const obstacle = findObstacle()
if (obstacle) console.log(`skipped: ${obstacle}`)
const check = obstacle ? (name: string) => test.skip(name) : test

function idOf(option: string): number {
  return Number(spawnSync('id', [option, USER], { encoding: 'utf8' }).stdout || Number.NaN)
}

/** Why the server cannot become another user here. */
function findObstacle(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can become another user'
  if (Number.isNaN(uid)) return `there is no user '${USER}'`
  const paths = JSON.stringify([BIN, tmpdir()])
  const read = `for (const path of ${paths}) require('fs').accessSync(path)`
  const commands = [[process.execPath, '-e', read], ...['python3', 'setpriv'].map(versionOf)]
  for (const [program = '', ...args] of commands) {
    const { status } = spawnSync(program, args, { uid, gid })
    if (status !== 0) return `'${USER}' may not use ${program}, or what it needs`
  }
  return undefined
}

function versionOf(program: string): string[] {
  return [program, '--version']
}

test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'wsgi-core-user-'))
  context.servers = []
  chmodSync(context.folder, 0o755)
  cpSync(APP, join(context.folder, 'identity.py'))
  if (obstacle) return
  for (const name of ['tmp', 'log']) {
    mkdirSync(join(context.folder, name))
    chownSync(join(context.folder, name), uid, gid)
  }
})

test.after.each(async ({ folder, servers }) => {
  for (const server of servers) await server.kill()
  rmSync(folder, { recursive: true })
})

const settings = ({ folder }: Context) => ({ cwd: folder, env: { TMPDIR: join(folder, 'tmp') } })

async function start(context: Context, args: string[], options = {}): Promise<ServerProcess> {
  const server = await startServer([...args, 'identity:app'], { ...settings(context), ...options })
  context.servers.push(server)
  return server
}

const who = async (server: ServerProcess) => JSON.parse((await server.request('/')).body)

/** A port that root alone may bind. */
async function lowPort(): Promise<number> {
  for (let port = 1023; ; port--) {
    const server = createServer().listen(port, '127.0.0.1')
    const [error] = await Promise.race([once(server, 'listening'), once(server, 'error')])
    if (error) continue
    server.close()
    await once(server, 'close')
    return port
  }
}

const REQUEST = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

const statusOf = (pid: number, name: string) =>
  new RegExp(`^${name}:\\s+(.*?)\\s*$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]

check('has all of the server from before the application is imported', async (context) => {
  const server = await start(context, ['-u', USER], { bind: `127.0.0.1:${await lowPort()}` })
  const [all, allGroups] = [uid, gid].map((id) => [id, id, id])
  const expected = { import: uid, uids: all, gids: allGroups, groups: [gid], rises: false }
  assert.equal(await who(server), expected)
  assert.is(statusOf(server.pid, 'Uid'), `${uid}\t${uid}\t${uid}\t${uid}`)
  assert.is(statusOf(server.pid, 'Gid'), `${gid}\t${gid}\t${gid}\t${gid}`)
  assert.is(statusOf(server.pid, 'Groups'), `${gid}`)
  assert.is(statusOf(server.pid, 'CapEff'), '0000000000000000')
})

check('gets answers of every kind, and reloads', async (context) => {
  const server = await start(context, ['-u', String(uid)])
  assert.is((await server.request('/big')).bytes.length, 3_000_000)
  assert.is((await server.request('/file')).body, 'f'.repeat(100_000))
  const body = Buffer.alloc(2_000_000)
  assert.is((await server.request('/upload', { method: 'POST', body })).body, '2000000')
  server.signal('SIGHUP')
  await server.line(/Reloaded/)
  assert.is((await who(server)).import, uid)
  assert.is(await server.stop(), 0)
})

check('owns logs and Unix sockets, which it can open anew', async (context) => {
  const { folder } = context
  const log = join(folder, 'log', 'access')
  const bind = `unix:${join(folder, 'socket')}`
  const server = await start(context, ['-u', USER, '-m', '0117', '--access-logfile', log], { bind })
  assert.equal([statSync(log).uid, statSync(log).mode & 0o777], [uid, 0o640])
  const socket = statSync(join(folder, 'socket'))
  assert.equal([socket.uid, socket.gid, socket.mode & 0o777], [uid, gid, 0o660])
  renameSync(log, `${log}.1`)
  server.signal('SIGUSR1')
  await until('the log is there again', () => existsSync(log))
  assert.is(statSync(log).uid, uid)
})

check('has all of several fronts, too', async (context) => {
  const { folder } = context
  const bind = `unix:${join(folder, 'socket')}`
  const args = ['-u', USER, '--fronts', '2', '--plugins', 'health', '-n', 'shop']
  const server = await start(context, args, { bind })
  assert.is((await who(server)).import, uid)
  assert.is(statSync(join(folder, 'socket')).mode & 0o777, 0o777)
  const children = `/proc/${server.pid}/task/${server.pid}/children`
  const fronts = readFileSync(children, 'utf8').trim().split(' ').map(Number)
  assert.ok(fronts.length > 2)
  for (const pid of fronts) assert.is(statusOf(pid, 'Uid'), `${uid}\t${uid}\t${uid}\t${uid}`)
  const titles = fronts.map((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8'))
  assert.is(titles.filter((title) => title.startsWith('wsgi-core: shop')).length, 2)
  assert.is((await server.request('/-/ready')).body, '{"status":"ready"}')
  server.signal('SIGHUP')
  await server.line(/Reloaded/)
  assert.is((await who(server)).import, uid)
})

check('is given no file that a link leads to', async (context) => {
  const target = join(context.folder, 'precious')
  writeFileSync(target, '')
  symlinkSync(target, join(context.folder, 'log', 'access'))
  await start(context, ['-u', USER, '--access-logfile', 'log/access'])
  assert.is(statSync(target).uid, 0)
})

check('leaves root its pid file, emptied where it cannot be removed', async (context) => {
  const pidfile = join(context.folder, 'pid')
  const server = await start(context, ['-u', USER, '-p', pidfile])
  assert.is(readFileSync(pidfile, 'utf8'), `${server.pid}\n`)
  assert.equal([statSync(pidfile).uid, statSync(pidfile).mode & 0o777], [0, 0o644])
  assert.is(await server.stop(), 0)
  assert.is(readFileSync(pidfile, 'utf8'), '')
})

check('has the groups of --group and --initgroups', async (context) => {
  const server = await start(context, ['-u', USER, '-g', 'daemon', '--initgroups'])
  const { gids, groups } = await who(server)
  const daemon = Number(
    execFileSync('getent', ['group', 'daemon'], { encoding: 'utf8' }).split(':')[2],
  )
  const further = execFileSync('id', ['-G', USER], { encoding: 'utf8' })
    .trim()
    .split(' ')
    .map(Number)
  assert.equal(gids, [daemon, daemon, daemon])
  assert.ok(groups.includes(daemon))
  for (const each of groups) assert.ok([daemon, ...further].includes(each))
})

check('is that of --check-config too', async (context) => {
  const code =
    'import os\nopen("log/seen", "w").write(str(os.geteuid()))\nfrom identity import app\n'
  writeFileSync(join(context.folder, 'checked.py'), code)
  const bind = 'unix:socket' // which is not made
  const options = { ...settings(context), bind }
  const end = await runCommand(['--check-config', '-u', USER, 'checked:app'], options)
  assert.is(end.code, 0, end.output)
  assert.is(readFileSync(join(context.folder, 'log', 'seen'), 'utf8'), String(uid))
})

check('has its requests wait that come before the application is there', async (context) => {
  const go = join(context.folder, 'log', 'go')
  const bind = `unix:${join(context.folder, 'socket')}`
  const { cwd, env } = settings(context)
  const options = { cwd, bind, env: { ...env, WAIT_FOR: go } }
  const server = new ServerProcess(['-u', USER, 'identity:app'], options)
  context.servers.push(server)
  await until('the application is imported', () => existsSync(`${go}.begun`))
  const connection = connect(join(context.folder, 'socket'))
  await new Promise((written) => connection.write(REQUEST, written))
  writeFileSync(go, '')
  assert.match(await text(connection), /"import": \d+/)
})

check('cannot be another one after a reload', async (context) => {
  const file = join(context.folder, 'wsgi-core.config.json')
  writeFileSync(file, JSON.stringify({ user: USER }))
  const server = await start(context, [])
  writeFileSync(file, JSON.stringify({ user: 'daemon' }))
  server.signal('SIGHUP')
  await server.line(/the reload failed; the server goes on as it was/)
  assert.match(server.log(), /start the server anew for that/)
  assert.is((await server.request('/')).status, 200)
})

check('cannot be had from a server that is not root', async (context) => {
  const wrapper = ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups']
  const end = await runCommand(['-u', 'daemon', 'identity:app'], { ...settings(context), wrapper })
  assert.is(end.code, 1)
  assert.match(end.output, "cannot become 'daemon': only root may; start the server as root, or as")
  const same = await start(context, ['-u', USER], { wrapper })
  assert.is((await who(same)).import, uid)
})

test('must exist', async (context) => {
  const options = { cwd: context.folder }
  const end = await runCommand(['-u', 'nobody-here', '-g', 'nor-here', 'identity:app'], options)
  assert.is(end.code, 2)
  assert.match(end.output, "argument --user: there is no user 'nobody-here'")
  assert.match(end.output, "argument --group: there is no group 'nor-here'")
})

test('is not needed for a mask', async (context) => {
  const modes = { '0': 0o777, '0o27': 0o750, '0x12': 0o755 }
  for (const [mask, mode] of Object.entries(modes)) {
    const bind = `unix:${join(context.folder, `socket-${mask}`)}`
    const server = await start(context, ['-m', mask], { bind, env: {} })
    assert.is(statSync(join(context.folder, `socket-${mask}`)).mode & 0o777, mode, mask)
    await server.stop()
  }
  const end = await runCommand(['-m', '999', 'identity:app'], { cwd: context.folder })
  assert.is(end.code, 2)
  assert.match(end.output, 'argument --umask: must be a mask from 0 to 0777')
})

test.run()
