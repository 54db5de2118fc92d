import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { BadLogFormat, CannotOpenLog } from '../../errors.ts'
import type { Finished } from '../../hooks.ts'
import {
  type AccessFormat,
  type AccessRequest,
  compileAccessFormat,
  DEFAULT_ACCESS_FORMAT,
} from '../access-format.ts'
import { createAccessLog } from '../access-log.ts'

process.env.TZ = 'UTC'

interface Change extends Partial<Finished> {
  request?: Partial<AccessRequest>
  headers?: Record<string, unknown>
  environ?: Record<string, string>
}

/** What a format takes. */
const entry = ({ request, headers, environ, ...change }: Change = {}): Parameters<AccessFormat> => [
  {
    method: 'GET',
    url: '/a?b=1',
    httpVersion: '1.1',
    rawHeaders: ['Referer', 'http://ref/', 'User-Agent', 'UA "x'],
    socket: { remoteAddress: '127.0.0.1' },
    ...request,
  },
  {
    getHeader: (name) => ({ 'content-type': 'text/plain', ...headers })[name],
    owner: environ && { variable: (name) => environ[name] },
  },
  {
    statusCode: 200,
    bytes: 17,
    milliseconds: 1234.5678,
    timestamp: Date.parse('2026-11-22T22:40:32.999Z'),
    completed: true,
    get time() {
      return new Date(this.timestamp)
    },
    ...change,
  },
]
const format = (text: string, change?: Change) => compileAccessFormat(text)(...entry(change))
const header = (...values: string[]): Change => ({
  request: { rawHeaders: values.flatMap((value) => ['X-a', value]) },
})
const authorization = (value: string): Change => ({
  request: { rawHeaders: ['Authorization', value] },
})
const basic = (text: string | Uint8Array): Change =>
  authorization(`Basic ${Buffer.from(text).toString('base64')}`)

const GOLDEN = String.raw`127.0.0.1 - - [22/Nov/2026:22:40:32 +0000] "GET /a?b=1 HTTP/1.1" 200 17 "http://ref/" "UA \"x"`

const atoms = suite('access log format')

atoms("is gunicorn's line by default", () => assert.is(format(DEFAULT_ACCESS_FORMAT), GOLDEN))

const values: [string, string][] = [
  ['h', '127.0.0.1'],
  ['l', '-'],
  ['u', '-'],
  ['t', '[22/Nov/2026:22:40:32 +0000]'],
  ['r', 'GET /a?b=1 HTTP/1.1'],
  ['m', 'GET'],
  ['U', '/a'],
  ['q', 'b=1'],
  ['H', 'HTTP/1.1'],
  ['s', '200'],
  ['B', '17'],
  ['b', '17'],
  ['f', 'http://ref/'],
  ['a', 'UA \\"x'],
  ['T', '1'],
  ['M', '1234'],
  ['D', '1234568'],
  ['L', '1.234568'],
  ['p', `<${process.pid}>`],
  ['{Referer}i', 'http://ref/'],
  ['{Content-Type}o', 'text/plain'],
  ['{SCRIPT_NAME}e', '-'],
]
for (const [atom, value] of values) {
  atoms(`has %(${atom})s`, () => assert.is(format(`<%(${atom})s>`), `<${value}>`))
}

atoms('takes d for s, and %% for a percent sign', () => {
  assert.is(format('%(D)dus %(s)d 100%%(h)s'), '1234568us 200 100%(h)s')
})

atoms('keeps text without atoms, also none', () => {
  assert.is(format('größe "x"\t'), 'größe "x"\t')
  assert.is(format(''), '')
})

for (const token of [
  '%(x)s',
  '%(hh)s',
  '%({a}x)s',
  '%({}i)s',
  '%()s',
  '%(toString)s',
  '%(h)r',
  '%h',
  '%(h',
]) {
  atoms(`refuses ${token}, names it and lists what is allowed`, () => {
    assert.throws(
      () => compileAccessFormat(`ok ${token}`),
      (error: Error) => {
        assert.instance(error, BadLogFormat)
        assert.match(error.message, `'${token}`)
        assert.match(error.message, 'h l u t r m U q H s B b f a T M D L p {name}i {name}o {name}e')
        return true
      },
    )
  })
}

atoms('refuses a percent sign at the end', () => {
  assert.throws(() => compileAccessFormat('100%'), /has '%', .*or %% for a percent sign/)
})

