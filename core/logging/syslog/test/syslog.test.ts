import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Context, portOf, sayGeneration, start, withServers } from '../../../test/support.ts'
import { parseSyslogAddress } from '../address.ts'
import { messageMaker } from '../message.ts'
import { createTransport } from '../transports.ts'

const until = async (condition: () => boolean) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20))
}

const addresses = suite('address of a syslog')

addresses('is read as gunicorn reads it', () => {
  const udp = (host: string, port = 514) => ({ kind: 'udp', host, port })
  assert.equal(parseSyslogAddress('udp://localhost:514'), udp('localhost'))
  assert.equal(parseSyslogAddress('udp://log.example'), udp('log.example'))
  assert.equal(parseSyslogAddress('udp://:1514'), udp('localhost', 1514))
  assert.equal(parseSyslogAddress('udp://[::1]:99'), udp('::1', 99))
  assert.equal(parseSyslogAddress('tcp://10.0.0.1:601'), {
    kind: 'tcp',
    host: '10.0.0.1',
    port: 601,
  })
  const unix = (type: string | undefined) => ({ kind: 'unix', path: '/dev/log', type })
  assert.equal(parseSyslogAddress('unix:///dev/log'), unix(undefined))
  assert.equal(parseSyslogAddress('unix:///dev/log#dgram'), unix('dgram'))
  assert.equal(parseSyslogAddress('unix:///dev/log#stream'), unix('stream'))
})

addresses('that is none says how one is written', () => {
  const wrong = ['', 'localhost', 'http://a', 'udp://a:b', 'udp://a:0', 'udp://a:65536', 'unix://a']
  for (const text of [...wrong, 'unix:///a#x', 'udp://a b']) {
    assert.throws(() => parseSyslogAddress(text), 'must be udp://HOST:PORT, tcp://HOST:PORT')
  }
})
addresses.run()

const messages = suite('message for a syslog')

messages('has the head of RFC 5424', () => {
  const make = messageMaker({ facility: 'local3', name: 'shop' })
  const time = Date.parse('2026-11-22T22:40:32.123Z')
  assert.match(
    make('error', time, 'error', 'größe'),
    new RegExp(`^<155>1 2026-11-22T22:40:32\\.123Z [!-~]+ shop ${process.pid} error - größe$`),
  )
  assert.match(make('critical', time, 'error', 'x'), /^<154>1 /)
  assert.match(make('info', time, 'access', 'x'), /^<158>1 .* access - x$/)
  assert.match(messageMaker({ facility: 'kern', name: 'x' })('debug', time, 'error', ''), /^<7>1 /)
})

messages('is one line, of bounded length', () => {
  const make = messageMaker({ facility: 'user', name: 'x' })
  assert.match(make('info', 0, 'error', 'a\n  b\n'), / - a\\n {2}b$/)
  const long = make('info', 0, 'error', `begin${'.'.repeat(1e6)}end`)
  assert.match(long, / - begin\.+ \.\.\. \.+end$/)
  assert.ok(long.length < 33_000)
  assert.ok(Buffer.byteLength(make('info', 0, 'error', '語'.repeat(1e6))) < 33_000)
})
messages.run()

const transports = suite('way to a syslog')

const sendOver = (address: string) => createTransport(parseSyslogAddress(address)).send(['a', 'b'])

transports('keeps what is for an address that cannot be connected to', async () => {
  const { left, lost, error } = await sendOver('udp://255.255.255.255:514')
  assert.equal([left, lost], [2, 0])
  assert.match((error as Error).message, 'EACCES')
})

