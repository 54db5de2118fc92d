import * as assert from 'uvu/assert'
import { until } from '../../../test/helpers/server-process.ts'
import { appSuite, readAnswer, requestText } from './app-server.ts'

const post = (size: number | string, rest = '') =>
  `POST /digest HTTP/1.1\r\nHost: test\r\nContent-Length: ${size}\r\n${rest}\r\n`
const POST_CHUNKED = 'POST /digest HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n'
const chunk = (size: number) => `${size.toString(16)}\r\n${'c'.repeat(size)}\r\n`

/** One in memory, one in a file. */
const LIMITS = [1000, 200_000]

for (const buffering of ['--request-buffering', '--no-request-buffering'])
  for (const limit of LIMITS) {
    const size = appSuite(`--limit-request-body ${limit} ${buffering}`, 'pep3333:app', [
      ...(buffering === '--request-buffering' ? [] : [buffering]),
      ...['--limit-request-body', String(limit)],
    ])

    size('takes a body of that size', async ({ server }) => {
      const body = 'b'.repeat(limit)
      const reply = await server.request('/digest', { method: 'POST', body })
      assert.is(reply.status, 200)
      assert.match(reply.body, `${limit} `)
    })

    size('takes a chunked one of that size', async ({ server }) => {
      const connection = await server.connect()
      connection.send(`${POST_CHUNKED}${chunk(limit - 1)}${chunk(1)}0\r\n\r\n`)
      assert.match(await connection.receive(/\r\n\r\n\d+ /), new RegExp(`\r\n\r\n${limit} $`))
    })

    size('refuses one byte more with 413 before it is sent', async ({ server }) => {
      const answer = readAnswer(await server.raw(post(limit + 1)))
      assert.is(answer.status, '413 Content Too Large')
      assert.ok(answer.whole)
    })

    size('refuses a chunked one with 413 as soon as it is past', async ({ server }) => {
      const connection = await server.connect()
      connection.send(`${POST_CHUNKED}${chunk(limit)}`)
      connection.send(chunk(1)) // and it is not the last
      const answer = readAnswer(await connection.rest())
      assert.is(answer.status, '413 Content Too Large')
      assert.ok(answer.whole)
    })

    size('leaves the worker free and no file behind', async ({ server }) => {
      assert.is((await server.request('/lazy')).body, 'lazy')
      await until('the files are gone', () => !server.runtimeFiles().some(isBody))
    })

    size.run()
  }

for (const buffering of [[], ['--no-request-buffering']]) {
  const time = appSuite(`--client-body-timeout ${buffering.join(' ')}`, 'pep3333:app', [
    ...['--client-body-timeout', '1'],
    ...buffering,
  ])

  for (const [what, bytes] of [
    ['none of', post(10)],
    ['a part of', `${post(10)}abc`],
    ['a part of a chunked', `${POST_CHUNKED}5\r\nab`],
    ['a part of a large', `${post(300_000)}${'x'.repeat(200_000)}`],
  ] as const) {
    time(`answers 408 where ${what} body comes`, async ({ server }) => {
      const answer = readAnswer(await server.raw(bytes))
      assert.is(answer.status, '408 Request Timeout')
      assert.ok(answer.whole)
    })
  }

  time('counts anew with each piece', async ({ server }) => {
    const connection = await server.connect()
    connection.send(post(5))
    // three times 0.6 s, in all longer than the limit
    for (const piece of ['a', 'b', 'c']) {
      await new Promise((resolve) => setTimeout(resolve, 600))
      connection.send(piece)
    }
    connection.send('de')
    assert.match(await connection.receive(/\r\n\r\n\d+ /), /\r\n\r\n5 $/)
  })

  time('leaves the worker free and no file behind', async ({ server }) => {
    assert.is((await server.request('/lazy')).body, 'lazy')
    await until('the files are gone', () => !server.runtimeFiles().some(isBody))
  })

  time.run()
}

const leaving = appSuite('a client that leaves', 'pep3333:app')

leaving('midway through its upload leaves no file and no descriptor', async ({ server }) => {
  await server.request('/digest', { method: 'POST', body: 'x'.repeat(300_000) })
  await until('the files are gone', () => !server.runtimeFiles().some(isBody))
  const before = server.descriptors()
  for (let round = 0; round < 10; round++) {
    const connection = await server.connect()
    connection.send(`${post(300_000)}${'x'.repeat(200_000)}`)
    await until('it is in a file', () => server.runtimeFiles().some(isBody))
    connection.destroy()
    await until('the file is gone', () => !server.runtimeFiles().some(isBody))
  }
  await until('all is closed', () => server.descriptors() <= before)
})

leaving('midway through a big answer leaves nothing, and a free worker', async ({ server }) => {
  await server.request('/big?1')
  const before = server.descriptors()
  for (let round = 0; round < 5; round++) {
    const connection = await server.connect()
    connection.send(requestText('/big?64'))
    await connection.receive(/\r\n\r\n/)
    connection.socket.pause()
    if (round % 2 === 0) await until('it spills', () => server.descriptors() > before + 1)
    connection.destroy()
    assert.is((await server.request('/lazy')).body, 'lazy')
  }
  await until('all is closed', () => server.descriptors() <= before)
  assert.equal(server.runtimeFiles().filter(isBody), [])
})

leaving('before its request is dispatched costs no call of the app', async (context) => {
  const { server, open, has } = context
  const busy = await server.connect()
  busy.send(requestText('/stream?leaving-busy'))
  await busy.receive(/first\n/)
  // the pipe is filled, so that what comes after waits in the front
  const fillers = await Promise.all(Array.from({ length: 40 }, () => server.connect()))
  for (const filler of fillers) filler.send(requestText('/lazy'))
  const gone = await server.connect()
  gone.send(`${post(100_000, 'Connection: close\r\n').replace('/digest', '/close?never')}`)
  gone.send('x'.repeat(100_000))
  await until('it is spooled', () => server.runtimeFiles().some(isBody))
  gone.destroy()
  await until('its file is gone', () => !server.runtimeFiles().some(isBody))
  open('leaving-busy')
  await busy.rest()
  for (const filler of fillers) assert.match(await filler.rest(), 'lazy')
  assert.not.ok(has('closed-never'))
})

leaving.run()

const isBody = (name: string) => /^(spool|spill|body)-/.test(name)
