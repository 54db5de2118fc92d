import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createTestServer, type TestServer, workerDouble } from '../../../testing/index.ts'
import wsgi from '../index.ts'

const test = suite<{ server: TestServer }>('a head from a worker that cannot be sent')
const HEADS: Record<string, [status: string, ...headers: [string, string][]]> = {
  'a length of too many digits': ['200 OK', ['Content-Length', '1234567890123456']],
  'a line break in a value': ['200 OK', ['X-Evil', 'a\r\nX-Injected: 1']],
  'a name that is no token': ['200 OK', ['X Evil', 'a']],
  'a status that is no number': ['OK'],
}

test.before(async (context) => {
  const double = workerDouble(({ environ }) => {
    const [status = '200 OK', ...headers] = HEADS[decodeURI(environ.QUERY_STRING ?? '')] ?? []
    return { status, headers, body: 'ok' }
  })
  context.server = await createTestServer({ plugins: [double, wsgi({ app: 'any:app' })] })
})
test.after(({ server }) => server.close())

for (const what of Object.keys(HEADS)) {
  test(`is a 500 and a log line, and ends nobody: ${what}`, async ({ server }) => {
    // by GET the length is the front's own, and only HEAD has the application's
    const target = `/?${encodeURI(what)}`
    assert.is((await server.request(target, { method: 'HEAD' })).status, 500)
    assert.not.ok('x-injected' in (await server.request(target)).headers)
    assert.match(server.log(), /request failed/)
    assert.is((await server.request('/')).status, 200)
  })
}

test.run()
