import * as assert from 'uvu/assert'
import { type Reply, seeAnother, seePids, siteSuite, until, workersOf } from './harness.ts'

const test = siteSuite('a worker that dies')

/** Each way of a worker to end in the middle of a request, and what the log must say. */
const WAYS = [
  { name: 'os._exit(7)', path: '/exit/7', log: /Worker \(pid:\d+\) ended by code 7\./ },
  { name: 'a segmentation fault', path: '/crash', log: /Worker \(pid:\d+\) ended by SIGSEGV\./ },
]
const SETUPS = [
  ['-w', '1'],
  ['-w', '4'],
  ['-w', '1', '--threads', '4'],
]

for (const { name, path, log } of WAYS) {
  for (const setup of SETUPS) {
    test(`by ${name} fails its request with 502, says so and is replaced (${setup.join(' ')})`, async ({
      site,
    }) => {
      const server = await site.start(setup)
      const before = (await server.request('/pid')).body
      const reply = await server.request(path)
      assert.is(reply.status, 502)
      await server.line(log)
      await server.line(/a request failed with its worker/)
      const dead = site.notes[0]?.split(' ')[1] as string
      if (setup.length !== 2 || setup[1] === '1') assert.is(dead, before)
      const after = await server.request('/pid') // at once: it waits for the replacement where there is no other
      assert.is(after.status, 200)
      assert.is.not(after.body, dead)
      const workers = Number(setup[1])
      assert.is((await seePids(server, workers)).has(dead), false)
    })
  }
}

test('by a segmentation fault leaves its traceback in the log', async ({ site }) => {
  const server = await site.start()
  assert.is((await server.request('/crash')).status, 502)
  await server.line(/SIGSEGV/)
  await until('the traceback is there', () => /life\.py.* in crash/.test(server.log()))
  assert.match(server.log(), /Fatal Python error: Segmentation fault/)
})

test('by SIGKILL from outside fails what it executed; the others go on', async ({ site }) => {
  const server = await site.start(['-w', '4'])
  await seePids(server, 4)
  const names = ['a', 'b', 'c', 'd']
  const replies = names.map((name) => server.request(`/wait/${name}`))
  const pids = await Promise.all(names.map((name) => site.noted(`begin ${name} `)))
  assert.is(new Set(pids).size, 4)
  process.kill(Number(pids[2]), 'SIGKILL')
  const killed = (await replies[2]) as Reply
  assert.is(killed.status, 502)
  await server.line(new RegExp(`Worker \\(pid:${pids[2]}\\) ended by SIGKILL\\.`))
  site.write('go')
  const others = await Promise.all([replies[0], replies[1], replies[3]])
  assert.equal(
    others.map((reply) => reply?.body),
    [0, 1, 3].map((index) => `${names[index]} ${pids[index]}`),
  )
  assert.is((await seePids(server, 4)).has(pids[2] as string), false)
})

test('takes the requests of all its threads with it, and none that wait', async ({ site }) => {
  const server = await site.start(['-w', '1', '--threads', '4'])
  const executed = ['a', 'b', 'c', 'd'].map((name) => server.request(`/wait/${name}`))
  const pid = await site.noted('begin a ')
  for (const name of ['b', 'c', 'd']) await site.noted(`begin ${name} `)
  const waiting = Array.from({ length: 8 }, () => server.request('/pid'))
  await until('they wait', async () => (await connectionsOf(server.pid)) >= 12)
  process.kill(Number(pid), 'SIGKILL')
  assert.equal(
    (await Promise.all(executed)).map(({ status }) => status),
    [502, 502, 502, 502],
  )
  for (const reply of await Promise.all(waiting)) {
    assert.is(reply.status, 200)
    assert.is.not(reply.body, pid)
  }
})

test('in the middle of an answer breaks the answer off', async ({ site }) => {
  const server = await site.start()
  const connection = await server.connect()
  connection.send('GET /stream/cut HTTP/1.1\r\nHost: a\r\n\r\n')
  const pid = await site.noted('begin cut ')
  assert.match(await connection.receive(/chunk 2\n/), /^HTTP\/1\.1 200 OK/)
  process.kill(Number(pid), 'SIGKILL')
  const text = await connection.rest()
  assert.not.match(text, /\r\n0\r\n\r\n$/) // no clean end
  await seeAnother(server, pid)
})

test('again and again under load loses no request but those it executed', async ({ site }) => {
  const server = await site.start(['-w', '2'])
  let running = true
  const statuses: number[] = []
  const ask = async () => {
    while (running) statuses.push((await server.request('/pid')).status)
  }
  const clients = Array.from({ length: 8 }, ask)
  for (let round = 0; round < 6; round++) {
    const before = statuses.length
    const [victim] = workersOf(server)
    process.kill(victim as number, 'SIGKILL')
    await server.line(new RegExp(`Worker \\(pid:${victim}\\) ended by SIGKILL`))
    await until('requests are served', () => statuses.length > before + 40)
  }
  running = false
  await Promise.all(clients)
  const failed = statuses.filter((status) => status !== 200)
  assert.ok(
    failed.every((status) => status === 502),
    failed.join(),
  )
  assert.ok(failed.length <= 6, `${failed.length} failed for 6 that were executed at most`)
})

/** How many sockets a process holds. */
async function connectionsOf(pid: number): Promise<number> {
  const { readdir, readlink } = await import('node:fs/promises')
  const links = await Promise.all(
    (await readdir(`/proc/${pid}/fd`)).map((fd) =>
      readlink(`/proc/${pid}/fd/${fd}`).catch(() => ''),
    ),
  )
  return links.filter((link) => link.startsWith('socket:')).length
}

test.run()
