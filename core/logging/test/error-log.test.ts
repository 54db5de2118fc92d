import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { BadState, CannotOpenLog } from '../../errors.ts'
import { createLog, type Log } from '../error-log.ts'
import { openLogFile } from '../log-file.ts'
import { LOG_LEVELS } from '../record.ts'
import { wantsColor } from '../terminal.ts'
import { utcOffset } from '../text.ts'

interface Context {
  folder: string
  file: string
  log: Log
}

const HEAD = /^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] \[(\d+)\] \[([A-Z]+)\] /

const withLog = (name: string) => {
  const test = suite<Context>(name)
  test.before.each((context) => {
    context.folder = mkdtempSync(join(tmpdir(), 'wsgi-core-log-'))
    context.file = join(context.folder, 'error.log')
    context.log = createLog({ level: 'debug', file: context.file })
  })
  test.after.each(async (context) => {
    await context.log.close()
    rmSync(context.folder, { recursive: true })
  })
  return test
}

const read = ({ file, log }: Context) => {
  log.flushSync()
  return readFileSync(file, 'utf8')
}
/** The one line that was logged, without date, pid and level. */
const rest = (context: Context) => {
  const text = read(context)
  assert.match(text, HEAD)
  return text.replace(HEAD, '').replace(/\n$/, '')
}
const stderrOf = (code: string) => {
  const module = JSON.stringify(new URL('../error-log.ts', import.meta.url).href)
  const source = `import { createLog } from ${module}\n${code}`
  const args = ['--import', 'tsx', '--input-type=module', '-e', source]
  const { stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  assert.is(status, 0, stderr)
  return stderr
}

const shape = withLog('log line')

shape('has date, pid, level and text as gunicorn has', (context) => {
  context.log.logger.info('Booting worker with pid: 7')
  const [, pid, level] = HEAD.exec(read(context)) ?? []
  assert.is(Number(pid), process.pid)
  assert.is(level, 'INFO')
  assert.is(rest(context), 'Booting worker with pid: 7')
})

shape("names levels in gunicorn's words", (context) => {
  const { logger } = context.log
  logger.level = 'trace'
  for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const)
    logger[level]('x')
  const levels = read(context)
    .trimEnd()
    .split('\n')
    .map((line) => HEAD.exec(line)?.[2])
  assert.equal(levels, ['DEBUG', 'DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'])
})

shape('puts the keys of the object after the text', (context) => {
  context.log.logger.warn({ signal: 'SIGTERM', code: 0, ok: true, none: null }, 'worker died')
  assert.is(rest(context), 'worker died signal=SIGTERM code=0 ok=true none=null')
})

shape('keeps the own pid in brackets and calls another one worker', (context) => {
  context.log.logger.info({ pid: 4711 }, 'x')
  assert.is(HEAD.exec(read(context))?.[1], String(process.pid))
  assert.is(rest(context), 'x worker=4711')
})

shape('shows what a child logger binds, and the entry wins over it', (context) => {
  context.log.logger.child({ name: 'tls', a: 1 }).info({ a: 2 }, 'x')
  assert.is(rest(context), 'x name=tls a=2')
})

shape('keeps its own level and time when the object has such keys', (context) => {
  context.log.logger.error({ level: 'deep', time: 5 }, 'x')
  assert.is(HEAD.exec(read(context))?.[2], 'ERROR')
  assert.is(rest(context), 'x level=deep time=5')
})

shape('writes arrays and objects as JSON', (context) => {
  context.log.logger.info({ a: [1, 'b c'], o: { x: '"' } }, 'x')
  assert.is(rest(context), String.raw`x a=[1,"b c"] o={"x":"\""}`)
})

shape('survives circular and unusual values', (context) => {
  const circle: Record<string, unknown> = { big: 10n }
  circle.self = circle
  context.log.logger.info({ circle, n: Number.NaN, u: undefined, f: () => 1 }, 'x')
  assert.match(rest(context), /^x circle=.*Circular.* n=null$/)
})

shape('shows an entry that a serializer spoilt instead of throwing', (context) => {
  const spoilt = { toJSON: () => ({}) }
  const child = context.log.logger.child({}, { redact: { paths: ['a'], censor: () => spoilt } })
  child.info({ a: 1 }, 'x')
  assert.match(read(context), HEAD)
})
shape.run()

