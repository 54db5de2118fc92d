import { readdirSync } from 'node:fs'
import * as assert from 'uvu/assert'
import { Load } from '../../../test/helpers/load.ts'
import { siteSuite, until } from './harness.ts'

const test = siteSuite('reload under load')

const APP = `
import time

time.sleep(1)


def app(environ, start_response):
    body = str(environ["wsgi_core.generation"]).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
`

for (const { reloads, args } of [
  { reloads: 10, args: ['-w', '2'] },
  { reloads: 2, args: ['-w', '2', '--preload'] },
  { reloads: 1, args: ['-w', '1', '--threads', '2'] },
  { reloads: 1, args: ['-w', '2', '--fronts', '2'] },
]) {
  test(`no request of 64 connections is lost in ${reloads} reloads (${args.join(' ')})`, async ({
    site,
  }) => {
    site.write('slow.py', APP)
    const server = await site.start(args, 'slow:app')
    const load = new Load(server.url, 64)
    await until('the first generation answers', () => load.answers.length > 0)
    for (let generation = 2; generation <= reloads + 1; generation++) {
      const from = server.log().length
      server.signal('SIGHUP')
      await server.line(/Reloaded/, from)
      const body = String(generation)
      await until('the new generation answers', () => load.answers.at(-1)?.body === body)
    }
    await load.stop()
    assert.equal(load.failures, [])
    assert.is(new Set(load.answers.map(({ body }) => body)).size, reloads + 1)
    assert.not.match(server.log(), /ended by|died|lost|failed/)
    await until('one runtime directory is left', () => readdirSync(server.folder).length === 1)
  })
}

test.run()
