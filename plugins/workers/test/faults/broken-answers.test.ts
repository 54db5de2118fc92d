import * as assert from 'uvu/assert'
import type { ServerProcess } from '../../../../test/helpers/server-process.ts'
import { type Site, siteSuite } from '../harness.ts'

const test = siteSuite('an answer that ends half way')

/** Each way of a worker to leave in the middle, and what the log says. */
const WAYS = [
  { how: 'exit', name: 'by os._exit', log: /ended by code 3/ },
  { how: 'kill', name: 'by kill -9', log: /ended by SIGKILL/ },
  { how: 'sysexit', name: 'by sys.exit', log: /Error handling request \/part/ },
  { how: 'raise', name: 'by an exception', log: /Error handling request \/part/ },
]
const SETUP = ['-w', '1', '--threads', '2', '--timeout', '1']

for (const { how, name, log } of WAYS) {
  test(`${name} has no clean end, chunked, with a length or to the end of the connection`, async ({
    site,
  }) => {
    const server = await site.start(SETUP)
    const chunked = await firstPart(server, `/part/${how}`, '1.1')
    site.write('more')
    const text = await chunked.rest()
    assert.match(text, /\r\nf\r\nthe first part\n\r\n$/)
    await server.line(log)

    site.remove('more')
    const counted = await firstPart(server, `/part/length/${how}`, '1.1')
    site.write('more')
    assert.match(await counted.rest(), /Content-Length: 1000[\s\S]*\r\n\r\nthe first part\n$/i)

    site.remove('more')
    await isReset(site, server, `/part/${how}`)
    assert.is((await server.request('/pid')).status, 200)
  })
}

test("by its thread's end is broken off by --timeout", async ({ site }) => {
  const server = await site.start(SETUP)
  await isReset(site, server, '/part/thread')
  await server.line(/WORKER TIMEOUT/)
  assert.is((await server.request('/pid')).status, 200)
})

/** To HTTP/1.0 the end of the connection is the end of the answer: only a reset tells that it is not. */
async function isReset(site: Site, server: ServerProcess, path: string): Promise<void> {
  const delimited = await firstPart(server, path, '1.0')
  site.write('more')
  assert.match(await delimited.rest(), /\r\n\r\nthe first part\n$/)
  assert.is(delimited.reset, true)
}

/** Asks, and waits for the first part of the answer. `rest` gives all of it; `reset`: how it ended. */
async function firstPart(server: ServerProcess, path: string, version: string) {
  const connection = await server.connect()
  const seen = { reset: false }
  connection.socket.on('error', (error: NodeJS.ErrnoException) => {
    seen.reset = error.code === 'ECONNRESET'
  })
  connection.send(`GET ${path} HTTP/${version}\r\nHost: a\r\n\r\n`)
  const begin = await connection.receive(/the first part\n(\r\n)?/)
  return Object.assign(seen, { rest: async () => begin + (await connection.rest()) })
}

test('a second head for one answer ends its connection, and nothing else', async ({ site }) => {
  const server = await site.start(['-w', '1'])
  const error = await server.request('/two-heads').catch((reason: unknown) => reason)
  assert.instance(error, Error)
  assert.is((await server.request('/pid')).status, 200)
})

test.run()
