import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { foldersBelow, parseGlob, pythonBelow } from '../globs.ts'

const globs = suite<{ folder: string }>('globs')

globs.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'wsgi-core-globs-'))
})
globs.after.each(({ folder }) => rmSync(folder, { recursive: true }))

for (const [text, yes, no] of [
  ['a.html', ['a.html'], ['b.html', 'aXhtml', 'x/a.html', 'a.html~']],
  ['*.html', ['a.html', 'b c.html'], ['.a.html', 'x/a.html', 'a.htm']],
  ['t/?.[ch]', ['t/a.c', 't/é.h'], ['t/ab.c', 't/a.x', 't/.c']],
  ['t/[!a]*', ['t/b', 't/bcd'], ['t/a', 't/ab', 't/b/c']],
  ['t/**/*.html', ['t/a.html', 't/x/y/z.html'], ['a.html', 't/.git/a.html', 't/x/.a.html']],
  ['t/**', ['t/a', 't/x/y'], ['u/a', 't/.x/y']],
  ['a+(b).txt', ['a+(b).txt'], ['aab.txt', 'ab.txt']],
  ['/etc/*.conf', [], ['a.conf']],
] as const) {
  globs(`${text} finds what it should and nothing else`, () => {
    const { matches } = parseGlob(text, '/srv/app')
    for (const name of yes) assert.ok(matches(`/srv/app/${name}`), name)
    for (const name of no) assert.not.ok(matches(`/srv/app/${name}`), name)
  })
}

globs('begin at the last folder without a star', () => {
  assert.is(parseGlob('t/**/*.html', '/srv/app').base, '/srv/app/t')
  assert.is(parseGlob('t/a.html', '/srv/app').base, '/srv/app/t')
  assert.is(parseGlob('/*', '/srv/app').base, '/')
  assert.equal(
    ['a', '*/a', 't/*/*/a', '**/a'].map((text) => parseGlob(text, '/srv').depth),
    [0, 1, 2, Number.POSITIVE_INFINITY],
  )
})

globs('folders below leave out what is hidden, libraries and environments', ({ folder }) => {
  for (const name of ['a/b/c', '.git/x', 'node_modules/x', '__pycache__', 'env/lib']) {
    mkdirSync(join(folder, name), { recursive: true })
  }
  writeFileSync(join(folder, 'env/pyvenv.cfg'), '')
  const below = (depth: number) =>
    foldersBelow(folder, depth).map((path) => path.slice(folder.length))
  assert.equal(below(Number.POSITIVE_INFINITY), ['', '/a', '/a/b', '/a/b/c'])
  assert.equal(below(1), ['', '/a'])
  assert.equal(below(0), [''])
  assert.equal(foldersBelow(join(folder, 'none'), 3).length, 1)
})

globs('Python below a folder is all that ends so', () => {
  const { matches } = pythonBelow('/srv/app')
  assert.ok(matches('/srv/app/x/y.py'))
  assert.not.ok(matches('/srv/app/x/y.pyc'))
  assert.not.ok(matches('/srv/apple/y.py'))
})

globs.run()
