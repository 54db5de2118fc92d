import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startServer } from '../../../test/helpers/server-process.ts'
import { APPS, type AppServer, appSuite, onTheWire } from './app-server.ts'

const mounted = appSuite('an application under --root-path', 'pep3333:app', [
  '--root-path',
  '/s%20hop/',
])

const seen = async (context: AppServer, target: string) =>
  JSON.parse((await onTheWire(context, target)).body)

mounted('finds it in SCRIPT_NAME, and the rest in PATH_INFO', async (context) => {
  const environ = await seen(context, '/s%20hop/environ?a=/s%20hop')
  assert.is(environ.SCRIPT_NAME, '/s%20hop')
  assert.is(environ.PATH_INFO, '/environ')
  assert.is(environ.QUERY_STRING, 'a=/s%20hop')
  assert.is(environ.RAW_URI, '/s%20hop/environ?a=/s%20hop')
})

for (const target of ['/', '/environ', '/s%20hopping/environ', '/s hop', '/x/s%20hop/environ']) {
  mounted(`gets no request outside of it, which is 500: ${target}`, async (context) => {
    const { status } = await onTheWire(context, target)
    assert.is(status, target.includes(' ') ? '400 Bad Request' : '500 Internal Server Error')
  })
}

for (const target of ['/s%20hop', '/s%20hop?a=1']) {
  mounted(`has an empty PATH_INFO at the root itself: ${target}`, async (context) => {
    const environ = await seen(context, target)
    assert.equal([environ.SCRIPT_NAME, environ.PATH_INFO], ['/s%20hop', ''])
  })
}

mounted.run()

const sources = suite('the root path')

const SOURCES: [string, string[], Record<string, string>][] = [
  ['the variable SCRIPT_NAME', [], { SCRIPT_NAME: '/shop' }],
  ['a variable of --env', ['-e', 'SCRIPT_NAME=/shop/'], {}],
  ['the option, which is stronger', ['--root-path=/shop'], { SCRIPT_NAME: '/other' }],
]

for (const [source, args, env] of SOURCES) {
  sources(`comes from ${source}`, async () => {
    const server = await startServer([...args, 'pep3333:app'], { cwd: APPS, env })
    try {
      const { body } = await server.request('/shop/environ')
      assert.is(JSON.parse(body).SCRIPT_NAME, '/shop')
      assert.is(JSON.parse(body).PATH_INFO, '/environ')
      assert.is((await server.request('/environ')).status, 500)
      await server.line(/request outside of the root path/)
    } finally {
      await server.stop()
    }
  })
}

sources.run()
