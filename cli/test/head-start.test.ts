import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isAlive } from '../../plugins/workers/signals.ts'
import { runCommand, startServer, until } from '../../test/helpers/server-process.ts'
import { plainTarget } from '../head-start.ts'

const APP = `def app(environ, start_response):
    start_response("200 OK", [])
    return [environ.get("x", "hello").encode()]
`

const test = suite<{ folder: string }>('head start')

test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'wsgi-core-head-start-'))
  writeFileSync(join(context.folder, 'hello.py'), APP)
})
test.after.each(({ folder }) => rmSync(folder, { recursive: true }))

/** A virtual environment's interpreter that notes each of its starts in `starts`. */
function notingPython(folder: string): void {
  const program = join(folder, '.venv/bin/python')
  mkdirSync(join(folder, '.venv/bin'), { recursive: true })
  writeFileSync(program, `#!/bin/sh\necho $$ >> '${folder}/starts'\nexec python3 "$@"\n`)
  chmodSync(program, 0o755)
}

function startsOf(folder: string): number[] {
  const file = join(folder, 'starts')
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').map(Number) : []
}

test('is for a Python application and options that do not concern Python', () => {
  const plain = [
    ['hello:app'],
    ['-w', '4', '-b', '127.0.0.1:8000', 'pkg.mod:app.wsgi'],
    ['--workers=4', '--preload', 'hello:create_app("a")'],
  ]
  for (const argv of plain) assert.is(plainTarget(argv), argv.at(-1))
})

test('is not for what says how, where or as whom Python is to run, nor for other commands', () => {
  const others = [
    [],
    ['hello'],
    ['./app.js:app'],
    ['app.mjs:app'],
    ['reload', 'hello:app', 'hello:app'],
    ...['-u', '-g', '-c', '-e', '-n', '--user', '--chdir', '--python', '--fronts'].map((option) => [
      option,
      'x',
      'hello:app',
    ]),
    ...[
      '-D',
      '-unobody',
      '-Dw4',
      '--user=nobody',
      '--check-config',
      '--help',
      '-h',
      '--print-config',
    ].map((option) => [option, 'hello:app']),
  ]
  for (const argv of others) assert.is(plainTarget(argv), undefined, argv.join(' '))
})

test('the spawner that has it is the one that serves', async ({ folder }) => {
  notingPython(folder)
  const server = await startServer(['hello:app'], { cwd: folder })
  try {
    assert.is((await server.request('/')).body, 'hello')
    assert.is(startsOf(folder).length, 1)
  } finally {
    await server.kill()
  }
})

test('ends where the configuration is at fault', async ({ folder }) => {
  notingPython(folder)
  const { code } = await runCommand(['-w', 'many', 'hello:app'], { cwd: folder })
  assert.is(code, 2)
  await until(
    'it has ended',
    () => startsOf(folder).length === 1 && !startsOf(folder).some(isAlive),
  )
})

test('is not given where variables or a config file may say otherwise', async ({ folder }) => {
  notingPython(folder)
  const faulty = ['-w', 'many', 'hello:app']
  await runCommand(faulty, { cwd: folder, env: { WSGI_CORE_USER: 'nobody' } })
  await runCommand(faulty, { cwd: folder, env: { GUNICORN_CMD_ARGS: '-u nobody' } })
  writeFileSync(join(folder, 'wsgi-core.config.json'), '{}')
  await runCommand(faulty, { cwd: folder })
  assert.equal(startsOf(folder), [])
})

test('leaves it to the start itself to say that an interpreter does not run', async ({
  folder,
}) => {
  notingPython(folder)
  writeFileSync(join(folder, '.venv/bin/python'), 'no program')
  const { code, output } = await runCommand(['hello:app'], { cwd: folder })
  assert.is(code, 1)
  assert.match(output, /error: .*the workers' spawner '.*python' cannot run: exit code 127/)
})

test.run()
