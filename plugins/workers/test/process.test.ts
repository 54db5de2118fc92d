import { once } from 'node:events'
import type { Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Program, startAhead, startProcess } from '../process.ts'

/** Says `name` on its control socket when that says `go`. */
const program = (name: string, env = {}): Program => ({
  command: '/bin/sh',
  args: ['-c', `while read line <&3; do [ $line = go ] && break; done; echo ${name} $$ >&3`],
  cwd: '/',
  env: { ...process.env, ...env },
})

async function ask(child: ReturnType<typeof startProcess>): Promise<[name: string, pid: number]> {
  const control = child.stdio[3] as Socket
  control.write('go\n')
  const [said] = await once(control, 'data')
  const [name, pid] = String(said).trim().split(' ')
  await once(child, 'close')
  return [name as string, Number(pid)]
}

const test = suite('the spawner’s process')

test('is the one that was started ahead, once', async () => {
  startAhead(program('one'), {})
  const early = startProcess(program('one'), 'inherit')
  const late = startProcess(program('one'), 'inherit')
  assert.is.not(early.pid, late.pid)
  assert.equal(await ask(early), ['one', early.pid])
  assert.equal(await ask(late), ['one', late.pid])
})

test('is a new one where that has other variables, or its output is to be read', async () => {
  startAhead(program('one', { A: '1' }), {})
  const child = startProcess(program('one', { A: '2' }), 'inherit')
  assert.equal(await ask(child), ['one', child.pid])
  startAhead(program('two'), {})
  const read = startProcess(program('two'), 'pipe')
  assert.ok(read.stdout)
  assert.equal(await ask(read), ['two', read.pid])
})

test('is a new one where that could not be started', async () => {
  startAhead({ ...program('one'), command: '/nonexistent' }, {})
  const child = startProcess({ ...program('one'), command: '/nonexistent' }, 'inherit')
  const [error] = await once(child, 'error')
  assert.is(error.code, 'ENOENT')
})

test.run()
