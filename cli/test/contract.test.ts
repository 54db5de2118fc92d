import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  runCommand,
  type ServerProcess,
  startServer,
  until,
} from '../../test/helpers/server-process.ts'

const APP = `
import time

def app(environ, start_response):
    if environ["PATH_INFO"] == "/forever":
        time.sleep(600)
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]
`

/** Tells what it was given. */
const MIRROR = `
import json, os
import helper

def app(environ, start_response):
    seen = {"greeting": os.environ["GREETING"], "empty": os.environ["EMPTY"],
            "helper": helper.name, "folder": os.getcwd()}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(seen).encode()]
`

interface Context {
  folder: string
  servers: ServerProcess[]
}

const withFolder = (name: string) => {
  const test = suite<Context>(name)
  test.before((context) => {
    context.folder = mkdtempSync(join(tmpdir(), 'wsgi-core-contract-'))
    writeFileSync(join(context.folder, 'hello.py'), APP)
    writeFileSync(join(context.folder, 'broken.py'), 'import nothing_of_that_name\n')
  })
  test.before.each((context) => {
    context.servers = []
  })
  test.after.each(async ({ servers }) => {
    for (const server of servers) await server.stop()
  })
  test.after(({ folder }) => rmSync(folder, { recursive: true }))
  return test
}

async function start(context: Context, args: readonly string[], env = {}): Promise<ServerProcess> {
  const server = await startServer([...args, 'hello:app'], { cwd: context.folder, env })
  context.servers.push(server)
  return server
}

const exits = withFolder("gunicorn's exit codes")

/** Measured with gunicorn 26.1: the same command lines end it with the same codes. */
const ENDS: [number, string[], Record<string, string>][] = [
  [0, ['--check-config', 'hello:app'], {}],
  [0, ['--version'], {}],
  [1, [], {}],
  [1, ['-b', '127.0.0.1:99999', 'hello:app'], {}],
  [1, ['hello:app'], { GUNICORN_CMD_ARGS: '--chdir nowhere' }],
  [1, ['--chdir', 'nowhere', 'hello:app'], {}],
  [1, ['-c', 'nowhere.yaml', 'hello:app'], {}],
  [1, ['--check-config', 'broken:app'], {}],
  [1, ['--check-config', 'hello:nothing'], {}],
  [2, ['--bogus', 'hello:app'], {}],
  [2, ['-w', 'many', 'hello:app'], {}],
  [2, ['--check-config', '--bogus', 'hello:app'], {}],
  [2, ['hello:app'], { GUNICORN_CMD_ARGS: '--bogus' }],
  [3, ['broken:app'], {}],
  [4, ['hello:nothing'], {}],
]

for (const [code, args, env] of ENDS) {
  const variables = Object.entries(env).map(([name, value]) => `${name}='${value}' `)
  exits(`${code}: ${variables.join('')}wsgi-core ${args.join(' ')}`, async ({ folder }) => {
    const end = await runCommand(args, { cwd: folder, env })
    assert.is(end.code, code, end.output)
  })
}

exits.run()

const lines = withFolder("gunicorn's log lines")

/** Date, pid, level and text of a line. */
const SHAPE = /^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] \[(\d+)\] \[([A-Z]+)\] (.*)$/

lines('are those of a whole life, in their shape', async (context) => {
  const server = await start(context, ['-w', '2', '--threads', '2'])
  assert.is((await server.request('/')).body, 'hello')
  server.signal('SIGTERM')
  assert.is((await server.ended).code, 0)
  const said = server.log().trimEnd().split('\n')
  for (const line of said) assert.match(line, SHAPE)
  const count = (text: RegExp) => said.filter((line) => text.test(line)).length
  const { pid } = server
  assert.is(count(/ \[INFO\] Starting wsgi-core \d/), 1)
  assert.is(count(new RegExp(` \\[INFO\\] Listening at: ${server.url} \\(${pid}\\)`)), 1)
  assert.is(count(/ \[INFO\] Using worker: gthread\b/), 1)
  assert.is(count(/ \[INFO\] Booting worker with pid: \d+\b/), 2)
  assert.is(count(/ \[INFO\] Handling signal: term\b/), 1)
  assert.is(count(/ \[INFO\] Worker exiting \(pid: \d+\)/), 2)
  assert.is(count(/ \[INFO\] Shutting down: Master\b/), 1)
  assert.match(said.at(-1) ?? '', 'Shutting down: Master')
})

lines('name a worker that overran its time', async (context) => {
  const server = await start(context, ['-k', 'sync', '-t', '1'])
  await server.line(/Using worker: sync/)
  const booted = await server.line(/Booting worker with pid: (\d+)/)
  const [, pid] = /pid: (\d+)/.exec(booted) as RegExpExecArray
  assert.is((await server.request('/forever')).status, 504)
  const line = await server.line(/WORKER TIMEOUT/)
  const [, , level, text] = SHAPE.exec(line) as RegExpExecArray
  assert.is(level, 'CRITICAL')
  assert.ok(text?.startsWith(`WORKER TIMEOUT (pid:${pid})`), text)
})

