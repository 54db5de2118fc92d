import { mkdirSync, readdirSync, renameSync } from 'node:fs'
import * as assert from 'uvu/assert'
import { type Site, siteSuite, until, workersOf } from '../../workers/test/harness.ts'

const test = siteSuite('--reload')

const answering = (text: string) =>
  `def app(environ, start_response):\n    start_response("200 OK", [])\n    return [b"${text}"]\n`

type Server = Awaited<ReturnType<Site['start']>>

const answers = (server: Server, text: string, path = '/') =>
  until(`'${text}' is the answer`, async () => (await server.request(path)).body === text)

/** Waits for the page with a traceback. */
async function pageOf(server: Server): Promise<string> {
  await until('the page is shown', async () => (await server.request('/')).status === 500)
  const { status, headers, body } = await server.request('/')
  assert.is(status, 500)
  assert.is(headers['content-type'], 'text/html; charset=utf-8')
  return body
}

test('a saved module is reloaded, and the log says which; the running request is finished', async ({
  site,
}) => {
  site.write('part.py', 'text = b"one"\n')
  site.write(
    'shop.py',
    `import part
from life import app as life

def app(environ, start_response):
    if environ["PATH_INFO"] != "/":
        return life(environ, start_response)
    start_response("200 OK", [])
    return [part.text]
`,
  )
  const server = await site.start(['--reload', '-w', '2'], 'shop:app')
  await answers(server, 'one')
  const running = server.request('/wait/a')
  await site.noted('begin a ')
  site.write('part.py', 'text = b"two"\n') // as long, and in the same second
  await answers(server, 'two')
  await server.line(new RegExp(`Reloading: ${site.file('part.py')} changed`))
  site.write('part.py.new', 'text = b"six"\n')
  renameSync(site.file('part.py.new'), site.file('part.py'))
  await answers(server, 'six')
  site.write('go')
  assert.is((await running).status, 200)
  await until('one runtime directory is left', () => readdirSync(server.folder).length === 1)
  const reloads = server.log().match(/Reloading:/g)?.length ?? 0
  assert.ok(
    reloads === 2 || reloads === 3,
    'a file that is written in place may be seen when it is empty, too',
  )
})

test('a module that is imported by a request, and what a glob names', async ({ site }) => {
  site.write(
    'shop.py',
    `def app(environ, start_response):
    import later
    with open("words/de/word.txt") as file:
        word = file.read()
    start_response("200 OK", [])
    return [later.text, word.encode()]
`,
  )
  mkdirSync(site.file('words/de'), { recursive: true })
  site.write('words/de/word.txt', 'a')
  site.write('later.py', 'text = b"one "\n')
  const args = ['--reload', '--reload-extra-file', 'words/**/*.txt', '-w', '2']
  const server = await site.start(args, 'shop:app')
  for (let count = 0; count < 4; count++) await answers(server, 'one a')
  site.write('later.py', 'text = b"two "\n')
  await server.line(/Reloaded/)
  await answers(server, 'two a')
  const from = server.log().length
  site.write('words/de/word.txt', 'b')
  await server.line(/Reloading: \S+\/words\/de\/word\.txt changed/, from)
  await server.line(/Reloaded/, from)
})

test('what cannot be imported is shown with its traceback, and heals with the next save', async ({
  site,
}) => {
  site.write('shop.py', answering('one'))
  const server = await site.start(['--reload'], 'shop:app')
  site.write('shop.py', 'def app(:  # <script>"&\n')
  const page = await pageOf(server)
  assert.match(page, /File &quot;\S+shop\.py&quot;, line 1/)
  assert.match(page, /SyntaxError/)
  assert.match(page, '# &lt;script&gt;&quot;&amp;')
  assert.not.match(page, '<script>')
  await server.line(/SyntaxError/)
  await until('no worker is left', () => workersOf(server).length === 0)
  site.write('shop.py', 'import os\nos._exit(7)\n')
  await until('the new fault is shown', async () => /code 7/.test(await pageOf(server)))
  site.write('shop.py', 'import missing\napp = missing.app\n')
  await until('the new fault is shown', async () => /No module/.test(await pageOf(server)))
  mkdirSync(site.file('missing'))
  site.write('missing/__init__.py', answering('two'))
  await answers(server, 'two')
})