atoms('counts time in whole units, rounded down but for microseconds', () => {
  const all = '%(T)s %(M)s %(D)s %(L)s'
  assert.is(format(all, { milliseconds: 0 }), '0 0 0 0.000000')
  assert.is(format(all, { milliseconds: 999.9994 }), '0 999 999999 0.999999')
  assert.is(format(all, { milliseconds: 1000 }), '1 1000 1000000 1.000000')
  assert.is(format(all, { milliseconds: -3 }), '0 0 0 0.000000')
})

atoms('writes - for what is missing and nothing for what is empty', () => {
  const request = { url: '/', rawHeaders: ['X-A', ''], socket: {} }
  assert.is(format('%(h)s %(f)s %(a)s [%(q)s] [%({x-a}i)s]', { request }), '- - - [] []')
  assert.is(format('%(b)s %(B)s', { bytes: 0 }), '0 0')
})

atoms('writes the path decoded to bytes, without query and origin', () => {
  const path = (url: string) => format('%(U)s|%(q)s', { request: { url } })
  assert.is(path('/a%20b%2fc?d=%20'), '/a b/c|d=%20')
  assert.is(path('/%C3%A9%0a%'), '/\\xC3\\xA9\\x0A%|')
  assert.is(path('http://host/a?b?c'), '/a|b?c')
  assert.is(path('http://host'), '/|')
  assert.is(path('*'), '*|')
})

atoms('prefers the PATH_INFO that the app saw', () => {
  assert.is(format('%(U)s', { environ: { path_info: '/seen' } }), '/seen')
})

atoms('finds headers in any case, joins repeated ones and escapes them', () => {
  assert.is(format('%({X-A}i)s', header('a', 'b')), 'a, b')
  assert.is(format('%({X-A}o)s', { headers: { 'x-a': ['a', '"'] } }), 'a, \\"')
  assert.is(format('%({X-A}o)s', { headers: { 'x-a': 5 } }), '5')
  assert.is(format('%({X-A}i)s %({X-A}o)s', header()), '- -')
})

atoms('finds environ keys in any case', () => {
  const environ = { http_host: 'h', 'wsgi.url_scheme': 'https' }
  assert.is(format('%({HTTP_HOST}e)s %({wsgi.url_scheme}e)s', { environ }), 'h https')
})

atoms('shows an IPv4 client of a socket for both families as such', () => {
  assert.is(
    format('%(h)s', { request: { socket: { remoteAddress: '::ffff:10.0.0.1' } } }),
    '10.0.0.1',
  )
  assert.is(
    format('%(h)s', { request: { socket: { remoteAddress: '2001:db8::1' } } }),
    '2001:db8::1',
  )
})

atoms('knows common and combined by name', () => {
  assert.is(format('combined'), GOLDEN)
  assert.is(format('common'), GOLDEN.slice(0, GOLDEN.indexOf(' "http://ref/"')))
})
atoms.run()

const user = suite('access log user')

user('is the name of Basic authorization', () => {
  assert.is(format('%(u)s', basic('ann:secret:more')), 'ann')
  assert.is(format('%(u)s', authorization('bAsIc YW5uOng=')), 'ann')
})

user(
  'is - without a name, without a colon, for another scheme or for bytes that are not UTF-8',
  () => {
    assert.is(format('%(u)s', basic(':secret')), '-')
    assert.is(format('%(u)s', basic('secret')), '-')
    assert.is(format('%(u)s', basic(Uint8Array.of(0xff, 0x3a, 0x61))), '-')
    assert.is(format('%(u)s', authorization('Bearer YW5uOng=')), '-')
    assert.is(format('%(u)s', authorization('Basic')), '-')
  },
)

user('cannot shift fields or end the line', () => {
  assert.is(format('%(u)s', basic('a [1] "b"\n\x1b:x')), String.raw`a\x20[1]\x20\"b\"\x0A\x1B`)
  assert.is(format('%(u)s', basic('zoë:x')), 'zo\\xEB')
})
user.run()

const escaping = suite('access log escaping')