transports('keeps messages where there is no descriptor left', async () => {
  const file = fileURLToPath(new URL('without-descriptors.ts', import.meta.url))
  const child = spawn(
    'sh',
    ['-c', 'ulimit -n 100 && exec "$0" --import tsx "$1"', process.execPath, file],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  assert.equal(JSON.parse(await text(child.stdout)), [2, 2, 2])
})
transports.run()

const servers = withServers('syslog')

const HEAD = '1 \\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z [!-~]+'
const ACCESS = '127\\.0\\.0\\.1 - - \\[.*\\] "GET /\\?a HTTP/1\\.1" 200 1 "-" "-"'

async function udpReceiver({ undo }: Context) {
  const socket = createSocket('udp4')
  const lines: string[] = []
  socket.on('message', (message) => lines.push(message.toString()))
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  undo.push(() => socket.close())
  return { lines, logSyslogTo: `udp://127.0.0.1:${socket.address().port}` }
}

servers('by UDP gets the error log and the access log', async (context) => {
  const { lines, logSyslogTo } = await udpReceiver(context)
  const names = { logSyslogPrefix: 'shop', logSyslogFacility: 'local0' }
  const { request, server } = await start(context, sayGeneration, {
    logSyslog: true,
    logSyslogTo,
    ...names,
  })
  await request('/?a')
  server.log?.warn({ a: 1 }, 'größe')
  await until(() => lines.length >= 3)
  const { pid } = process
  const [first, access, warning] = lines as [string, string, string]
  assert.match(
    first,
    new RegExp(`^<134>${HEAD} shop ${pid} error - Listening at: http://\\S+ \\(\\d+\\)$`),
  )
  assert.match(access, new RegExp(`^<134>${HEAD} shop ${pid} access - ${ACCESS}$`))
  assert.match(warning, new RegExp(`^<132>${HEAD} shop ${pid} error - größe a=1$`))
})

servers(
  'gets JSON where the logs are JSON, and no access log where it shall not',
  async (context) => {
    const { lines, logSyslogTo } = await udpReceiver(context)
    const accessLogfile = join(context.folder, 'access.log')
    const { request, server } = await start(context, sayGeneration, {
      logSyslog: true,
      logSyslogTo,
      logFormat: 'json',
      accessLogfile,
      disableRedirectAccessToSyslog: true,
    })
    await request('/?a')
    server.log?.error(new Error('a\nb'))
    await until(() => lines.length >= 2)
    assert.is(lines.length, 2)
    const [, json = ''] =
      /^<11>1 \S+ \S+ wsgi-core \d+ error - (\{.*\})$/.exec(lines[1] ?? '') ?? []
    assert.match(JSON.parse(json).err.stack, /^Error: a\nb\n/)
  },
)

servers(
  'that does not listen loses lines, which is said once and in the log alone',
  async (context) => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1')
    await once(socket, 'listening')
    const { port } = socket.address()
    socket.close()
    const to = { logSyslog: true, logSyslogTo: `udp://127.0.0.1:${port}` }
    const { request, log } = await start(context, sayGeneration, to)
    const said = () => log().match(/is losing lines: .*ECONNREFUSED/g)?.length ?? 0
    while (said() === 0) assert.is((await request('/')).status, 200)
    for (let count = 0; count < 20; count++) assert.is((await request('/')).status, 200)
    assert.is(said(), 1)
  },
)

interface Streams {
  readonly lines: string[]
  close(): Promise<void>
  readonly server: Server
}

async function streamReceiver(
  where: { port: number; host: string } | { path: string },
): Promise<Streams> {
  const lines: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    createInterface({ input: socket }).on('line', (line) => lines.push(line))
  })
  server.listen(where)
  await once(server, 'listening')
  const close = async () => {
    for (const socket of sockets) socket.destroy()
    if (!server.listening) return
    server.close()
    await once(server, 'close')
  }
  return { lines, close, server }
}

const logTo = (
  server: { server: { log?: { info(text: string): void } | undefined } },
  texts: string[],
) => {
  for (const text of texts) server.server.log?.info(text)
}
const names = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`)
const textOf = (line: string) => line.slice(line.indexOf(' - ') + 3)

servers('by TCP that goes away gets what was logged meanwhile when it is back', async (context) => {
  const first = await streamReceiver({ port: 0, host: '127.0.0.1' })
  const port = portOf(first.server)
  const server = await start(context, sayGeneration, {
    logSyslog: true,
    logSyslogTo: `tcp://127.0.0.1:${port}`,
  })
  logTo(server, ['before'])
  await until(() => first.lines.some((line) => textOf(line) === 'before'))
  await first.close()
  await server.request('/') // takes some turns of the event loop, in one of which the end is heard of
  logTo(server, names('kept', 500))
  await until(() => /the syslog cannot be reached.* reason=.*ECONNREFUSED/.test(server.log()))
  const second = await streamReceiver({ port, host: '127.0.0.1' })
  context.undo.push(second.close)
  await until(() => second.lines.some((line) => textOf(line) === 'kept499'))
  const kept = second.lines.map(textOf).filter((text) => text.startsWith('kept'))
  assert.equal(kept, names('kept', 500))
})