test('what fails in a request is shown too, and mending a module that it imports is seen', async ({
  site,
}) => {
  site.write('later.py', 'def text(:\n')
  site.write(
    'shop.py',
    `def app(environ, start_response):
    if environ["PATH_INFO"] == "/long":
        raise ValueError("<i>" + "x" * 100_000)
    import later
    start_response("200 OK", [])
    return [later.text]
`,
  )
  const server = await site.start(['--reload'], 'shop:app')
  const page = await pageOf(server)
  assert.match(page, /File &quot;\S+later\.py&quot;, line 1[\s\S]*SyntaxError/)
  const long = await server.request('/long', { method: 'POST', body: 'x' })
  assert.match(long.body, 'x'.repeat(16_000))
  assert.is((await server.request('/', { method: 'HEAD' })).body, '')
  site.write('later.py', 'text = b"two"\n')
  await server.line(/Reloading: \S+later\.py changed/)
  await answers(server, 'two')
})

for (const args of [[], ['--preload']]) {
  test(`a first start with a broken module serves the page (${args})`, async ({ site }) => {
    mkdirSync(site.file('pack/age'), { recursive: true })
    for (const name of ['pack/__init__.py', 'pack/age/__init__.py']) site.write(name)
    site.write('pack/age/part.py', 'raise ValueError("not yet")\n')
    site.write('shop.py', 'from pack.age.part import app\n')
    const server = await site.start(['--reload', ...args], 'shop:app')
    assert.match(await pageOf(server), /line 1, in &lt;module&gt;[\s\S]*ValueError: not yet/)
    assert.is((await server.request('/x', { method: 'POST', body: 'x' })).status, 500)
    site.write('pack/age/part.py', answering('two'))
    await answers(server, 'two')
  })
}

test('a plugin that is named by its path is taken anew', async ({ site }) => {
  const plugin = (text: string) => `export default { name: 'door', config: {}, dependencies: [],
  apply(core) { core.hooks.server.tap('door', (fastify) => fastify.get('/door', async () => '${text}')) } }`
  site.write('door.mjs', plugin('one'))
  const server = await site.start(['--reload', '--plugins', './door.mjs'])
  await answers(server, 'one', '/door')
  site.write('door.mjs', plugin('two'))
  await answers(server, 'two', '/door')
  site.write('door.mjs', 'export default {')
  await server.line(/the reload failed; the server goes on as it was/)
  assert.is((await server.request('/door')).body, 'two')
})

test('a change of the config file is taken over; a broken one changes nothing', async ({
  site,
}) => {
  site.write('wsgi-core.config.json', '{"wsgi": {"env": ["WORD=one"]}}')
  site.write(
    'shop.py',
    `import os

def app(environ, start_response):
    start_response("200 OK", [])
    return [os.environ["WORD"].encode()]
`,
  )
  const server = await site.start(['--reload'], 'shop:app')
  site.write('wsgi-core.config.json', '{"wsgi": {"env": ["WORD=two"]}}')
  await answers(server, 'two')
  site.write('wsgi-core.config.json', '{"wsgi": {"env": [')
  await server.line(/the reload failed; the server goes on as it was/)
  assert.is((await server.request('/')).body, 'two')
  site.write('wsgi-core.config.json', '{"wsgi": {"env": ["WORD=six"]}}')
  await answers(server, 'six')
})

test('an application that writes a module of its own whenever it is loaded comes to rest', async ({
  site,
}) => {
  site.write('stamp.py', 'text = b"0"\n')
  site.write(
    'shop.py',
    `import time
with open("stamp.py", "w") as file:
    file.write(f"text = b'{time.time_ns()}'")
from stamp import text

def app(environ, start_response):
    start_response("200 OK", [])
    return [text]
`,
  )
  const server = await site.start(['--reload'], 'shop:app')
  await server.line(/stamp\.py changes whenever the application is loaded; not reloading for that/)
  const { body } = await server.request('/')
  site.write('shop.py', answering('two'))
  await answers(server, 'two')
  assert.match(body, /^\d+$/)
})

test('without --reload nothing is watched, and a broken application ends the start', async ({
  site,
}) => {
  site.write('shop.py', answering('one'))
  const server = await site.start(['--reload-extra-file', 'x'], 'shop:app')
  assert.match(server.log(), /--reload-extra-file has no effect without --reload/)
  site.write('broken.py', 'def app(:\n')
  site.write('fails.py', 'def app(environ, start_response):\n    raise ValueError("secret")\n')
  const failing = await site.start([], 'fails:app')
  assert.not.match((await failing.request('/')).body, /Traceback|secret/)
  assert.is((await site.run(['broken:app'])).code, 3)
  site.write('shop.py', answering('two'))
  assert.is((await site.run(['--reload', '--check-config', 'broken:app'])).code, 1)
  assert.is((await server.request('/')).body, 'one')
  assert.not.match(server.log(), /Reloading/)
})

test.run()