lines.run()

const settings = withFolder("gunicorn's settings on a real server")

settings('without effect are warned of once, also when it reloads', async (context) => {
  writeFileSync(join(context.folder, 'gunicorn.conf.py'), 'workers = 4\n')
  const args = ['--http-parser', 'fast', '--worker-tmp-dir=/dev/shm', '-R']
  const env = { GUNICORN_CMD_ARGS: '--worker-connections 100' }
  const server = await start(context, args, env)
  server.signal('SIGHUP')
  await server.line(/\[INFO\] Reloaded/)
  const warnings = server
    .log()
    .split('\n')
    .filter((line) => line.includes('[WARNING]'))
  const about = [
    "file 'gunicorn.conf.py' is not read",
    'variable GUNICORN_CMD_ARGS: argument --worker-connections has no effect',
    'argument --http-parser has no effect',
    'argument --worker-tmp-dir has no effect',
    'argument -R has no effect',
  ]
  assert.is(warnings.length, about.length, warnings.join('\n'))
  for (const text of about)
    assert.ok(
      warnings.some((line) => line.includes(text)),
      text,
    )
  rmSync(join(context.folder, 'gunicorn.conf.py'))
})

settings('reach the application', async (context) => {
  const { folder } = context
  mkdirSync(join(folder, 'sub/lib'), { recursive: true })
  writeFileSync(join(folder, 'sub/helper.py'), 'name = "sub"\n')
  writeFileSync(join(folder, 'sub/lib/helper.py'), 'name = "lib"\n')
  writeFileSync(join(folder, 'sub/hello.py'), MIRROR)
  const variables = ['-e', 'GREETING=a=b c', '--env', 'EMPTY']
  const server = await start(context, ['--chdir', 'sub', '--pythonpath', 'lib', ...variables])
  const seen = JSON.parse((await server.request('/')).body)
  assert.equal(seen, { greeting: 'a=b c', empty: '', helper: 'lib', folder: join(folder, 'sub') })
})

settings('limit requests', async (context) => {
  const limits = ['--limit-request-fields', '2', '--limit-request-field_size', '20']
  const server = await start(context, ['--limit-request-line', '20', ...limits])
  const status = async (...lines: string[]) =>
    (await server.raw(`${lines.join('\r\n')}\r\n\r\n`)).slice(9, 12)
  assert.is(await status('GET / HTTP/1.1', 'Host: a', 'Connection: close'), '200')
  assert.is(await status('GET /abcdefg HTTP/1.1', 'Host: a', 'Connection: close'), '414')
  assert.is(await status('GET / HTTP/1.1', 'Host: a', 'X: 1', 'Connection: close'), '431')
  assert.is(await status('GET / HTTP/1.1', 'Host: a', `X: ${'a'.repeat(20)}`), '431')
})

settings('that are checked are not talked about', async ({ folder }) => {
  const { code, output } = await runCommand(['--check-config', 'hello:app'], { cwd: folder })
  assert.equal([code, output], [0, ''])
})

settings('name the log file and the least level in it', async ({ folder }) => {
  const options = ['--check-config', '--http-parser', 'fast', '--log-file', 'server.log']
  const { code, output } = await runCommand([...options, '--log-level', 'WARNING', 'hello:app'], {
    cwd: folder,
  })
  assert.equal([code, output], [0, ''])
  const said = readFileSync(join(folder, 'server.log'), 'utf8')
  assert.match(said, /^\[[^\]]+\] \[\d+\] \[WARNING\] argument --http-parser has no effect: .*\n$/)
})

settings('bound the connections that wait to be accepted', async (context) => {
  const server = await start(context, ['--backlog', '1'])
  server.signal('SIGSTOP')
  const { hostname, port } = new URL(server.url)
  const sockets = Array.from({ length: 6 }, () => connect(Number(port), hostname))
  const accepted: Socket[] = []
  for (const socket of sockets) socket.once('connect', () => accepted.push(socket))
  await until('two are accepted', () => accepted.length >= 2)
  // the kernel decides as it gets them: more would tell in the next turns
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
  for (const socket of sockets) socket.destroy()
  server.signal('SIGCONT')
  assert.is(accepted.length, 2, 'Linux takes one more than the backlog')
})

settings('stay in force over the config file that HUP reads', async (context) => {
  const file = join(context.folder, 'own.yaml')
  writeFileSync(file, 'access_log_format: one\ngraceful_timeout: 5\n')
  const env = { GUNICORN_CMD_ARGS: '--access-logformat preset', WSGI_CORE_WORKERS: '1' }
  const server = await start(context, ['-c', 'own.yaml', '--access-logfile', '-', '-w', '2'], env)
  writeFileSync(file, 'access_log_format: two\nworkers: 3\n')
  server.signal('SIGHUP')
  await server.line(/\[INFO\] Reloaded/)
  await server.request('/')
  await server.line(/^preset$/)
  assert.is(server.log().match(/Booting worker/g)?.length, 4, 'two before and two after')
})

settings.run()