escaping('passes printable ASCII but the quote and the backslash', () => {
  const printable = String.fromCharCode(...Array.from({ length: 95 }, (_, index) => index + 32))
  const escaped = printable.replace(/["\\]/g, '\\$&')
  assert.is(format('%({x-a}i)s', header(printable)), escaped)
})

escaping('writes each other character as an escape', () => {
  for (const code of [...Array(32).keys(), 0x7f, 0x80, 0x9b, 0xff]) {
    const hex = code.toString(16).toUpperCase().padStart(2, '0')
    assert.is(format('%({x-a}i)s', header(String.fromCharCode(code))), `\\x${hex}`)
  }
  assert.is(format('%({x-a}i)s', header('\u0100\u2028')), '\\u0100\\u2028')
})

escaping('covers method, url, version, address and environ', () => {
  const evil = '"\n'
  const socket = { remoteAddress: evil }
  const rawHeaders = ['Referer', 'User-Agent', 'X'].flatMap((name) => [name, evil])
  const request = { method: evil, url: `/${evil}?${evil}`, httpVersion: evil, socket, rawHeaders }
  const change = { request, headers: { x: evil }, environ: { a: evil } }
  for (const [atom] of [...values, ['{X}i'], ['{X}o'], ['{A}e']]) {
    const line = format(`%(${atom})s`, change)
    assert.not.match(line, /[^\x20-\x7e]/, atom)
    assert.not.match(line, /(^|[^\\])"/, atom)
  }
})

escaping('of JSON leaves one line that can be read back', () => {
  const evil = '"\n\u009b\u2028{}'
  const request = { url: evil, rawHeaders: ['User-Agent', evil], socket: { remoteAddress: evil } }
  const line = format('json', { request })
  assert.not.match(line, /[^\x20-\x7e]/)
  const { url, user_agent, remote_addr } = JSON.parse(line)
  assert.equal([url, user_agent, remote_addr], [evil, evil, evil])
})

escaping('of JSON has what people look for', () => {
  const { pid } = process
  assert.equal(JSON.parse(format('json')), {
    time: '2026-11-22T22:40:32.999Z',
    remote_addr: '127.0.0.1',
    method: 'GET',
    url: '/a?b=1',
    protocol: 'HTTP/1.1',
    status: 200,
    bytes: 17,
    duration_ms: 1234.568,
    referer: 'http://ref/',
    user_agent: 'UA "x',
    pid,
  })
  assert.is(JSON.parse(format('json', basic('ann:secret'))).remote_user, 'ann')
})
escaping.run()

const times = suite('access log time')

const at = (time: string, zone: string) => {
  process.env.TZ = zone
  try {
    return format('%(t)s', { timestamp: Date.parse(time) })
  } finally {
    process.env.TZ = 'UTC'
  }
}

times('is local, with its offset', () => {
  assert.is(at('2026-01-02T03:04:05Z', 'Asia/Kolkata'), '[02/Jan/2026:08:34:05 +0530]')
  assert.is(at('2026-07-02T03:04:06Z', 'America/New_York'), '[01/Jul/2026:23:04:06 -0400]')
})

times('changes with each second and not within one', () => {
  const line = compileAccessFormat('%(t)s')
  const times = ['22:40:31.999', '22:40:32.000', '22:40:32.999', '22:40:33.000']
  const seconds = times.map((clock) =>
    line(...entry({ timestamp: Date.parse(`2026-11-22T${clock}Z`) })),
  )
  assert.equal(
    seconds.map((text) => text.slice(19, 21)),
    ['31', '32', '32', '33'],
  )
})
times.run()

interface Context {
  folder: string
  file: string
}

const files = suite<Context>('access log file')

files.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'wsgi-core-access-'))
  context.file = join(context.folder, 'access.log')
})
files.after.each(({ folder }) => rmSync(folder, { recursive: true }))

const until = async (condition: () => boolean) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10))
}
const size = (file: string) => statSync(file).size

files('gets all lines, in order, when it is closed', async ({ file }) => {
  const log = createAccessLog({ file, format: '%(s)s' })
  for (let statusCode = 0; statusCode < 50_000; statusCode++) log.write(...entry({ statusCode }))
  await log.close()
  await log.close()
  const expected = Array.from({ length: 50_000 }, (_, index) => `${index}\n`).join('')
  assert.ok(readFileSync(file, 'utf8') === expected)
})

files('is appended to, readable by its group and nobody else', async ({ file }) => {
  for (const bytes of [1, 2]) {
    const log = createAccessLog({ file, format: '%(B)s' })
    log.write(...entry({ bytes }))
    await log.close()
  }
  assert.is(readFileSync(file, 'utf8'), '1\n2\n')
  assert.is(statSync(file).mode & 0o777 & ~0o640, 0)
})

files('holds lines back until there are 64 KiB', async ({ file }) => {
  const log = createAccessLog({ file, format: 'x'.repeat(16_383) })
  for (let count = 0; count < 3; count++) log.write(...entry())
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
  assert.is(size(file), 0)
  log.write(...entry())
  await until(() => size(file) === 65_536)
  await log.close()
})

