import * as assert from 'uvu/assert'
import { seePids, siteSuite, until, workersOf } from './harness.ts'

const test = siteSuite('boot')

/** Applications that cannot be served: the file, the target, gunicorn's exit code, what stderr must say. */
const FAILURES = [
  {
    name: 'an app whose import raises',
    file: 'import os\n\nraise ValueError("no settings")\n',
    target: 'broken:app',
    exit: 3,
    says: [/Traceback \(most recent call last\)/, /broken\.py", line 3/, /ValueError: no settings/],
  },
  {
    name: 'a syntax error',
    file: 'def app(:\n',
    target: 'broken:app',
    exit: 3,
    says: [/broken\.py", line 1/, /SyntaxError/],
  },
  {
    name: 'an app that imports what is not there',
    file: 'import not_installed_anywhere\n',
    target: 'broken:app',
    exit: 3,
    says: [/ModuleNotFoundError: No module named 'not_installed_anywhere'/],
  },
  {
    name: 'a module that is not there',
    file: '',
    target: 'missing:app',
    exit: 3,
    says: [/no module named 'missing'/],
  },
  {
    name: 'a name that the module does not have',
    file: 'x = 1\n',
    target: 'broken:app',
    exit: 4,
    says: [/no attribute 'app' in 'broken'/],
  },
  {
    name: 'a thing that cannot be called',
    file: 'app = 5\n',
    target: 'broken:app',
    exit: 4,
    says: [/is a int, which is not callable/],
  },
  {
    name: 'a factory that raises',
    file: 'def make():\n    raise KeyError("DATABASE")\n',
    target: 'broken:make()',
    exit: 3,
    says: [/KeyError: 'DATABASE'/, /broken\.py", line 2/],
  },
  {
    name: 'an app that leaves while it is imported',
    file: 'import os\nos._exit(9)\n',
    target: 'broken:app',
    exit: 3,
    says: [/9/],
    preload: false,
  },
] as const

for (const { name, file, target, exit, says, ...more } of FAILURES) {
  for (const args of 'preload' in more
    ? [['-w', '2']]
    : [
        ['-w', '2'],
        ['-w', '2', '--preload'],
      ]) {
    test(`${name} ends the start with ${exit} and says why (${args.join(' ')})`, async ({
      site,
    }) => {
      site.write('broken.py', file)
      const { code, output } = await site.run([...args, target])
      assert.is(code, exit, output)
      for (const pattern of says) assert.match(output, pattern)
      assert.not.match(output, /at .*\.js:\d+/) // no JavaScript stack
    })
  }
}

for (const args of [[], ['--preload']]) {
  test(`--check-config ends with 0 where the app loads, else 1 (${args.join(' ')})`, async ({
    site,
  }) => {
    const good = await site.run([...args, '--check-config', 'life:app'])
    assert.is(good.code, 0, good.output)
    site.write('broken.py', 'raise ValueError("no settings")\n')
    const bad = await site.run([...args, '--check-config', 'broken:app'])
    assert.is(bad.code, 1, bad.output)
    assert.match(bad.output, /ValueError: no settings/)
  })
}

const BREAKABLE = '\nif os.path.exists("broken"):\n    raise ValueError("broken now")\n'

test('an app that breaks later: those left serve on, boots are tried again, slower, until it heals', async ({
  site,
}) => {
  site.append('life.py', BREAKABLE)
  const server = await site.start(['-w', '2'])
  const [first, second] = [...(await seePids(server, 2))]
  site.write('broken')
  process.kill(Number(first), 'SIGKILL')
  const attempts = () => server.log().match(/ended by code 3/g)?.length ?? 0
  await until('it was tried three times', () => attempts() >= 3)
  assert.match(server.log(), /Traceback[\s\S]*ValueError: broken now/)
  assert.is((await server.request('/pid')).body, second)
  site.remove('broken')
  const healed = await seePids(server, 2)
  assert.ok(healed.has(second as string))
  assert.is(workersOf(server).length, 2)
})

test('an app that breaks later with no worker left: requests wait until it heals', async ({
  site,
}) => {
  site.append('life.py', BREAKABLE)
  const server = await site.start(['-w', '1'])
  const { body: first } = await server.request('/pid')
  site.write('broken')
  process.kill(Number(first), 'SIGKILL')
  await server.line(/ended by code 3/)
  const reply = server.request('/pid')
  await server.line(/ended by code 3/, server.log().length)
  site.remove('broken')
  assert.is((await reply).status, 200)
})

test.run()