const safety = withLog('log safety')

safety(
  'quotes strings that are empty or have spaces, quotes or signs of its own syntax',
  (context) => {
    context.log.logger.info({ a: '', b: 'x y', c: 'say "hi"', d: 'C:\\x', e: 'k=v', f: '{}' }, 'x')
    assert.is(rest(context), String.raw`x a="" b="x y" c="say \"hi\"" d="C:\\x" e="k=v" f="{}"`)
  },
)

safety('leaves plain strings and text of other languages as they are', (context) => {
  context.log.logger.info({ path: '/srv/größe:1,2-3' }, 'größe 漢字')
  assert.is(rest(context), 'größe 漢字 path=/srv/größe:1,2-3')
})

safety('lets no text, value, key or nested value begin a line', (context) => {
  const forged = 'x\n[2026-01-01 00:00:00 +0000] [1] [INFO] forged'
  context.log.logger.info({ a: forged, [forged]: 1, o: { [forged]: forged } }, forged)
  assert.is(read(context).split('\n').length, 2)
})

safety('escapes control characters, line separators and direction marks', (context) => {
  context.log.logger.info({ v: 'a\u009bb' }, '\x00\x1b[31m\x7f\t\r\u2028\u202e\u2066')
  assert.is(rest(context), String.raw`\x00\x1b[31m\x7f\t\r\u2028\u202e\u2066 v="a\x9bb"`)
})

safety('hides secrets at any depth, in any case, in children too', (context) => {
  const headers = { Authorization: 'Basic s3cret', COOKIE: 's3cret', 'set-cookie': ['s3cret'] }
  const logger = context.log.logger.child({ password: 's3cret' })
  logger.info({ req: { headers }, tls: { deep: { key: 's3cret', passphrase: 's3cret' } } }, 'x')
  assert.not.match(read(context), 's3cret')
  assert.match(read(context), 'password="[redacted]"')
})

safety('hides secrets of objects that are formatted into the text', (context) => {
  const headers = { authorization: 's3cret', 'set-cookie': 's3cret', host: 'h' }
  context.log.logger.info('%j and %o', headers, { headers })
  assert.not.match(read(context), 's3cret')
  assert.match(read(context), 'host')
})

safety('does not take a name that holds a secret word for a secret', (context) => {
  context.log.logger.info({ keyfile: '/etc/k.pem', keys: 2, monkey: 3 }, 'x')
  assert.is(rest(context), 'x keyfile=/etc/k.pem keys=2 monkey=3')
})
safety.run()

const errors = withLog('errors in the log')

errors('prints the stack on indented lines', (context) => {
  context.log.logger.error({ err: new Error('boom'), worker: 3 }, 'request failed')
  const [first, second, third] = rest(context).split('\n')
  assert.is(first, 'request failed worker=3')
  assert.is(second, '  Error: boom')
  assert.match(third ?? '', /^ {6}at /)
})

errors('takes the text from an error that is logged alone', (context) => {
  context.log.logger.error(new Error('boom'))
  assert.match(rest(context), /^boom\n {2}Error: boom\n/)
})

errors('prints causes, members of an aggregate and the code', (context) => {
  const first = new Error('outer', { cause: new TypeError('inner') })
  const second = new BadState('listen', 'closed')
  context.log.logger.error({ error: new AggregateError([first, second], 'both') }, 'x')
  const text = rest(context)
  assert.match(text, /^x\n {2}AggregateError: both\n/)
  assert.match(text, /\n {2}Error: outer\n/)
  assert.match(text, /\n {2}caused by: TypeError: inner\n/)
  assert.match(text, /\n {2}WSGI_CORE_BAD_STATE: FastifyError: the server cannot listen/)
})

errors('prints a traceback on indented lines with its control characters escaped', (context) => {
  const traceback = 'Traceback:\n  File "a.py"\r\n[2026] \x1b\n\n'
  context.log.logger.error({ traceback, err: 'no stack' }, 'x')
  assert.is(rest(context), 'x err="no stack"\n  Traceback:\n    File "a.py"\\r\n  [2026] \\x1b')
})

errors('lets no message of an error begin a line', (context) => {
  context.log.logger.error(new Error('a\n[2026-01-01 00:00:00 +0000] [1] [INFO] forged'))
  const lines = read(context).trimEnd().split('\n')
  assert.ok(lines.slice(1).every((line) => line.startsWith('  ')))
})
errors.run()

