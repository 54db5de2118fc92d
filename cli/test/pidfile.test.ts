import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { PidfileFailed, PidfileInUse } from '../../core/errors.ts'
import { createPidfile } from '../pidfile.ts'

interface Context {
  folder: string
  path: string
}

const OWN = `${process.pid}\n`
const LIVE = process.ppid

const deadPid = () => spawnSync(process.execPath, ['-e', '']).pid
const read = (path: string) => readFileSync(path, 'utf8')
const refuses = (path: string, pid: number) =>
  assert.throws(
    () => createPidfile(path),
    (error: Error) => {
      assert.instance(error, PidfileInUse)
      assert.match(error.message, `pid file '${path}' belongs to the running process ${pid};`)
      return true
    },
  )
const fails = (path: string, reason: RegExp) =>
  assert.throws(
    () => createPidfile(path),
    (error: Error) => error instanceof PidfileFailed && reason.test(error.message),
  )

const withFolder = (name: string) => {
  const test = suite<Context>(name)
  test.before.each((context) => {
    context.folder = mkdtempSync(join(tmpdir(), 'wsgi-core-pid-'))
    context.path = join(context.folder, 'server.pid')
  })
  test.after.each(({ folder }) => rmSync(folder, { recursive: true }))
  return test
}

const creating = withFolder('createPidfile')

creating('writes the own pid for all to read, whatever the umask', ({ folder, path }) => {
  const before = process.umask(0o077)
  try {
    assert.is(createPidfile(path).path, path)
  } finally {
    process.umask(before)
  }
  assert.is(read(path), OWN)
  assert.is(statSync(path).mode & 0o777, 0o644)
  assert.equal(readdirSync(folder), ['server.pid'])
})

creating('replaces the file of a process that is gone', ({ folder, path }) => {
  writeFileSync(path, `${deadPid()}\n`)
  createPidfile(path)
  assert.is(read(path), OWN)
  assert.equal(readdirSync(folder), ['server.pid'])
})

creating(
  'replaces the file of a process that is dead and that nobody has reaped',
  async (context) => {
    const shell = spawn('sh', ['-c', 'sleep 60 & echo $!; exec sleep 60'])
    try {
      const [text] = await once(shell.stdout, 'data')
      const stat = (pid: number) => read(`/proc/${pid}/stat`)
      while (!stat(shell.pid as number).includes('(sleep)')) await setImmediate() // who reaps nobody
      process.kill(Number(text), 'SIGKILL')
      while (!stat(Number(text)).includes(') Z ')) await setImmediate()
      writeFileSync(context.path, String(text))
      createPidfile(context.path)
      assert.is(read(context.path), OWN)
    } finally {
      shell.kill('SIGKILL')
    }
  },
)

for (const text of [
  '',
  '\n',
  'abc',
  '0',
  '-1',
  '-5',
  '12x',
  '1.5',
  '2147483648',
  '99999999999999999999',
]) {
  creating(
    `replaces a file that holds ${JSON.stringify(text)}, which is no process`,
    ({ path }) => {
      writeFileSync(path, text)
      createPidfile(path)
      assert.is(read(path), OWN)
    },
  )
}

creating('takes over a file that holds the own pid', ({ path }) => {
  writeFileSync(path, ` ${process.pid} `)
  const pidfile = createPidfile(path)
  pidfile.unlink()
  assert.not(existsSync(path))
})

creating('refuses the file of another live process and leaves it', ({ folder, path }) => {
  writeFileSync(path, `${LIVE}`)
  refuses(path, LIVE)
  assert.is(read(path), `${LIVE}`)
  assert.equal(readdirSync(folder), ['server.pid'])
})

creating('takes a process of another user for alive', ({ path }) => {
  const kill = process.kill
  process.kill = () => {
    throw Object.assign(new Error('kill EPERM'), { code: 'EPERM' })
  }
  try {
    writeFileSync(path, '4711')
    refuses(path, 4711)
  } finally {
    process.kill = kill
  }
})

creating('replaces a link, not the file behind it', ({ folder, path }) => {
  const target = join(folder, 'target')
  writeFileSync(target, 'precious')
  symlinkSync(target, path)
  createPidfile(path)
  assert.is(read(path), OWN)
  assert.is(read(target), 'precious')
})

