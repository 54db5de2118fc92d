import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { findPython } from '../python.ts'

const interpreter = suite<{ folder: string }>('the interpreter')

interpreter.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'wsgi-core-python-'))
})
interpreter.after.each(({ folder }) => rmSync(folder, { recursive: true }))

/** A program in the folder. @returns its path. */
function make(folder: string, name: string): string {
  const path = join(folder, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, '')
  chmodSync(path, 0o755)
  return path
}

interpreter(
  'is the one that is named, else of VIRTUAL_ENV, else of .venv, else python3 on PATH',
  ({ folder }) => {
    const env = { PATH: `${join(folder, 'empty')}:${join(folder, 'path')}` }
    const active = { ...env, VIRTUAL_ENV: join(folder, 'active') }
    const found = make(folder, 'path/python3')
    assert.is(findPython(null, folder, active), found)
    const local = make(folder, '.venv/bin/python')
    assert.is(findPython(null, folder, active), local)
    const activated = make(folder, 'active/bin/python')
    assert.is(findPython(null, folder, active), activated)
    assert.is(findPython(null, folder, env), local)
    assert.is(findPython('python3', folder, active), found)
  },
)

interpreter('may be named by its path, or by the folder of a virtual environment', ({ folder }) => {
  const python = make(folder, 'env/bin/python')
  for (const name of ['./env', 'env/bin/python', join(folder, 'env')])
    assert.is(findPython(name, folder, {}), python)
})

interpreter('that is none is refused with what was looked for', ({ folder }) => {
  writeFileSync(join(folder, 'python3'), '') // not executable
  mkdirSync(join(folder, 'python4'))
  for (const name of [null, 'python4', './none'])
    assert.throws(
      () => findPython(name, folder, { PATH: folder }),
      (error: Error) => error.message.includes(name ?? 'python3'),
    )
})

interpreter.run()
