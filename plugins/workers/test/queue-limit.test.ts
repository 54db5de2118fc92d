import * as assert from 'uvu/assert'
import type { ServerProcess } from '../../../test/helpers/server-process.ts'
import { siteSuite } from './harness.ts'

const test = siteSuite('the bounded queue')

/** Sends a request and says nothing of its answer. @returns the connection once the server has accepted it. */
async function send(server: ServerProcess, path: string) {
  const connection = await server.connect()
  connection.send(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
  return connection
}

/** A request that the front refuses by itself: once it is answered, all that was sent before has been looked at. */
async function frontAnswers(server: ServerProcess): Promise<void> {
  assert.is((await server.request('/%00')).status, 400)
}

const overloads = (server: ServerProcess) => server.log().match(/the queue is full/g) ?? []

test('refuses what is beyond --queue-limit with 503 and Retry-After, logged once', async ({
  site,
}) => {
  const server = await site.start(['-w', '1', '--queue-limit', '2'])
  const first = server.request('/wait/a')
  await site.noted('begin a ')
  const waiting = [server.request('/wait/b'), server.request('/wait/c')]
  await frontAnswers(server)
  await refused(server)
  await refused(server)
  assert.is(overloads(server).length, 1)
  site.write('go')
  assert.is((await first).status, 200)
  for (const reply of await Promise.all(waiting)) assert.is(reply.status, 200)
  assert.is((await server.request('/pid')).status, 200)
})

async function refused(server: ServerProcess): Promise<void> {
  const reply = await server.request('/pid')
  assert.is(reply.status, 503)
  assert.is(reply.headers['retry-after'], '1')
}

test('0 refuses all for which no worker is free', async ({ site }) => {
  const server = await site.start(['-w', '1', '--queue-limit', '0'])
  assert.is((await server.request('/pid')).status, 200)
  const first = server.request('/wait/a')
  await site.noted('begin a ')
  await refused(server)
  site.write('go')
  assert.is((await first).status, 200)
})

test('drops a request whose client leaves while it waits', async ({ site }) => {
  const server = await site.start(['-w', '1'])
  const first = server.request('/wait/first')
  await site.noted('begin first ')
  // more than the pipe is given for one reader: the last ones wait in the front
  const names = Array.from({ length: 30 }, (_, index) => `n${index}`)
  const connections = []
  for (const name of names) connections.push(await send(server, `/wait/${name}`))
  await frontAnswers(server)
  const leaving = connections.at(-1)
  leaving?.destroy()
  await frontAnswers(server)
  site.write('go')
  await first
  for (const connection of connections.slice(0, -1)) await connection.rest()
  assert.is((await server.request('/pid')).status, 200)
  assert.is(
    site.notes.some((note) => note.startsWith('begin n28 ')),
    true,
  )
  assert.is(
    site.notes.some((note) => note.startsWith('begin n29 ')),
    false,
  )
})

test('a client that leaves stops the app at its next write, and close() is called', async ({
  site,
}) => {
  const server = await site.start(['-w', '1'])
  const connection = await send(server, '/stream/left')
  await connection.receive(/chunk 2\n/)
  connection.destroy()
  await frontAnswers(server)
  site.write('more')
  await site.noted('closed left')
  assert.is((await server.request('/pid')).status, 200)
})

test('a client that leaves while its request is in the pipe stops the app too', async ({
  site,
}) => {
  const server = await site.start(['-w', '1'])
  const first = server.request('/wait/first')
  await site.noted('begin first ')
  const connection = await send(server, '/stream/early')
  await frontAnswers(server)
  connection.destroy()
  await frontAnswers(server)
  site.write('more')
  site.write('go')
  assert.is((await first).status, 200)
  await site.noted('closed early')
  assert.is((await server.request('/pid')).status, 200)
})

test.run()