creating(
  'refuses a folder that is missing or not writable, and a path that is a folder',
  ({ folder }) => {
    fails(
      join(folder, 'none', 'x.pid'),
      /none\/x\.pid' cannot be used: ENOENT.*; give a path in a folder/,
    )
    fails(folder, /cannot be used: it is a folder/)
    if (process.getuid?.() === 0) return // root may write all
    mkdirSync(join(folder, 'closed'))
    chmodSync(join(folder, 'closed'), 0o500)
    fails(join(folder, 'closed', 'x.pid'), /EACCES/)
  },
)

creating('keeps to its file when the folder of the process changes', ({ folder, path }) => {
  const before = process.cwd()
  process.chdir(folder)
  try {
    const pidfile = createPidfile('server.pid')
    process.chdir(before)
    assert.is(pidfile.path, path)
    pidfile.unlink()
    assert.not(existsSync(path))
  } finally {
    process.chdir(before)
  }
})

creating('lets one of several servers that start at once have it', async ({ folder, path }) => {
  const module = JSON.stringify(new URL('../pidfile.ts', import.meta.url).href)
  const code = `import { createPidfile } from ${module}
    setInterval(() => {}, 1000) // it lives on: the pid file of a dead one is for the taking
    process.once('message', () => {
      try { createPidfile(${JSON.stringify(path)}); process.send('won') }
      catch (error) { process.send(error.code) }
    })
    process.send('ready')`
  const args = ['--import', 'tsx', '--input-type=module', '-e', code]
  const children = Array.from({ length: 4 }, () =>
    spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }),
  )
  const answers = () =>
    Promise.all(children.map((child) => new Promise((done) => child.once('message', done))))
  const exits = children.map((child) => new Promise((done) => child.once('exit', done)))
  await answers()
  const results = answers()
  for (const child of children) child.send('go')
  const words = await results
  for (const child of children) child.kill()
  await Promise.all(exits)
  assert.is(words.filter((word) => word === 'won').length, 1, words.join())
  assert.is(words.filter((word) => word === 'WSGI_CORE_PIDFILE_IN_USE').length, 3)
  assert.equal(readdirSync(folder), ['server.pid'])
})
creating.run()

const unlinking = withFolder('unlink')

unlinking('removes the own file, and does nothing a second time', ({ folder, path }) => {
  const pidfile = createPidfile(path)
  pidfile.unlink()
  pidfile.unlink()
  assert.equal(readdirSync(folder), [])
})

unlinking('leaves a file that holds another pid by now', ({ path }) => {
  const pidfile = createPidfile(path)
  for (const text of [`${LIVE}`, `${deadPid()}`, '', `${process.pid}0`]) {
    writeFileSync(path, text)
    pidfile.unlink()
    assert.is(read(path), text)
  }
})
unlinking.run()

const renaming = withFolder('rename')

renaming('moves the file, and unlink then removes the new one', ({ folder, path }) => {
  const pidfile = createPidfile(path)
  pidfile.rename(`${path}.oldbin`)
  assert.equal(readdirSync(folder), ['server.pid.oldbin'])
  assert.is(pidfile.path, `${path}.oldbin`)
  pidfile.unlink()
  assert.equal(readdirSync(folder), [])
})

renaming('leaves the old path alone when the next server has it by now', ({ path }) => {
  const pidfile = createPidfile(path)
  writeFileSync(path, `${LIVE}`)
  pidfile.rename(`${path}.2`)
  assert.is(read(path), `${LIVE}`)
  assert.is(read(`${path}.2`), OWN)
})

renaming(
  'keeps the old file when the new path is taken or cannot be written',
  ({ folder, path }) => {
    const pidfile = createPidfile(path)
    writeFileSync(`${path}.2`, `${LIVE}`)
    assert.throws(
      () => pidfile.rename(`${path}.2`),
      (error: Error) => error instanceof PidfileInUse,
    )
    const none = join(folder, 'none', 'x')
    assert.throws(
      () => pidfile.rename(none),
      (error: Error) => error instanceof PidfileFailed,
    )
    assert.is(pidfile.path, path)
    assert.is(read(path), OWN)
  },
)

renaming('to the same path changes nothing', ({ path }) => {
  const pidfile = createPidfile(path)
  pidfile.rename(path)
  assert.is(read(path), OWN)
})
renaming.run()