const json = suite<Context>('JSON log')
json.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'wsgi-core-log-'))
  context.file = join(context.folder, 'error.log')
  context.log = createLog({ level: 'debug', file: context.file, format: 'json' })
})
json.after.each(async (context) => {
  await context.log.close()
  rmSync(context.folder, { recursive: true })
})
const entryOf = (context: Context) => JSON.parse(read(context))

json('has time, level, pid and text first, then what is logged with them', (context) => {
  const before = Date.now()
  context.log.logger.child({ plugin: 'workers' }).warn({ pid: 7, n: [1] }, 'worker died')
  const { time, ...entry } = entryOf(context)
  const { pid } = process
  assert.equal(entry, {
    level: 'warning',
    pid,
    msg: 'worker died',
    plugin: 'workers',
    worker: 7,
    n: [1],
  })
  assert.match(
    read(context),
    /^\{"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","level":"warning","pid":/,
  )
  assert.ok(Date.parse(time) >= before)
})

json('has an error with its stack, and a traceback, in one line', (context) => {
  const traceback = 'Traceback:\n  File "a.py"\n'
  context.log.logger.error({ err: new BadState('listen', 'serving'), traceback }, 'x')
  assert.is(read(context).split('\n').length, 2)
  const { err, traceback: shown } = entryOf(context)
  assert.is(shown, traceback)
  assert.match(err.stack, /the server cannot listen while it is serving\n {4}at /)
  assert.is(err.code, 'WSGI_CORE_BAD_STATE')
})

json('lets no field take the place of its own, nor of a prototype', (context) => {
  const fields = JSON.parse('{"level":"deep","time":5,"__proto__":{"x":1},"constructor":2}')
  context.log.logger.error(fields, 'x')
  assert.match(read(context), /"level":"error".*"level_":"deep","time_":5,"__proto__":/)
})

json('escapes what ends a line, moves a cursor or turns text, and can be read back', (context) => {
  const text = '\n{"level":"forged"}\x1b[31m\u009b\u2028\u202e'
  context.log.logger.info({ [text]: text }, text)
  assert.not.match(read(context).slice(0, -1), /[^\x20-\x7e]/)
  assert.is(entryOf(context).msg, text)
  assert.is(entryOf(context)[text], text)
})

json('hides secrets', (context) => {
  context.log.logger.info({ headers: { Cookie: 's3cret' } }, '%j', { password: 's3cret' })
  assert.not.match(read(context), 's3cret')
})

json('and text follow each other where the format is changed', (context) => {
  context.log.setFormat('text')
  context.log.logger.info('x')
  assert.is(rest(context), 'x')
})
json.run()

const colors = suite('coloured log')

colors('has its level in colour and no other part', () => {
  const stderr =
    stderrOf(`const { logger, flushSync } = createLog({ level: 'info', file: '-', format: 'color' })
    logger.warn('text \\x1b[31m'); flushSync()`)
  const shown = stderr.replaceAll('\x1b', 'ESC')
  assert.match(shown, /^\[[\d: +-]+\] \[\d+\] ESC\[33m\[WARNING\]ESC\[0m text \\x1b\[31m\n$/)
})

colors('is for terminals, unless NO_COLOR or FORCE_COLOR say otherwise', () => {
  const fd = 1_000_000 // nothing is open there, so it is no terminal
  assert.is(wantsColor(fd, { TERM: 'xterm' }), false)
  assert.is(wantsColor(fd, { FORCE_COLOR: '1' }), true)
  assert.is(wantsColor(fd, { FORCE_COLOR: '0' }), false)
  assert.is(wantsColor(fd, { FORCE_COLOR: '1', NO_COLOR: '1' }), false)
  assert.is(wantsColor(fd, { FORCE_COLOR: '1', NO_COLOR: '' }), true)
})
colors.run()

const levels = withLog('log level')

const PINO_NAMES = ['debug', 'info', 'warn', 'error', 'fatal'] as const
for (const [index, level] of LOG_LEVELS.entries()) {
  levels(`lets through ${level} and what is worse`, (context) => {
    context.log.setLevel(level)
    for (const name of PINO_NAMES) context.log.logger[name](name)
    const texts = read(context)
      .trimEnd()
      .split('\n')
      .map((line) => line.replace(HEAD, ''))
    assert.equal(texts, PINO_NAMES.slice(index))
  })
}

levels('follows a change in children that were made before', (context) => {
  const child = context.log.logger.child({ name: 'a' })
  context.log.setLevel('error')
  child.info('no')
  context.log.setLevel('info')
  child.info('yes')
  assert.is(rest(context), 'yes name=a')
})
levels.run()

const files = withLog('log file')

files('is appended to, readable by its group and nobody else', (context) => {
  context.log.logger.info('one')
  const again = createLog({ level: 'info', file: context.file })
  again.logger.info('two')
  assert.is(read(context).split('\n').length, 3)
  assert.is(statSync(context.file).mode & 0o777 & ~0o640, 0)
})

files('is opened anew after a rotation', (context) => {
  context.log.logger.info('one')
  renameSync(context.file, `${context.file}.1`)
  context.log.logger.info('two')
  context.log.flushSync()
  context.log.reopen()
  context.log.logger.info('three')
  assert.match(readFileSync(`${context.file}.1`, 'utf8'), /one\n.*two\n$/)
  assert.is(rest(context), 'three')
})

files('goes on into the old file when it cannot be opened anew', (context) => {
  const moved = `${context.folder}-moved`
  renameSync(context.folder, moved)
  assert.throws(
    () => context.log.reopen(),
    (error: Error) => error instanceof CannotOpenLog,
  )
  context.log.logger.info('still here')
  renameSync(moved, context.folder)
  context.log.reopen()
  context.log.logger.info('and here')
  assert.match(read(context), /still here\n.*and here\n$/)
})

files('that cannot be opened is a coded error with the path', ({ folder }) => {
  const file = join(folder, 'none', 'x.log')
  assert.throws(
    () => createLog({ level: 'info', file }),
    `log file '${file}' cannot be opened: ENOENT`,
  )
  assert.throws(() => openLogFile(folder), /EISDIR/)
})

files('is followed by stderr once it is closed', ({ file }) => {
  const stderr = stderrOf(`const log = createLog({ level: 'info', file: ${JSON.stringify(file)} })
    log.logger.info('in the file'); await log.close(); await log.close(); log.logger.info('late')`)
  assert.match(stderr, /^\[.*\] late\n$/)
})

files('that cannot be written is said once on stderr, which gets the lines', () => {
  const stderr = stderrOf(`const log = createLog({ level: 'info', file: '/dev/full' })
    log.logger.info('one'); log.logger.info('two')`)
  assert.match(stderr, /^log '\/dev\/full' is losing lines: ENOSPC.*\n\[.*\] one\n\[.*\] two\n$/)
})

files('named - is stderr, and no line is lost at an exit that flushes', () => {
  const stderr =
    stderrOf(`const { logger, reopen, flushSync } = createLog({ level: 'info', file: '-' })
    reopen(); for (let i = 0; i < 2000; i++) logger.info({ i }, 'line'); flushSync()
    process.exit(0)`)
  assert.is(stderr.split('\n').length, 2001)
  assert.match(stderr, /line i=1999\n$/)
})
files.run()

const fastify = withLog('log under Fastify')

fastify('is taken as loggerInstance and shows requests', async (context) => {
  const server = Fastify({ loggerInstance: context.log.logger })
  server.get('/', async () => 'ok')
  await server.inject({ url: '/', headers: { authorization: 's3cret' } })
  await server.close()
  assert.match(read(context), /\[INFO\] incoming request reqId=req-1 req=\{"method":"GET"/)
  assert.not.match(read(context), 's3cret')
})
fastify.run()

const offset = suite('utcOffset')

const offsetIn = (zone: string) => {
  const before = process.env.TZ
  process.env.TZ = zone
  try {
    return utcOffset(new Date('2026-11-22T12:00:00Z'))
  } finally {
    if (before === undefined) delete process.env.TZ
    else process.env.TZ = before
  }
}

offset('has a sign, two digits of hours and two of minutes', () => {
  assert.is(offsetIn('UTC'), '+0000')
  assert.is(offsetIn('Asia/Kolkata'), '+0530')
  assert.is(offsetIn('America/St_Johns'), '-0330')
  assert.is(offsetIn('Pacific/Kiritimati'), '+1400')
})
offset.run()
