import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { get } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { runCommand, ServerProcess, until } from '../../test/helpers/server-process.ts'

const APP = fileURLToPath(new URL('fixtures/environment.py', import.meta.url))

interface Context {
  folder: string
}

const test = suite<Context>('a server in the background')

test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'wsgi-core-daemon-'))
  cpSync(APP, join(context.folder, 'environment.py'))
})

test.after.each(async ({ folder }) => {
  const pid = pidOf(folder)
  if (pid) process.kill(pid, 'SIGKILL')
  rmSync(folder, { recursive: true, maxRetries: 20 }) // its processes may still be tidying up in there
})

const DAEMON = ['-D', '-p', 'pid', '--error-logfile', 'log']

const run = ({ folder }: Context, args = DAEMON, target = 'environment:app') =>
  runCommand([...args, target], { cwd: folder, bind: 'unix:socket', env: { TMPDIR: folder } })

function pidOf(folder: string): number | undefined {
  const path = join(folder, 'pid')
  return existsSync(path) ? Number(readFileSync(path, 'utf8')) : undefined
}

const logOf = ({ folder }: Context) => readFileSync(join(folder, 'log'), 'utf8')

/** `/proc/PID/stat` behind the name: state, parent, group, session, terminal. */
function statOf(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

async function request({ folder }: Context): Promise<{ pid: number; env: object }> {
  const reply = await new Promise<string>((resolve, reject) => {
    get({ socketPath: join(folder, 'socket') }, (incoming) => resolve(text(incoming))).on(
      'error',
      reject,
    )
  })
  return JSON.parse(reply)
}

async function gone(pid: number): Promise<void> {
  await until('it is gone', () => !existsSync(`/proc/${pid}`) || statOf(pid)[0] === 'Z')
}

test('serves when the command has ended', async (context) => {
  const end = await run(context)
  assert.equal([end.code, end.output], [0, ''])
  const { env } = await request(context) // at once
  assert.not(Object.keys(env).some((name) => /DETACHED|NODE_CHANNEL/.test(name)))
  const pid = pidOf(context.folder) as number
  const [, , group, session, terminal] = statOf(pid)
  assert.equal([group, session, terminal], [String(pid), String(pid), '0'])
  for (const number of [0, 1]) assert.is(readlinkSync(`/proc/${pid}/fd/${number}`), '/dev/null')
  assert.match(logOf(context), /Listening at: unix:/)
})

test('obeys signals: HUP, USR1, TERM', async (context) => {
  await run(context)
  const pid = pidOf(context.folder) as number
  process.kill(pid, 'SIGHUP')
  await until('it has reloaded', () => /Reloaded/.test(logOf(context)))
  rmSync(join(context.folder, 'log'))
  process.kill(pid, 'SIGUSR1')
  await until('it has another log', () => existsSync(join(context.folder, 'log')))
  process.kill(pid, 'SIGTERM')
  await gone(pid)
  assert.is(existsSync(join(context.folder, 'pid')), false)
  assert.match(logOf(context), /Shutting down: Master/)
})

test('that fails says why where it was started, with its exit code', async (context) => {
  writeFileSync(join(context.folder, 'broken.py'), 'raise OSError("no database")\n')
  const end = await run(context, DAEMON, 'broken:app')
  assert.is(end.code, 3)
  assert.match(end.output, /wsgi-core: error: .*no database/)
  assert.match(end.output, /Traceback \(most recent call last\)/)
  assert.is(pidOf(context.folder), undefined)
  assert.is((await run(context, [...DAEMON, '--keep-alive', 'soon'])).code, 2)
})

test('cannot take an address that is in use', async (context) => {
  const other = createServer().listen(join(context.folder, 'socket'))
  await once(other, 'listening')
  const end = await run(context)
  other.close()
  assert.is(end.code, 1)
  assert.match(end.output, 'is in use')
})

test('says why its log cannot be opened', async (context) => {
  const end = await run(context, ['-D', '-p', 'pid', '--error-logfile', 'nowhere/log'])
  assert.is(end.code, 1)
  assert.match(end.output, /log file '.*nowhere\/log' cannot be opened/)
})

test('warns where its logs would go nowhere', async (context) => {
  const end = await run(context, ['-D', '-p', 'pid', '--access-logfile', '-'])
  assert.is(end.code, 0)
  assert.match(end.output, 'wsgi-core: warning: the error log goes nowhere; name a file')
  assert.match(end.output, 'wsgi-core: warning: the access log goes nowhere; name a file')
})

test('does not come up where the start is given up', async (context) => {
  const wait = 'import os, time\nopen("begun", "w")\nwhile True: time.sleep(0.01)\n'
  writeFileSync(join(context.folder, 'waits.py'), wait)
  const options = { cwd: context.folder, bind: 'unix:socket', env: { TMPDIR: context.folder } }
  for (const signal of ['SIGINT', 'SIGKILL'] as const) {
    const command = new ServerProcess([...DAEMON, 'waits:app'], options)
    await until('the application is imported', () => existsSync(join(context.folder, 'begun')))
    command.signal(signal)
    await command.ended
    await until('the server has stopped', () => /Shutting down: Master/.test(logOf(context)))
    rmSync(join(context.folder, 'log'))
    rmSync(join(context.folder, 'begun'))
    await command.kill()
  }
})

test('is refused where systemd does that', async (context) => {
  const env = { NOTIFY_SOCKET: '/run/nowhere' }
  const end = await runCommand([...DAEMON, 'environment:app'], { cwd: context.folder, env })
  assert.is(end.code, 1)
  assert.match(end.output, 'leave --daemon away')
})

test('has the name that it was given, and so have its workers', async (context) => {
  await run(context, [...DAEMON, '-n', 'shop'])
  const server = pidOf(context.folder) as number
  const { pid: worker } = await request(context)
  assert.match(readFileSync(`/proc/${server}/cmdline`, 'utf8'), /^wsgi-core: shop/)
  assert.match(readFileSync(`/proc/${worker}/cmdline`, 'utf8'), /spawner\.py\0shop/)
  assert.is(readFileSync(`/proc/${worker}/comm`, 'utf8'), 'shop\n')
})

test.run()
