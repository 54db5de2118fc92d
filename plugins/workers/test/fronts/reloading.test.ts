import { readdirSync } from 'node:fs'
import * as assert from 'uvu/assert'
import { Load } from '../../../../test/helpers/load.ts'
import { siteSuite, until } from '../harness.ts'
import { frontsOf, seeServing, TELL_FRONT } from './support.ts'

const test = siteSuite('a reload of several fronts')

const GENERATION = `
def app(environ, start_response):
    body = str(environ["wsgi_core.generation"]).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
`

test('loses no request, and all change over', async ({ site }) => {
  site.write('shown.py', GENERATION)
  const server = await site.start(['--fronts', '2', '-w', '2'], 'shown:app')
  const fronts = frontsOf(server)
  const load = new Load(server.url, 32)
  for (let generation = 2; generation <= 4; generation++) {
    const from = server.log().length
    server.signal('SIGHUP')
    await server.line(/Reloaded/, from)
    const start = performance.now()
    await until('the new generation answers', () => (load.answers.at(-1)?.at ?? 0) > start)
    const late = load.answers.filter(({ at }) => at > start)
    assert.ok(late.every(({ body }) => body === String(generation)))
  }
  await load.stop()
  assert.equal(load.failures, [])
  assert.equal(frontsOf(server), fronts)
  assert.not.match(server.log(), /ended by|died|lost|failed/)
  await until('one runtime directory is left', () => readdirSync(server.folder).length === 1)
})

test('that fails leaves all of them with what they had, and says why', async ({ site }) => {
  site.write('shown.py', GENERATION)
  site.write('wsgi-core.config.json', '{"fronts": 2, "workers": {"count": 2}}')
  const server = await site.start(TELL_FRONT, 'shown:app')
  const fronts = frontsOf(server)
  for (const [file, text, reason] of [
    ['shown.py', 'import no_such_module', /No module named 'no_such_module'/],
    ['wsgi-core.config.json', '{"fronts": 2, "workers": {"count": "x"}}', /'workers.count'/],
  ] as const) {
    site.write(file, text)
    const from = server.log().length
    server.signal('SIGHUP')
    await server.line(/the reload failed; the server goes on as it was/, from)
    await server.line(reason, from)
    assert.is((await server.request('/')).body, '1')
    if (file === 'shown.py') site.write(file, GENERATION)
  }
  assert.equal(frontsOf(server), fronts)
  await seeServing(server, fronts)
  site.write('wsgi-core.config.json', '{"fronts": 2}')
  server.signal('SIGHUP')
  await server.line(/Reloaded/)
  assert.is.not((await server.request('/')).body, '1')
})

test('opens and closes addresses in all of them', async ({ site }) => {
  const [one, two] = ['one', 'two'].map((name) => `unix:${site.file(name)}`)
  const settings = (bind: unknown) => JSON.stringify({ bind, fronts: 2, workers: { count: 1 } })
  site.write('wsgi-core.config.json', settings([one]))
  const server = await site.start([], 'life:app', { bind: null })
  assert.is((await server.request('/pid')).status, 200)
  site.write('wsgi-core.config.json', settings([two]))
  server.signal('SIGHUP')
  await server.line(/Reloaded/)
  const socketPath = site.file('two')
  for (let count = 0; count < 8; count++)
    assert.is((await server.request('/pid', { socketPath })).status, 200)
  const gone = await server.request('/pid').catch(({ code }) => code)
  assert.ok(['ENOENT', 'ECONNREFUSED'].includes(gone as string), String(gone))
})

test('TERM lets requests of all of them finish', async ({ site }) => {
  const server = await site.start(['--fronts', '2', '-w', '4'])
  const names = ['a', 'b', 'c', 'd']
  const replies = names.map((name) => server.request(`/wait/${name}`))
  for (const name of names) await site.noted(`begin ${name} `)
  server.signal('SIGTERM')
  await server.line(/Handling signal: term/)
  site.write('go')
  for (const reply of await Promise.all(replies)) assert.is(reply.status, 200)
  assert.is((await server.ended).code, 0)
  assert.not.match(server.log(), /ended by|died/)
})

test.run()
