import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { type Context, sayGeneration, start, withServers } from '../../test/support.ts'

const stalled = withServers('a log that nobody reads')

function makePipe({ folder }: Context): string {
  const path = join(folder, 'pipe')
  assert.is(spawnSync('mkfifo', [path]).status, 0)
  return path
}

/** Begins to read; what has come by then is in `text`. */
function read({ undo }: Context, path: string) {
  const reader = spawn('cat', [path], { stdio: ['ignore', 'pipe', 'inherit'] })
  undo.push(() => reader.kill())
  const read = { text: '' }
  reader.stdout.setEncoding('utf8').on('data', (chunk) => {
    read.text += chunk
  })
  return read
}

const until = async (condition: () => boolean) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20))
}

const LINE = 100_000
const TOO_MANY = 120 // lines of that length are more than the 8 MiB that are kept

stalled(
  'lets requests go on, keeps a bounded part of its lines and counts the rest',
  async (context) => {
    const accessLogfile = makePipe(context)
    const config = { accessLogfile, accessLogformat: `%(s)s${'.'.repeat(LINE)}` }
    const { request, log } = await start(context, sayGeneration, config)
    for (let count = 0; count < TOO_MANY; count++) assert.is((await request('/')).status, 200)
    assert.match(log(), /\[ERROR\] log '.*pipe' is losing lines: they come faster/)
    const pipe = read(context, accessLogfile)
    await until(() => /were lost lines=\d+\n/.test(log()))
    const lost = Number(/lines of the access log were lost lines=(\d+)/.exec(log())?.[1])
    await until(() => pipe.text.split('\n').length - 1 >= TOO_MANY - lost) // it reads behind
    const lines = pipe.text.trimEnd().split('\n')
    assert.ok(lines.every((line) => /^200\.+$/.test(line) && line.length === LINE + 3))
    assert.is(lines.length + lost, TOO_MANY)
  },
)

stalled('may be the error log', async (context) => {
  const errorLogfile = makePipe(context)
  const { server } = await start(context, sayGeneration, { errorLogfile })
  for (let count = 0; count < TOO_MANY; count++) server.log?.info('.'.repeat(LINE))
  const pipe = read(context, errorLogfile)
  await until(() => /were lost lines=\d+\n/.test(pipe.text))
  const lost = Number(
    /\[WARNING\] lines of the error log were lost lines=(\d+)/.exec(pipe.text)?.[1],
  )
  assert.is((pipe.text.match(/\[INFO\] \.{100000}\n/g) ?? []).length + lost, TOO_MANY)
})

stalled('does not hold up the end of the server', async (context) => {
  const path = makePipe(context)
  const logs = JSON.stringify({ accessLogfile: path, accessLogformat: '.'.repeat(LINE) })
  const module = JSON.stringify(new URL('../../index.ts', import.meta.url).href)
  const source = `import { createServer } from ${module}
    const server = await createServer({ bind: ['127.0.0.1:0'], errorLogfile: '/dev/null', ...${logs} }).listen()
    for (let count = 0; count < 5; count++) await fetch(server.addresses[0])
    await server.close()
    process.exit(7)`
  const args = ['--import', 'tsx', '--input-type=module', '-e', source]
  const [code] = await once(spawn(process.execPath, args, { stdio: 'inherit' }), 'exit')
  assert.is(code, 7)
})

stalled.run()