files('gets a lone line within about a second, and the next one too', async ({ file }) => {
  const log = createAccessLog({ file, format: 'x' })
  for (const length of [2, 4]) {
    const start = performance.now()
    log.write(...entry())
    await until(() => size(file) === length)
    assert.ok(performance.now() - start < 20_000) // of which most is for a busy machine
  }
  await log.close()
})

files('gets what is pending at once by flushSync', async ({ file }) => {
  const log = createAccessLog({ file, format: 'x' })
  log.write(...entry())
  log.flushSync()
  log.flushSync()
  assert.is(readFileSync(file, 'utf8'), 'x\n')
  await log.close()
})

files('is opened anew after a rotation, also while it is written', async ({ file }) => {
  const log = createAccessLog({ file, format: '%(s)s'.padEnd(70_000, '.') })
  log.write(...entry({ statusCode: 1 }))
  renameSync(file, `${file}.1`)
  log.reopen()
  log.reopen()
  log.write(...entry({ statusCode: 2 }))
  await log.close()
  assert.match(readFileSync(`${file}.1`, 'utf8'), /^1\.+\n$/)
  assert.match(readFileSync(file, 'utf8'), /^2\.+\n$/)
})

files('goes on into the old file when it cannot be opened anew', async ({ folder, file }) => {
  const log = createAccessLog({ file, format: 'x' })
  renameSync(folder, `${folder}-moved`)
  assert.throws(
    () => log.reopen(),
    (error: Error) => error instanceof CannotOpenLog,
  )
  log.write(...entry())
  await log.close()
  renameSync(`${folder}-moved`, folder)
  assert.is(readFileSync(file, 'utf8'), 'x\n')
})

files('that cannot be opened is a coded error with the path', ({ folder }) => {
  const file = join(folder, 'none', 'a.log')
  assert.throws(() => createAccessLog({ file }), `log file '${file}' cannot be opened: ENOENT`)
})

files('that is full is reported once, and no write throws', async () => {
  const reports: Error[] = []
  const lost = (error: Error) => void reports.push(error)
  const log = createAccessLog({ file: '/dev/full', format: 'x'.repeat(5000), lost })
  for (let count = 0; count < 100; count++) log.write(...entry())
  log.flushSync()
  await log.close()
  assert.is(reports.length, 1)
  assert.match(reports[0]?.message ?? '', /^log '\/dev\/full' is losing lines: ENOSPC/)
})

files('keeps 8 MiB for a slow disk, drops and reports what is over', async ({ file }) => {
  const reports: Error[] = []
  const line = 'x'.repeat(1024 * 1024 - 1)
  const log = createAccessLog({ file, format: line, lost: (error) => void reports.push(error) })
  // The first write is under way, so that it counts no more.
  for (let count = 0; count < 9; count++) log.write(...entry())
  assert.is(reports.length, 0)
  log.write(...entry())
  log.write(...entry())
  assert.is(reports.length, 1)
  assert.match(reports[0]?.message ?? '', 'they come faster than they can be written')
  await log.close()
  assert.is(size(file), 9 * 1024 * 1024)
})

files('that is closed takes no more lines and says so', async ({ file }) => {
  const reports: Error[] = []
  const log = createAccessLog({ file, lost: (error) => void reports.push(error) })
  await log.close()
  log.write(...entry())
  log.reopen()
  log.flushSync()
  assert.match(reports[0]?.message ?? '', /is losing lines: it is closed/)
  assert.is(size(file), 0)
})
files.run()

const stdout = suite('access log on stdout')

const NODE = '"$0" --import tsx --input-type=module -e "$1"'

const run = (code: string, tail = ''): SpawnSyncReturns<string> => runCommand(code, NODE + tail)

/** A shell command in which NODE runs this code. */
function runCommand(code: string, command: string): SpawnSyncReturns<string> {
  const module = JSON.stringify(new URL('../access-log.ts', import.meta.url).href)
  const source = `import { createAccessLog } from ${module}
    const entry = ${JSON.stringify(entry())}
    ${code}`
  return spawnSync('sh', ['-c', command, process.execPath, source], {
    encoding: 'utf8',
    timeout: 60_000,
    maxBuffer: 64 * 1024 * 1024,
  })
}