servers(
  'that is away for long costs a bounded memory; what is lost is counted',
  async (context) => {
    const path = join(context.folder, 'log')
    const logSyslogTo = `unix://${path}#stream`
    const server = await start(context, sayGeneration, { logSyslog: true, logSyslogTo })
    const texts = names('.'.repeat(1000), 3000)
    logTo(server, texts)
    await until(() => server.log().includes('is losing lines'))
    const receiver = await streamReceiver({ path })
    context.undo.push(receiver.close)
    await until(() => server.log().includes('lines for the syslog were lost'))
    const lost = Number(/lines for the syslog were lost lines=(\d+)/.exec(server.log())?.[1])
    const came = receiver.lines.filter((line) => line.includes('....')).length
    assert.ok(lost > 1000 && came > 500, `${lost} lost, ${came} came`)
    assert.is(lost + came, texts.length)
  },
)

const RECEIVER = `
import json, socket, sys
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(sys.argv[1])
print(json.dumps("ready"), flush=True)
while True:
    print(json.dumps(receiver.recv(65536).decode()), flush=True)
`

/** Receives datagrams at a Unix socket, which Node cannot. */
async function datagramReceiver({ undo }: Context, path: string) {
  rmSync(path, { force: true })
  const stdio = ['ignore', 'pipe', 'inherit'] as ['ignore', 'pipe', 'inherit']
  const child = spawn('python3', ['-c', RECEIVER, path], { stdio })
  undo.push(() => child.kill())
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(JSON.parse(line)))
  await until(() => lines[0] === 'ready' && existsSync(path))
  const stop = async () => {
    child.kill()
    await once(child, 'exit')
  }
  return { lines, stop }
}

for (const type of ['#dgram', '']) {
  servers(
    `at a Unix datagram socket${type && `, ${type}`}, survives its restart`,
    async (context) => {
      const path = join(context.folder, 'log')
      const first = await datagramReceiver(context, path)
      const logSyslogTo = `unix://${path}${type}`
      const server = await start(context, sayGeneration, { logSyslog: true, logSyslogTo })
      await server.request('/?a')
      await until(() => first.lines.length >= 3)
      assert.match(
        first.lines[1] ?? '',
        new RegExp(`^<14>${HEAD} wsgi-core \\d+ error - Listening at`),
      )
      assert.match(
        first.lines[2] ?? '',
        new RegExp(`^<14>${HEAD} wsgi-core \\d+ access - ${ACCESS}$`),
      )
      await first.stop()
      logTo(server, names('kept', 300))
      const second = await datagramReceiver(context, path)
      await until(() => second.lines.some((line) => textOf(line) === 'kept299'))
      assert.equal(second.lines.slice(1).map(textOf), names('kept', 300))
      server.server.reopenLogs()
      logTo(server, ['after'])
      await until(() => second.lines.some((line) => textOf(line) === 'after'))
    },
  )
}

servers('loses no line at the end of the server', async (context) => {
  const path = join(context.folder, 'log')
  const receiver = await datagramReceiver(context, path)
  const logSyslogTo = `unix://${path}#dgram`
  const server = await start(context, sayGeneration, { logSyslog: true, logSyslogTo })
  logTo(server, names('', 1000))
  await server.server.close()
  await until(() => receiver.lines.at(-1)?.endsWith('Shutting down: Master') ?? false)
  assert.is(receiver.lines.length, 1003)
})

servers.run()
