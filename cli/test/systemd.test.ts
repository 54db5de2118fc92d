import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type ServerProcess, startServer, until } from '../../test/helpers/server-process.ts'
import { takeSystemd } from '../systemd.ts'

const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))

const variables = suite('the variables of systemd')

variables('are read and taken away', () => {
  const env = {
    PATH: '/bin',
    LISTEN_PID: '7',
    LISTEN_FDS: '2',
    LISTEN_FDNAMES: 'http:admin',
    NOTIFY_SOCKET: '@/run/notify',
    WATCHDOG_USEC: '3000000',
    WATCHDOG_PID: '7',
  }
  assert.equal(takeSystemd(env, 7), {
    sockets: [3, 4],
    names: ['http', 'admin'],
    notifySocket: '@/run/notify',
    watchdog: 3000,
  })
  assert.equal(env, { PATH: '/bin' } as unknown)
})

variables('of another process do not count', () => {
  const env = { LISTEN_PID: '8', LISTEN_FDS: '2', WATCHDOG_USEC: '5', WATCHDOG_PID: '8' }
  const none = { sockets: [], names: [], notifySocket: undefined, watchdog: undefined }
  assert.equal(takeSystemd(env, 7), none)
})

variables('that are no numbers count as none', () => {
  assert.equal(takeSystemd({ LISTEN_PID: '7', LISTEN_FDS: '-1' }, 7).sockets, [])
  assert.is(takeSystemd({ WATCHDOG_USEC: 'soon' }, 7).watchdog, undefined)
})

variables.run()

interface Context {
  folder: string
  servers: ServerProcess[]
  receivers: ChildProcess[]
}

const service = suite<Context>('a service of systemd')

service.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'wsgi-core-systemd-'))
  cpSync(fixture('environment.py'), join(context.folder, 'environment.py'))
  context.servers = []
  context.receivers = []
})

service.after.each(async ({ folder, servers, receivers }) => {
  for (const server of servers) await server.kill()
  for (const receiver of receivers) {
    receiver.kill()
    await once(receiver, 'close')
  }
  rmSync(folder, { recursive: true })
})

async function start(context: Context, args: string[], options: object): Promise<ServerProcess> {
  const server = await startServer([...args, 'environment:app'], {
    cwd: context.folder,
    ...options,
  })
  context.servers.push(server)
  return server
}

interface Message {
  readonly pid: number
  readonly message: string
}

/** A listening NOTIFY_SOCKET. @returns what has come there so far, and what waits for more. */
async function receive(context: Context, address: string) {
  const process = spawn('python3', [fixture('notify-receiver.py'), address])
  context.receivers.push(process)
  let text = ''
  process.stdout.setEncoding('utf8').on('data', (chunk) => {
    text += chunk
  })
  const messages = (): Message[] =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line))
  const came = (start: string) =>
    until(`systemd is told ${start}`, () =>
      messages().some(({ message }) => message.startsWith(start)),
    )
  await came('listening')
  return { messages: () => messages().slice(1), came, process }
}

for (const kind of ['a path', 'an abstract socket']) {
  service(`tells by itself when it is ready, reloads and stops, at ${kind}`, async (context) => {
    const path = join(context.folder, 'notify')
    const address = kind === 'a path' ? path : `@${path}`
    const { messages, came } = await receive(context, address)
    const server = await start(context, [], { env: { NOTIFY_SOCKET: address } })
    await came('READY=1\nMAINPID')
    server.signal('SIGHUP')
    await came('READY=1\nSTATUS')
    server.signal('SIGTERM')
    await came('STOPPING=1')
    assert.is((await server.ended).code, 0)
    const status = `STATUS=Serving at ${server.url}`
    const said = messages().map(({ message }) => message.replace(/(USEC)=\d+/, '$1'))
    assert.equal(said, [
      `READY=1\nMAINPID=${server.pid}\n${status}`,
      'RELOADING=1\nMONOTONIC_USEC',
      `READY=1\n${status}`,
      'STOPPING=1\nSTATUS=Stopping',
    ])
    assert.ok(
      messages().every(({ pid }) => pid === server.pid),
      'NotifyAccess=main suffices',
    )
  })
}