stdout('gets all lines, and stays open', () => {
  const { stdout: text, status } = run(`const log = createAccessLog({ file: '-', format: '%(s)s' })
    log.reopen()
    for (let i = 0; i < 5000; i++) log.write(...entry)
    await log.close()
    process.stdout.write('end')`)
  assert.is(status, 0)
  assert.ok(text === `${'200\n'.repeat(5000)}end`)
})

stdout('gets whole lines from two writers on one pipe', () => {
  const { stdout: text } = run(`import { writeSync } from 'node:fs'
    const log = createAccessLog({ file: '-', format: 'a'.repeat(99) })
    for (let i = 0; i < 20; i++) {
      for (let j = 0; j < 100; j++) log.write(...entry)
      writeSync(1, 'b'.repeat(99) + '\\n')
      await new Promise(setImmediate)
    }
    await log.close()`)
  const lines = text.trimEnd().split('\n')
  assert.is(lines.length, 2020)
  assert.ok(lines.every((line) => /^(a{99}|b{99})$/.test(line)))
})

const WRITER = `const log = createAccessLog({ file: process.env.LOG, format: '%(a)s' })
  for (let i = 0; i < 3000; i++) {
    entry[0].rawHeaders[3] = process.env.SIGN.repeat(1 + (i * 37) % 4000)
    log.write(...entry)
    if (i % 10 === 0) await new Promise(setImmediate)
  }
  await log.close()`

for (const place of ['pipe', 'file']) {
  stdout(`gets whole lines from several processes on one ${place}`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'wsgi-core-access-'))
    const file = join(folder, 'access.log')
    const log = place === 'pipe' ? '-' : file
    const writers = ['a', 'b', 'c'].map((sign) => `LOG=${log} SIGN=${sign} ${NODE} &`)
    const { stderr } = runCommand(WRITER, `{ ${writers.join(' ')} wait; } | cat >> ${file}`)
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
    rmSync(folder, { recursive: true })
    assert.is(lines.length, 9000, stderr)
    assert.ok(lines.every((line) => /^(a+|b+|c+)$/.test(line) && line.length <= 4000))
  })
}

stdout('keeps up when each turn of the event loop brings more than a batch', () => {
  const { stdout: text, stderr } = run(
    `const log = createAccessLog({ file: '-', format: '%(s)s' })
    for (let i = 0; i < 2000; i++) {
      for (let j = 0; j < 2000; j++) log.write(...entry)
      await new Promise(setImmediate)
    }
    await log.close()`,
    ' | wc -l',
  )
  assert.is(stderr, '')
  assert.is(text.trim(), '4000000')
})

stdout('does not keep the process alive, nor hang it when the reader is gone', () => {
  const { stderr, error } = run(
    `const lost = async (e) => {
      console.error(e.message)
      clearInterval(timer)
      await log.close()
      console.error('out')
    }
    const log = createAccessLog({ file: '-', lost })
    const timer = setInterval(() => { for (let i = 0; i < 200; i++) log.write(...entry) }, 5)`,
    ' | head -n 1',
  )
  assert.is(error, undefined)
  assert.match(stderr, /^log '-' is losing lines: EPIPE.*\nout\n$/)
})

stdout('lets the process go when its reader stalls', () => {
  const folder = mkdtempSync(join(tmpdir(), 'wsgi-core-access-'))
  const over = join(folder, 'over')
  const { error, stderr } = run(
    `import { writeFileSync } from 'node:fs'
    const log = createAccessLog({ file: '-', lost: () => {} })
    for (let i = 0; i < 5000; i++) log.write(...entry)
    const start = performance.now()
    await log.close()
    console.error(performance.now() - start > 1500 ? 'gave up' : 'quick')
    writeFileSync('${over}', '')`,
    ` | { while [ ! -e ${over} ]; do sleep 0.1; done; }`,
  )
  rmSync(folder, { recursive: true })
  assert.is(error, undefined)
  assert.match(stderr, /gave up/)
})
stdout.run()

const wire = suite('access log of node:http')

wire("takes node's own request", async () => {
  const line = compileAccessFormat('%(r)s %({x-a}i)s')
  const seen: string[] = []
  const server = createServer((request: IncomingMessage, response) => {
    const [, ...rest] = entry()
    seen.push(line(request, ...rest))
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const answer = await fetch(`http://127.0.0.1:${port}/x?y`, { headers: { 'X-A': 'b' } })
  await answer.text()
  await new Promise((resolve) => server.close(resolve))
  assert.equal(seen, ['GET /x?y HTTP/1.1 b'])
})
wire.run()
