import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import type { ServerProcess } from '../../../../test/helpers/server-process.ts'
import { seePids, siteSuite, until, workersOf } from '../harness.ts'

const CLIENTS = 3000
/** Of the server's own process, in bytes; it takes some 100 MB when nothing happens. */
const MEMORY = 400 * 1_048_576
/** How long they go on when all have come, in milliseconds; longer than the time for a head. */
const DURATION = 3000
/** For one answer; the machine has other work too. */
const PATIENCE = 10_000
const ATTACKERS = fileURLToPath(new URL('attackers.mjs', import.meta.url))

const test = siteSuite(`${CLIENTS} clients that break every limit at once`)

test('do not keep a normal client from its answers, nor make the server grow', async ({ site }) => {
  const server = await site.start([
    ...['-w', '2', '--max-connections', '2000', '--max-connections-per-address', '300'],
    ...['--client-header-timeout', '2', '--limit-request-body', '2000000'],
  ])
  const before = await seePids(server, 2)
  const descriptors = server.descriptors()
  const attackers = await attack(server)
  let memory = 0
  let slowest = 0
  const end = performance.now() + DURATION
  while (performance.now() < end) {
    const started = performance.now()
    const reply = await server.request('/pid', { localAddress: '127.0.0.2' })
    assert.is(reply.status, 200)
    slowest = Math.max(slowest, performance.now() - started)
    memory = Math.max(memory, server.memory())
  }
  attackers.stdin?.end()
  await once(attackers, 'exit')
  assert.ok(memory < MEMORY, `${Math.round(memory / 1_048_576)} MB`)
  assert.ok(slowest < PATIENCE, `${Math.round(slowest)} ms`)
  await until('all of them are gone', () => server.descriptors() <= descriptors + 8)
  assert.equal(await seePids(server, 2), before, 'no worker had to be replaced')
  assert.is(workersOf(server).length, 2)
  const lines = server.log().split('\n')
  assert.ok(lines.length < 100, `${lines.length} lines are in the log`)
  await until(
    'no file is left',
    () => !server.runtimeFiles().some((name) => /spool|body/.test(name)),
  )
})

async function attack(server: ServerProcess): Promise<ChildProcess> {
  const args = [ATTACKERS, new URL(server.url).port, String(CLIENTS)]
  const attackers = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  await once(attackers.stdout as NodeJS.ReadableStream, 'data')
  return attackers
}

test.run()
