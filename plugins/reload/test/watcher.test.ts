import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { until } from '../../../test/helpers/server-process.ts'
import { parseGlob } from '../globs.ts'
import { Watcher } from '../watcher.ts'

interface Context {
  folder: string
  watcher: Watcher
  changed: string[]
}

const watching = suite<Context>('watcher')
const PAST = new Date(Date.now() - 60_000)

watching.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'wsgi-core-watcher-'))
  context.changed = []
  context.watcher = new Watcher(Date.now() - 1000, {
    changed: (path) => context.changed.push(path.slice(context.folder.length + 1)),
    unwatchable: (folder, error) => assert.unreachable(`${folder}: ${error.message}`),
  })
  write(context, 'a.py', 'one')
})
watching.after.each(({ folder, watcher }) => {
  watcher.close()
  rmSync(folder, { recursive: true })
})

/** A file that is older than the watcher. */
function write({ folder }: Context, name: string, text: string) {
  writeFileSync(join(folder, name), text)
  utimesSync(join(folder, name), PAST, PAST)
}

const save = ({ folder }: Context, name: string, text = 'two') =>
  writeFileSync(join(folder, name), text)

const sees = ({ changed }: Context, name: string) =>
  until(`${name} is seen among ${changed}`, () => changed.includes(name))

watching(
  'sees a file that is written, replaced by renaming, and written again',
  async (context) => {
    const { folder, watcher, changed } = context
    watcher.addFile(join(folder, 'a.py'))
    for (let round = 0; round < 3; round++) {
      save(context, 'a.py', `${round}`)
      await sees(context, 'a.py')
      changed.length = 0
      save(context, 'a.py.tmp', `${round} renamed`)
      renameSync(join(folder, 'a.py.tmp'), join(folder, 'a.py'))
      await sees(context, 'a.py')
      changed.length = 0
    }
  },
)

watching('sees what a link leads to', async (context) => {
  const { folder, watcher } = context
  mkdirSync(join(folder, 'releases'))
  write(context, 'releases/b.py', 'one')
  symlinkSync('releases/b.py', join(folder, 'b.py'))
  watcher.addFile(join(folder, 'b.py'))
  save(context, 'releases/b.py')
  await sees(context, 'releases/b.py')
  write(context, 'c.py', 'another')
  rmSync(join(folder, 'b.py'))
  symlinkSync('c.py', join(folder, 'b.py'))
  await sees(context, 'b.py')
})

watching('sees a file that was gone for a while', async (context) => {
  const { folder, watcher } = context
  watcher.addFile(join(folder, 'a.py'))
  renameSync(join(folder, 'a.py'), join(folder, 'a.py~'))
  save(context, 'a.py')
  await sees(context, 'a.py')
})

watching('tells of nothing else: other files, rights, what it was not', async (context) => {
  const { folder, watcher, changed } = context
  watcher.addFile(join(folder, 'a.py'))
  save(context, 'b.py')
  chmodSync(join(folder, 'a.py'), 0o600)
  save(context, 'last.py')
  watcher.addFile(join(folder, 'sign.py'))
  save(context, 'sign.py')
  await sees(context, 'sign.py')
  assert.equal([...new Set(changed)], ['sign.py'])
})

watching('sees what changed before it was watched, but not what is older', (context) => {
  const { folder, watcher, changed } = context
  write(context, 'old.py', 'old')
  save(context, 'new.py')
  for (const name of ['old.py', 'new.py', 'none.py']) watcher.addFile(join(folder, name))
  assert.equal(changed, ['new.py'])
})

watching('takes no file from the future for a change', (context) => {
  const { folder, watcher, changed } = context
  const future = new Date(Date.now() + 3_600_000)
  utimesSync(join(folder, 'a.py'), future, future)
  watcher.addFile(join(folder, 'a.py'))
  assert.equal(changed, [])
})

watching('a glob finds new files in new folders', async (context) => {
  const { folder, watcher } = context
  const count = watcher.addPattern(parseGlob('t/**/*.html', folder))
  assert.is(count, 0)
  mkdirSync(join(folder, 't/x/y'), { recursive: true })
  save(context, 't/x/y/a.html')
  await sees(context, 't/x/y/a.html')
  mkdirSync(join(folder, 't/z'))
  save(context, 't/z/b.html')
  await sees(context, 't/z/b.html')
})

watching('a folder is no file, though a glob matches its name', async (context) => {
  const { folder, watcher, changed } = context
  watcher.addPattern(parseGlob('t/**', folder))
  mkdirSync(join(folder, 't/x'), { recursive: true })
  save(context, 't/x/a.html')
  await sees(context, 't/x/a.html')
  assert.equal([...new Set(changed)], ['t/x/a.html'])
})

watching('a folder that was replaced is watched again', async (context) => {
  const { folder, watcher, changed } = context
  mkdirSync(join(folder, 'p'))
  write(context, 'p/m.py', 'one')
  watcher.addFile(join(folder, 'p/m.py'))
  renameSync(join(folder, 'p'), join(folder, 'q'))
  mkdirSync(join(folder, 'p'))
  save(context, 'p/m.py', 'another')
  await sees(context, 'p/m.py')
  changed.length = 0
  save(context, 'p/m.py', 'and another')
  await sees(context, 'p/m.py')
})

watching.run()
