import * as assert from 'uvu/assert'
import type { ServerProcess } from '../../../test/helpers/server-process.ts'
import { type Site, siteSuite, until } from './harness.ts'

const test = siteSuite('the quick lane')

const begun = (site: Site) => site.notes.filter((note) => note === 'begin slow').length

/** By then the pool knows that `/pid` is quick and `/slow` is not. */
async function teach(server: ServerProcess): Promise<void> {
  for (let count = 0; count < 12; count++) await server.request('/pid')
  assert.is((await server.request('/slow')).status, 200)
}

async function passesSlowOnes(site: Site, options: string[]): Promise<void> {
  const server = await site.start(options)
  await teach(server)
  site.write('hold')
  const slow = [1, 2, 3, 4, 5].map(() => server.request('/slow'))
  await site.noted('begin slow')
  for (let count = 0; count < 5; count++) assert.is((await server.request('/pid')).status, 200)
  site.remove('hold')
  for (const reply of await Promise.all(slow)) assert.is(reply.status, 200)
}

test('requests to a quick path pass those to a slow one, with two workers', ({ site }) =>
  passesSlowOnes(site, ['-w', '2']))

test('requests to a quick path pass those to a slow one, with two threads', ({ site }) =>
  passesSlowOnes(site, ['-w', '1', '--threads', '2']))

test('where all paths are slow no thread is kept back', async ({ site }) => {
  const server = await site.start(['-w', '2'])
  for (let count = 0; count < 3; count++) await server.request('/slow')
  site.write('hold')
  const slow = [server.request('/slow'), server.request('/slow')]
  await until('both have begun', () => begun(site) === 5)
  site.remove('hold')
  for (const reply of await Promise.all(slow)) assert.is(reply.status, 200)
})

test('--no-quick-lane gives all threads to whoever comes first', async ({ site }) => {
  const server = await site.start(['-w', '2', '--no-quick-lane'])
  await teach(server)
  site.write('hold')
  const slow = [server.request('/slow'), server.request('/slow')]
  await until('both have begun', () => begun(site) === 3)
  site.remove('hold')
  for (const reply of await Promise.all(slow)) assert.is(reply.status, 200)
})

test.run()
