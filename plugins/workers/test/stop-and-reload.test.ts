import { readdirSync } from 'node:fs'
import * as assert from 'uvu/assert'
import { type Reply, seePids, siteSuite, until, workersOf } from './harness.ts'

const test = siteSuite('stop and reload')

for (const args of [
  ['-w', '2'],
  ['-w', '1', '--threads', '2'],
  ['-w', '2', '--preload'],
]) {
  test(`TERM lets requests finish, then ends with 0 (${args.join(' ')})`, async ({ site }) => {
    const server = await site.start(args)
    const replies = ['a', 'b'].map((name) => server.request(`/wait/${name}`))
    await Promise.all(['a', 'b'].map((name) => site.noted(`begin ${name} `)))
    server.signal('SIGTERM')
    await server.line(/Handling signal: term/)
    site.write('go')
    for (const reply of await Promise.all(replies)) assert.is(reply.status, 200)
    assert.is((await server.ended).code, 0)
    assert.not.match(server.log(), /ended by|died/)
  })
}

test('TERM kills what takes longer than --graceful-timeout, and ends with 0', async ({ site }) => {
  const server = await site.start(['-w', '1', '--graceful-timeout', '1'])
  const reply = server.request('/sleep').then(
    ({ status }) => status,
    () => 'broken',
  )
  await site.noted('begin sleep ')
  server.signal('SIGTERM')
  assert.is((await server.ended).code, 0)
  assert.ok([502, 503, 'broken'].includes(await reply))
})

for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
  test(`${signal} does not wait for requests`, async ({ site }) => {
    const server = await site.start(['-w', '1', '--graceful-timeout', '600'])
    const reply = server.request('/sleep').catch(() => undefined)
    await site.noted('begin sleep ')
    server.signal(signal)
    assert.is((await server.ended).code, 0)
    await reply
  })
}

test('TERM ends a server whose app is still being imported', async ({ site }) => {
  for (const [index, args] of [[], ['--preload']].entries()) {
    site.write(
      `slow${index}.py`,
      `from life import app, note, wait_for\nnote("import ${index}")\nwait_for("never")\n`,
    )
    const server = site.launch([...args], `slow${index}:app`)
    await site.noted(`import ${index}`)
    server.signal('SIGTERM')
    assert.is((await server.ended).code, 0)
  }
})

test('TERM from outside to a worker: it finishes its request and is replaced', async ({ site }) => {
  const server = await site.start(['-w', '1'])
  const reply = server.request('/wait/a')
  const pid = await site.noted('begin a ')
  process.kill(Number(pid), 'SIGTERM')
  const { body: next } = await server.request('/pid') // the replacement serves already
  assert.is.not(next, pid)
  site.write('go')
  assert.is((await reply).body, `a ${pid}`)
  await server.line(new RegExp(`Worker exiting \\(pid: ${pid}\\)`))
  assert.equal(workersOf(server).map(String), [next])
})

test('TERM from outside to an idle worker with threads: it leaves, no request is lost', async ({
  site,
}) => {
  const server = await site.start(['-w', '2', '--threads', '3'])
  const [first] = [...(await seePids(server, 2))]
  process.kill(Number(first), 'SIGTERM')
  await server.line(new RegExp(`Worker exiting \\(pid: ${first}\\)`))
  assert.is((await seePids(server, 2)).has(first as string), false)
  assert.is(workersOf(server).length, 2)
})

const answering = (text: string) =>
  `def app(environ, start_response):\n    start_response("200 OK", [])\n    return [b"${text}"]\n`

for (const args of [
  ['-w', '2'],
  ['-w', '1', '--threads', '2'],
  ['-w', '2', '--preload'],
]) {
  test(`HUP brings the new code and loses no request (${args.join(' ')})`, async ({ site }) => {
    site.write('shop.py', answering('one'))
    const server = await site.start(args, 'shop:app')
    let running = true
    const replies: string[] = []
    const load = [1, 2, 3].map(async () => {
      while (running) {
        const { status, body } = await server.request('/')
        replies.push(status === 200 ? body : String(status))
      }
    })
    await until('the old code answers', () => replies.includes('one'))
    const old = workersOf(server)
    site.write('shop.py', answering('two!')) // another length: Python compares sizes where times are the same
    server.signal('SIGHUP')
    await server.line(/Reloaded/)
    await until('the new code answers', () => replies.includes('two!'))
    await until('the old workers are gone', () =>
      workersOf(server).every((pid) => !old.includes(pid)),
    )
    running = false
    await Promise.all(load)
    assert.equal([...new Set(replies)], ['one', 'two!'])
    assert.is((await server.request('/')).body, 'two!')
    await until('one runtime directory is left', () => readdirSync(server.folder).length === 1)
  })
}

for (const args of [[], ['--preload']]) {
  test(`HUP to code that does not import: the old goes on, the log says why (${args.join(' ')})`, async ({
    site,
  }) => {
    site.write('shop.py', answering('one'))
    const server = await site.start(args, 'shop:app')
    site.write('shop.py', 'raise ValueError("not yet")\n')
    server.signal('SIGHUP')
    await server.line(/the reload failed/)
    await until('the traceback is there', () =>
      /shop\.py", line 1[\s\S]*ValueError: not yet/.test(server.log()),
    )
    assert.is((await server.request('/')).body, 'one')
    await until('what was begun is undone', () => readdirSync(server.folder).length === 1)
    site.write('shop.py', answering('three'))
    server.signal('SIGHUP')
    await server.line(/Reloaded/)
    assert.is((await server.request('/')).body, 'three')
  })
}

test('HUP while a request is executed: its answer comes from the old worker', async ({ site }) => {
  const server = await site.start(['-w', '1'])
  const reply = server.request('/wait/a')
  const pid = await site.noted('begin a ')
  server.signal('SIGHUP')
  const answers: Promise<Reply>[] = [] // what comes before the swap waits for the old worker
  const seen: string[] = []
  await until('the new worker answers', () => {
    const answer = server.request('/pid')
    answers.push(answer)
    answer.then(
      ({ body }) => seen.push(body),
      () => seen.push('failed'),
    )
    return seen.some((other) => other !== pid)
  })
  site.write('go')
  assert.is((await reply).body, `a ${pid}`)
  for (const answer of answers) assert.is((await answer).status, 200)
  await until('the old one is gone', () => !workersOf(server).includes(Number(pid)))
})

test.run()
