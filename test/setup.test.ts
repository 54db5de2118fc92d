import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const root = fileURLToPath(new URL('..', import.meta.url))
const checkNode: (version: string) => string | undefined = createRequire(import.meta.url)(
  '../scripts/check-node.cjs',
)

interface Context {
  folder: string
}

const setup = suite<Context>('setup')

setup.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'wsgi-core-setup-'))
})

setup.after.each((context) => rmSync(context.folder, { recursive: true }))

function fakePython(folder: string, version: string) {
  const path = join(folder, 'python3')
  writeFileSync(path, `#!/bin/sh\necho 'Python ${version}'\n`)
  chmodSync(path, 0o755)
}

function runScript(name: string, path: string, nodeArgs: string[] = []) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [...nodeArgs, join(root, 'scripts', name)],
    { env: { PATH: path }, encoding: 'utf8' },
  )
  return { status, stdout, stderr }
}

// `npm start` begins with setup.mjs, `npm test` with test.mjs.
for (const script of ['setup.mjs', 'test.mjs']) {
  setup(`${script} says in one line that Python is too old`, ({ folder }) => {
    fakePython(folder, '3.7.16')
    assert.equal(runScript(script, folder), {
      status: 1,
      stdout: '',
      stderr:
        "wsgi-core needs Python 3.9 or newer, and 'python3' is Python 3.7.16; " +
        'put a newer one first on PATH\n',
    })
  })

  setup(`${script} says in one line that there is no Python`, ({ folder }) => {
    assert.equal(runScript(script, folder), {
      status: 1,
      stdout: '',
      stderr:
        "wsgi-core needs Python 3.9 or newer, and there is no 'python3' on PATH; " +
        'install one first\n',
    })
  })
}

setup('Node 20.6 is new enough, and so is every later one', () => {
  for (const version of ['v20.6.0', 'v20.20.2', 'v22.0.0', 'v100.1.0']) {
    assert.is(checkNode(version), undefined)
  }
})

setup('Node 20.5 is too old, and so is every earlier one', () => {
  for (const version of ['v20.5.1', 'v18.20.0', 'v8.17.0', 'v0.12.18']) {
    assert.match(
      checkNode(version) ?? '',
      /^wsgi-core needs Node\.js 20\.6 or newer, and this is v/,
    )
  }
})

setup('an old Node ends with one line', ({ folder }) => {
  const disguise = join(folder, 'disguise.cjs')
  writeFileSync(disguise, "Object.defineProperty(process, 'version', { value: 'v18.20.0' })")
  assert.equal(runScript('check-node.cjs', folder, ['--require', disguise]), {
    status: 1,
    stdout: '',
    stderr:
      'wsgi-core needs Node.js 20.6 or newer, and this is v18.20.0; ' +
      'install a newer one from https://nodejs.org/\n',
  })
})

setup('the check of the Node version is readable for old Nodes', () => {
  const source = readFileSync(join(root, 'scripts', 'check-node.cjs'), 'utf8')
  assert.not.match(source, /`|=>|\?\.|\?\?|\b(const|let|class|import|async)\b/)
})

setup('npm start and npm test look at the Node version first', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  for (const name of ['start', 'test']) {
    assert.ok(scripts[name].startsWith('node scripts/check-node.cjs && '))
  }
})

setup.run()
