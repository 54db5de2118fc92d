import { readdirSync } from 'node:fs'
import * as assert from 'uvu/assert'
import type { ServerProcess } from '../../../test/helpers/server-process.ts'
import { processes, seeAnother, seePids, siteSuite, spawnerOf, until } from './harness.ts'

const test = siteSuite('kill -9')

/** Kills the spawner, and waits until there is another. */
async function loseSpawner(server: ServerProcess): Promise<void> {
  const from = server.log().length
  const spawner = await spawnerOf(server)
  process.kill(spawner, 'SIGKILL')
  await server.line(/the spawner died and is replaced/, from)
  await spawnerOf(server, spawner)
}

test('of the spawner leaves the workers and what they execute alone', async ({ site }) => {
  const server = await site.start(['-w', '2'])
  const before = await seePids(server, 2)
  const reply = server.request('/wait/a')
  const pid = await site.noted('begin a ')
  await loseSpawner(server)
  site.write('go')
  assert.is((await reply).body, `a ${pid}`)
  assert.equal([...(await seePids(server, 2))].sort(), [...before].sort())
})

test('of the spawner: deaths of the workers that it left are noticed, they are replaced', async ({
  site,
}) => {
  const server = await site.start(['-w', '1'])
  const { body: first } = await server.request('/pid')
  await loseSpawner(server)
  assert.is((await server.request('/pid')).body, first)
  assert.is((await server.request('/exit/7')).status, 502)
  await server.line(new RegExp(`Worker \\(pid:${first}\\) ended`))
  const second = await seeAnother(server, first)
  process.kill(Number(second), 'SIGKILL') // a child of the new spawner
  await server.line(new RegExp(`Worker \\(pid:${second}\\) ended by SIGKILL`))
  await seeAnother(server, second)
})

test('of the spawner: its workers are still held to --timeout', async ({ site }) => {
  const server = await site.start(['-w', '1', '-t', '1'])
  const { body: first } = await server.request('/pid')
  await loseSpawner(server)
  assert.is((await server.request('/sleep')).status, 504)
  await server.line(new RegExp(`WORKER TIMEOUT \\(pid:${first}\\)`))
  await seeAnother(server, first)
})

test('of the spawner: a stop ends the workers that it left, by force where they hang', async ({
  site,
}) => {
  const server = await site.start(['-w', '2', '--graceful-timeout', '1'])
  await seePids(server, 2)
  await loseSpawner(server)
  const hanging = server.request('/sleep').catch(() => undefined)
  await site.noted('begin sleep ')
  server.signal('SIGTERM')
  assert.is((await server.ended).code, 0)
  await hanging
})

test('of the spawner again and again, under load, loses no request', async ({ site }) => {
  const server = await site.start(['-w', '2'])
  let running = true
  const statuses: number[] = []
  const load = [1, 2].map(async () => {
    while (running) statuses.push((await server.request('/pid')).status)
  })
  try {
    for (let round = 0; round < 3; round++) await loseSpawner(server)
  } finally {
    running = false
    await Promise.all(load)
  }
  assert.ok(statuses.length > 0)
  assert.ok(statuses.every((status) => status === 200))
})

test('of the spawner while the server stops does not keep it', async ({ site }) => {
  const server = await site.start(['-w', '2', '--graceful-timeout', '60'])
  const reply = server.request('/wait/a')
  await site.noted('begin a ')
  const spawner = await spawnerOf(server)
  server.signal('SIGTERM')
  await server.line(/Handling signal: term/)
  process.kill(spawner, 'SIGKILL')
  site.write('go')
  assert.is((await reply).status, 200)
  assert.is((await server.ended).code, 0)
})

for (const args of [
  ['-w', '2'],
  ['-w', '1', '--threads', '2', '--preload'],
]) {
  test(`of the server leaves no process; the next start works (${args.join(' ')})`, async ({
    site,
  }) => {
    const server = await site.start([...args, '--graceful-timeout', '1'])
    const hanging = server.request('/sleep').catch(() => undefined)
    await site.noted('begin sleep ')
    await site.crash(server)
    await hanging
    await until('no process is left', () => processes(server).length === 0)
    assert.equal(readdirSync(server.folder), [], 'its spawner has removed the runtime directory')
    const next = await site.start(args)
    assert.is((await next.request('/pid')).status, 200)
  })
}

test('of server and spawner at once leaves no process', async ({ site }) => {
  const server = await site.start(['-w', '2'])
  await seePids(server, 2)
  process.kill(await spawnerOf(server), 'SIGKILL')
  await site.crash(server)
  await until('no process is left', () => processes(server).length === 0)
})

test.run()