service('is ready again after a reload that failed, and says why', async (context) => {
  const address = join(context.folder, 'notify')
  const { messages, came } = await receive(context, address)
  const server = await start(context, [], { env: { NOTIFY_SOCKET: address } })
  await came('READY=1')
  writeFileSync(join(context.folder, 'environment.py'), 'raise OSError("no database")\n')
  server.signal('SIGHUP')
  await came('READY=1\nSTATUS')
  assert.match(
    messages().at(-1)?.message ?? '',
    /Serving at http.*the last reload failed: .*no database/,
  )
})

service(
  'says that it lives as often as the watchdog asks, and not when it hangs',
  async (context) => {
    const address = join(context.folder, 'notify')
    const { messages, came } = await receive(context, address)
    const env = { NOTIFY_SOCKET: address, WATCHDOG_USEC: '200000' }
    const server = await start(context, [], { env })
    const beats = () => messages().filter(({ message }) => message === 'WATCHDOG=1').length
    /** What was sent before this has come before it. @returns how many beats those were. */
    const hearOut = async (sign: string) => {
      spawnSync('python3', ['-c', SEND, address, sign])
      await came(sign)
      return beats()
    }
    await came('WATCHDOG=1')
    await until('there are more', () => beats() > 3)
    server.signal('SIGSTOP')
    await until('it is stopped', () => stateOf(server.pid) === 'T')
    const sent = await hearOut('first')
    await new Promise((resolve) => setTimeout(resolve, 600))
    assert.is(await hearOut('second'), sent)
    server.signal('SIGCONT')
    await until('it goes on', () => beats() > sent + 2)
  },
)

service('serves without systemd where nobody listens, and says so', async (context) => {
  const env = { NOTIFY_SOCKET: join(context.folder, 'nobody') }
  const server = await start(context, [], { env })
  await server.line(/\[ERROR\] systemd cannot be told that the server is ready/)
  assert.is((await server.request('/')).status, 200)
})

service('keeps its variables from the application', async (context) => {
  const address = join(context.folder, 'notify')
  await receive(context, address)
  const env = {
    NOTIFY_SOCKET: address,
    WATCHDOG_USEC: '90000000',
    LISTEN_FDS: '1',
    LISTEN_PID: '1',
  }
  const server = await start(context, [], { env })
  const { env: given } = JSON.parse((await server.request('/')).body)
  const seen = Object.keys(given)
  assert.equal(
    seen.filter((name) => /^(LISTEN_|NOTIFY_|WATCHDOG_)/.test(name)),
    [],
  )
})

for (const fronts of ['1', '2']) {
  service(`serves at the sockets of socket units alone, with ${fronts} fronts`, async (context) => {
    const wrapper = ['python3', fixture('socket-unit.py'), '2']
    const server = await start(context, ['--fronts', fronts], { wrapper })
    const listening = () => [...server.log().matchAll(/Listening at: (\S+)/g)].map(([, url]) => url)
    await until('it listens at both', () => listening().length === 2)
    await server.line(/\[WARNING\].*--bind: not used, the sockets are those that systemd has/)
    server.signal('SIGHUP')
    await server.line(/Reloaded/)
    for (const url of listening()) assert.is((await fetch(url as string, CLOSE)).status, 200)
  })
}

service('passes the sockets of its units to no other process', async (context) => {
  const server = await start(context, [], { wrapper: ['python3', fixture('socket-unit.py'), '2'] })
  const { pid } = JSON.parse((await server.request('/')).body)
  const theirs = filesOf(pid)
  for (const number of [3, 4]) {
    const socket = readlinkSync(`/proc/${server.pid}/fd/${number}`)
    assert.match(socket, /^socket:/)
    assert.not(theirs.includes(socket))
  }
})

const SEND = `
import socket, sys
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(sys.argv[2].encode(), sys.argv[1])
`

const CLOSE = { headers: { connection: 'close' } }

const filesOf = (pid: number) =>
  readdirSync(`/proc/${pid}/fd`).map((number) => readlinkSync(`/proc/${pid}/fd/${number}`))

const stateOf = (pid: number) => /\) (\w) /.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.[1]

service.run()
