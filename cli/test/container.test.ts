// The server as process 1 of a PID namespace, as in a container that has no init.
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type ServerProcess, startServer, until } from '../../test/helpers/server-process.ts'

const UNSHARE = ['unshare', '--fork', '--pid', '--mount-proc', '--kill-child']
const APP = fileURLToPath(new URL('fixtures/orphans.py', import.meta.url))

interface Context {
  folder: string
  server: ServerProcess
}

interface Process {
  readonly pid: number
  readonly parent: number
  readonly state: string
}

const test = suite<Context>('process 1 of a container')
const canUnshare = spawnSync(UNSHARE[0] as string, [...UNSHARE.slice(1), 'true']).status === 0
if (!canUnshare) console.log('skipped: there is no right to make a PID namespace here')

/** Needs the right to make namespaces: root has it, outside of most containers. */
const check = canUnshare ? test : (name: string) => test.skip(name)

test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'wsgi-core-container-'))
  cpSync(APP, join(context.folder, 'orphans.py'))
})

test.after.each(async ({ folder, server }) => {
  await server?.kill()
  rmSync(folder, { recursive: true })
})

async function start(context: Context, ...args: string[]): Promise<ServerProcess> {
  const options = { cwd: context.folder, wrapper: UNSHARE }
  context.server = await startServer([...args, 'orphans:app'], options)
  return context.server
}

/** What runs in the namespace, process 1 first. */
function inside(server: ServerProcess): Process[] {
  const all = readdirSync('/proc').flatMap(describe)
  const found = all.filter(({ parent }) => parent === server.pid)
  for (const { pid } of found) found.push(...all.filter(({ parent }) => parent === pid))
  return found
}

function describe(name: string): Process[] {
  if (!/^\d+$/.test(name)) return []
  try {
    const stat = readFileSync(`/proc/${name}/stat`, 'latin1')
    const [state = '', parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return [{ pid: Number(name), parent: Number(parent), state }]
  } catch {
    return [] // gone meanwhile
  }
}

const first = (server: ServerProcess) => (inside(server)[0] as Process).pid

for (const preload of ['--no-preload', '--preload']) {
  check(`reaps what the app left behind, with ${preload}`, async (context) => {
    const server = await start(context, preload)
    const before = inside(server).length
    for (let count = 0; count < 3; count++) await server.request('/orphan')
    assert.is(inside(server).length, before + 3)
    writeFileSync(join(context.folder, 'end'), '')
    await until('they are gone', () => inside(server).length === before)
    assert.is((await server.request('/')).status, 200)
  })
}

check('reaps those of the generation before a reload', async (context) => {
  const server = await start(context)
  const before = inside(server).length
  await server.request('/orphan')
  process.kill(first(server), 'SIGHUP')
  await server.line(/Reloaded/)
  await until('the old workers are gone', () => inside(server).length === before + 2)
  writeFileSync(join(context.folder, 'end'), '')
  await until('orphan and old spawner are gone', () => inside(server).length === before)
})

check('finishes what is under way on TERM and takes all with it', async (context) => {
  const server = await start(context)
  await server.request('/orphan')
  const answer = server.request('/slow')
  await until('the request is under way', () => existsSync(join(context.folder, 'begun')))
  process.kill(first(server), 'SIGTERM')
  await server.line(/Handling signal: term/)
  writeFileSync(join(context.folder, 'go'), '')
  assert.is((await answer).body, 'slow')
  assert.is((await server.ended).code, 0)
})

test.run()
