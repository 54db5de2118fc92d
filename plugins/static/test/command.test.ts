import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { runCommand, startServer } from '../../../test/helpers/server-process.ts'

interface Context {
  folder: string
  undo: (() => unknown)[]
}

const test = suite<Context>('static: the command')
const APP = `
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"app " * 1000]
`

test.before.each((context) => {
  const folder = mkdtempSync(join(tmpdir(), 'wsgi-core-static-'))
  context.folder = folder
  context.undo = [() => rmSync(folder, { recursive: true })]
  for (const name of ['static', 'media']) {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'a.txt'), name)
  }
  writeFileSync(join(folder, 'hello.py'), APP)
})
test.after.each(async ({ undo }) => {
  for (const step of undo.reverse()) await step()
})

const start = async ({ folder, undo }: Context, args: readonly string[], env = {}) => {
  const server = await startServer(args, { cwd: folder, env })
  undo.push(() => server.stop())
  return server
}
const run = ({ folder }: Context, ...args: string[]) => runCommand(args, { cwd: folder })

test('--static, as often as there are folders, beside the application', async (context) => {
  const folders = ['--static', '/static/=./static', '--static', '/media/=media']
  const server = await start(context, ['--plugins', 'static', ...folders, 'hello:app'])
  assert.is((await server.request('/static/a.txt')).body, 'static')
  assert.is((await server.request('/media/a.txt')).body, 'media')
  assert.match((await server.request('/')).body, 'app')
})

test('by a variable, and without any application', async (context) => {
  const server = await start(context, ['--plugins', 'static'], { WSGI_CORE_STATIC: '/=static' })
  assert.is((await server.request('/a.txt')).body, 'static')
  assert.is((await server.request('/none')).status, 404)
})

test('from a config file, where pairs may be written as such; printed, it is one again', async (context) => {
  const { folder } = context
  const config = `
plugins: [static]
static:
  alias:
    /static/: ./static
  expires:
    "*.txt": 1d
  locations:
    - path: /media/
      alias: media
      expires: max
      follow-symlinks: never
`
  writeFileSync(join(folder, 'wsgi-core.config.yaml'), config)
  const { output } = await run(context, '--print-config', 'hello:app')
  writeFileSync(join(folder, 'printed.json'), output)
  assert.equal(JSON.parse(output).static.alias, ['/static/=./static'])
  const server = await start(context, ['--config', 'printed.json'])
  const age = async (path: string) => (await server.request(path)).headers['cache-control']
  assert.equal(
    [await age('/static/a.txt'), await age('/media/a.txt')],
    ['max-age=86400', 'max-age=315360000'],
  )
})

test('--compress is for the application, too', async (context) => {
  const args = ['--plugins', 'static', '--compress', '--access-logfile', '-', 'hello:app']
  const server = await start(context, args)
  const { headers, bytes } = await server.request('/', { headers: { 'Accept-Encoding': 'gzip' } })
  assert.equal([headers['content-encoding'], headers.vary], ['gzip', 'Accept-Encoding'])
  assert.ok(bytes.length < 200)
  await server.line(new RegExp(`"GET / HTTP/1\\.1" 200 ${bytes.length} `))
})

test('a reload takes other folders over', async (context) => {
  const path = join(context.folder, 'config.json')
  const configure = (folder: string) =>
    writeFileSync(
      path,
      JSON.stringify({ plugins: ['static'], static: { alias: [`/s/=${folder}`] } }),
    )
  configure('static')
  const server = await start(context, ['--config', 'config.json', '--pid', 'server.pid'])
  assert.is((await server.request('/s/a.txt')).body, 'static')
  configure('media')
  const reload = await runCommand(['reload', '--pid', 'server.pid'], {
    cwd: context.folder,
    bind: null,
  })
  assert.is(reload.code, 0, reload.output)
  assert.is((await server.request('/s/a.txt')).body, 'media')
})

test('what cannot be served stops the start, with its reason', async (context) => {
  for (const [args, reason] of [
    [['--static', 'static'], /argument --static: must be PATH=FOLDER/],
    [['--static', '/s/=none'], /there is no file or folder '.*none'/],
    [['--static-follow-symlinks', 'some'], /argument --static-follow-symlinks: must be one of/],
    [['--static-expires', 'soon', '--static', '/s/=static'], /'soon' is no time/],
  ] as const) {
    const { code, output } = await run(context, '--plugins', 'static', ...args)
    assert.is(code, 2, output)
    assert.match(output, reason)
  }
})

test.run()
