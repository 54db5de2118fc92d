import { existsSync, readdirSync } from 'node:fs'
import * as assert from 'uvu/assert'
import { Load } from '../../../../test/helpers/load.ts'
import { processes, seePids, siteSuite, spawnerOf, until, workersOf } from '../harness.ts'
import { frontsOf, seeFronts, seeServing, TELL_FRONT } from './support.ts'

const test = siteSuite('kill -9 with several fronts')

test('of a front under load breaks its connections alone; it is replaced, the workers stay', async ({
  site,
}) => {
  const server = await site.start(['--fronts', '2', '-w', '2', ...TELL_FRONT])
  const workers = await seePids(server, 2)
  const spawner = await spawnerOf(server)
  const before = frontsOf(server)
  await seeServing(server, before)
  const load = new Load(server.url, 16, '/pid')
  await until('there is load', () => load.answers.length > 100)
  const [victim, survivor] = before as [number, number]
  process.kill(victim, 'SIGKILL')
  await server.line(new RegExp(`Front \\(pid:${victim}\\) ended by SIGKILL, and is replaced`))
  const fronts = await seeFronts(server, 2, [victim])
  assert.ok(fronts.includes(survivor))
  await seeServing(server, fronts)
  await load.stop()
  assert.ok(load.failures.length <= 16, `${load.failures}`)
  for (const failure of load.failures) assert.match(failure, /ended within|ECONNRESET|EPIPE/)
  assert.ok(load.answers.every(({ body }) => workers.has(body)))
  assert.equal(new Set(workersOf(server).map(String)), workers)
  assert.is(await spawnerOf(server), spawner)
  assert.not.match(server.log(), /Worker .* ended by|timeout/i)
})

test('of a front leaves no worker with what was its own', async ({ site }) => {
  const server = await site.start(['--fronts', '2', '-w', '2', '-t', '600'])
  const workers = await seePids(server, 2)
  const streams = ['a', 'b'].map(async (name) => {
    const connection = await server.connect()
    connection.send(`GET /stream/${name} HTTP/1.1\r\nHost: a\r\n\r\n`)
    await connection.receive(/chunk 2\n/)
  })
  await Promise.all(streams)
  for (const pid of frontsOf(server)) process.kill(pid, 'SIGKILL')
  site.write('more')
  for (const name of ['a', 'b']) await site.noted(`closed ${name}`)
  assert.equal(await seePids(server, 2), workers) // connections wait until there is a front again
  const large = { method: 'POST', body: 'x'.repeat(200_000) }
  assert.is((await server.request('/pid', large)).status, 200)
  assert.is(server.log().match(/and is replaced/g)?.length, 2)
})

test('of a worker fails what it executed, whichever front that came from', async ({ site }) => {
  const server = await site.start(['--fronts', '2', '-w', '2', '--threads', '2'])
  const names = ['a', 'b', 'c', 'd']
  const replies = new Map(names.map((name) => [name, server.request(`/wait/${name}`)]))
  const pids = new Map<string, string>()
  for (const name of names) pids.set(name, await site.noted(`begin ${name} `))
  const victim = pids.get('a') as string
  process.kill(Number(victim), 'SIGKILL')
  const hit = names.filter((name) => pids.get(name) === victim)
  for (const name of hit) assert.is((await replies.get(name))?.status, 502)
  await until('each is in the log', () => {
    const lines = server.log().match(/a request failed with its worker/g) ?? []
    return lines.length === hit.length
  })
  site.write('go')
  for (const name of names.filter((each) => !hit.includes(each)))
    assert.is((await replies.get(name))?.status, 200)
  assert.not.ok((await seePids(server, 2)).has(victim))
})

test('of the process over them leaves no process and no folder', async ({ site }) => {
  const server = await site.start(['--fronts', '2', '-w', '2'])
  await seePids(server, 2)
  const [folder] = readdirSync(server.folder)
  await site.crash(server)
  await until('no process is left', () => processes(server).length === 0)
  await until('no folder is left', () => !existsSync(`${server.folder}/${folder}`))
})

test('of the process over them, while they work, leaves none either', async ({ site }) => {
  const server = await site.start(['--fronts', '2', '-w', '2', '--graceful-timeout', '1'])
  const replies = ['a', 'b'].map((name) => server.request(`/wait/${name}`).catch(() => undefined))
  await Promise.all(['a', 'b'].map((name) => site.noted(`begin ${name} `)))
  await site.crash(server)
  await until('no process is left', () => processes(server).length === 0)
  await Promise.all(replies)
})

test('of a front while all reload fails the reload, and is made good', async ({ site }) => {
  const server = await site.start(['--fronts', '2', '-w', '1', ...TELL_FRONT])
  const [victim] = frontsOf(server) as [number]
  site.append(
    'life.py',
    '\nif not os.path.exists("boot"):\n    note("held")\n    wait_for("boot")\n',
  )
  server.signal('SIGHUP')
  await site.noted('held')
  process.kill(victim, 'SIGKILL')
  await server.line(/the reload failed; the server goes on as it was/)
  site.write('boot')
  await seeServing(server, await seeFronts(server, 2, [victim]))
  server.signal('SIGHUP')
  await server.line(/Reloaded/)
  assert.is((await server.request('/pid')).status, 200)
})

test.run()
