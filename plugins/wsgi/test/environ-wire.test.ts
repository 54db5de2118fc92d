import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type AppServer,
  appSuite,
  onTheWire,
  readAnswer,
  requestText,
  startApp,
  stopApp,
} from './app-server.ts'

type Environ = Record<string, unknown>

async function environOf(
  { server }: AppServer,
  target = '/environ',
  lines: readonly string[] = [],
  method = 'GET',
): Promise<Environ> {
  const request = [`${method} ${target} HTTP/1.1`, 'Host: shop.test:81', 'Connection: close']
  const raw = await server.raw(`${[...request, ...lines].join('\r\n')}\r\n\r\n`)
  return JSON.parse(readAnswer(raw).body)
}

const environ = appSuite('the environ', 'pep3333:app')

environ('has gunicorn’s keys, with gunicorn’s types', async (context) => {
  const { port } = new URL(context.server.url)
  const seen = await environOf(context, '/environ?a=1&b=%20')
  const expected = {
    REQUEST_METHOD: 'GET',
    SCRIPT_NAME: '',
    PATH_INFO: '/environ',
    QUERY_STRING: 'a=1&b=%20',
    RAW_URI: '/environ?a=1&b=%20',
    REQUEST_URI: '/environ?a=1&b=%20',
    SERVER_PROTOCOL: 'HTTP/1.1',
    SERVER_NAME: '127.0.0.1',
    SERVER_PORT: port,
    REMOTE_ADDR: '127.0.0.1',
    HTTP_HOST: 'shop.test:81',
    HTTP_CONNECTION: 'close',
    'wsgi.version': [1, 0],
    'wsgi.url_scheme': 'http',
    'wsgi.multithread': false,
    'wsgi.multiprocess': false,
    'wsgi.run_once': false,
    'wsgi.input_terminated': true,
    'wsgi_core.generation': 1,
  }
  for (const [key, value] of Object.entries(expected)) assert.equal(seen[key], value, key)
  assert.match(seen.SERVER_SOFTWARE as string, /^wsgi-core\/\d+\.\d+\.\d+$/)
  assert.match(seen.REMOTE_PORT as string, /^\d+$/)
  for (const key of ['wsgi.input', 'wsgi.errors', 'wsgi.file_wrapper', 'wsgi.early_hints'])
    assert.match(seen[key] as string, /^<.+>$/, key)
  for (const key of ['queue_time', 'body_time', 'request_id'])
    assert.type(seen[`wsgi_core.${key}`], 'number')
  assert.ok('wsgi_core.client_gone' in seen)
  assert.not.ok('CONTENT_LENGTH' in seen, 'no body, no length')
  assert.not.ok('CONTENT_TYPE' in seen)
  assert.not.ok('gunicorn.socket' in seen)
})

environ('has the body’s type and length without HTTP_', async ({ server }) => {
  const { body } = await server.request('/environ', {
    method: 'POST',
    headers: { 'Content-Type': 'a/b; c=d', 'Content-Length': '3' },
    body: 'abc',
  })
  const seen = JSON.parse(body)
  assert.is(seen.CONTENT_TYPE, 'a/b; c=d')
  assert.is(seen.CONTENT_LENGTH, '3')
  assert.not.ok('HTTP_CONTENT_TYPE' in seen || 'HTTP_CONTENT_LENGTH' in seen)
})

environ(
  'has the length of a chunked body, which was read, and no Transfer-Encoding',
  async ({ server }) => {
    const headers = { 'Transfer-Encoding': 'chunked' }
    const { body } = await server.request('/environ', { method: 'POST', headers, body: 'abcd' })
    const seen = JSON.parse(body)
    assert.is(seen.CONTENT_LENGTH, '4')
    assert.not.ok('HTTP_TRANSFER_ENCODING' in seen)
  },
)

environ('keeps an announced length of 0', async ({ server }) => {
  const headers = { 'Content-Length': '0' }
  const { body } = await server.request('/environ', { method: 'POST', headers })
  assert.is(JSON.parse(body).CONTENT_LENGTH, '0')
})

environ('joins repeated headers, cookies by semicolons', async (context) => {
  const lines = ['X-Many: 1', 'Cookie: a=1', 'x-many: 2', 'Cookie: b=2', 'X-MANY: 3']
  const seen = await environOf(context, '/environ', lines)
  assert.is(seen.HTTP_X_MANY, '1,2,3')
  assert.is(seen.HTTP_COOKIE, 'a=1; b=2')
})

environ('drops names with an underscore, which could pass for others', async (context) => {
  const lines = ['X_Forwarded_For: 6.6.6.6', 'Content_Length: 5', 'X-Real: 1', 'X_Real: 2']
  const seen = await environOf(context, '/environ', lines)
  assert.not.ok('HTTP_X_FORWARDED_FOR' in seen)
  assert.not.ok('HTTP_CONTENT_LENGTH' in seen || 'CONTENT_LENGTH' in seen)
  assert.is(seen.HTTP_X_REAL, '1')
})

environ('passes header values as latin-1', async (context) => {
  const seen = await environOf(context, '/environ', ['X-Latin: café ÿ'])
  assert.is(seen.HTTP_X_LATIN, 'café ÿ')
})

environ('has the client that a proxy on this machine names, and the proxy', async (context) => {
  const seen = await environOf(context, '/environ', ['X-Forwarded-For: 6.6.6.6'])
  assert.is(seen.REMOTE_ADDR, '6.6.6.6')
  assert.not.ok('REMOTE_PORT' in seen)
  assert.is(seen['wsgi_core.peer_addr'], '127.0.0.1')
  assert.is(seen.HTTP_X_FORWARDED_FOR, '6.6.6.6')
})

for (const [target, path, query] of [
  ['/environ/caf%C3%A9', '/environ/cafÃ©', ''],
  ['//x', '//x', ''],
  ['//x//y/../z/./', '//x//y/../z/./', ''],
  ['/a%2Fb', '/a/b', ''],
  ['/a%2fb%3Fc', '/a/b?c', ''],
  ['/%zz', '/%zz', ''],
  ['/%4', '/%4', ''],
  ['/100%', '/100%', ''],
  ['/a+b', '/a+b', ''],
  ['/%FF%80', '/ÿ\x80', ''],
  ['/%0d%0aX', '/\r\nX', ''],
  ['/?', '/', ''],
  ['/a??b=?', '/a', '?b=?'],
  ['/?x=%00%zz%C3%A9', '/', 'x=%00%zz%C3%A9'],
  ['/a;b=c,d', '/a;b=c,d', ''],
  ['/%zz%41?%zz', '/%zzA', '%zz'],
] as const) {
  environ(`of ${target} has it raw, and its path as latin-1 of its bytes`, async (context) => {
    const seen = await environOf(context, target)
    assert.is(seen.RAW_URI, target)
    assert.is(seen.REQUEST_URI, target)
    assert.is(seen.PATH_INFO, path)
    assert.is(seen.QUERY_STRING, query)
    assert.is(seen.SCRIPT_NAME, '')
  })
}

for (const [target, raw] of [
  ['http://shop.test:81/abs%20path?q=1', '/abs%20path?q=1'],
  ['http://shop.test:81', '/'],
  ['http://shop.test:81?q=/x', '/?q=/x'],
] as const) {
  environ(`of ${target} is that of ${raw} (RFC 9112 §3.2.2)`, async (context) => {
    const seen = await environOf(context, target)
    assert.is(seen.RAW_URI, raw)
    assert.is(seen.PATH_INFO, decodeURI(raw).replace(/\?.*/, ''))
    assert.is(seen.HTTP_HOST, 'shop.test:81')
  })
}

environ('of OPTIONS * has * for its path', async (context) => {
  const seen = await environOf(context, '*', [], 'OPTIONS')
  assert.is(seen.REQUEST_METHOD, 'OPTIONS')
  assert.is(seen.RAW_URI, '*')
  assert.is(seen.PATH_INFO, '*')
})

for (const method of [
  ...['PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'PROPPATCH', 'MKCOL', 'COPY'],
  ...['MOVE', 'LOCK', 'UNLOCK', 'REPORT', 'SEARCH', 'PURGE', 'MKCALENDAR', 'M-SEARCH', 'ACL'],
  ...['BIND', 'SUBSCRIBE', 'NOTIFY', 'LINK', 'SOURCE', 'VERSION-CONTROL', 'FOO'],
]) {
  environ(`serves ${method}`, async (context) => {
    assert.is((await environOf(context, '/environ', [], method)).REQUEST_METHOD, method)
  })
}

for (const target of ['/a%00b', '/%00']) {
  environ(`refuses ${target} with 400`, async (context) => {
    assert.is((await onTheWire(context, target)).status, '400 Bad Request')
  })
}

environ('says HTTP/1.0 to who speaks it, also without a Host', async ({ server }) => {
  const answer = readAnswer(await server.raw('GET /environ HTTP/1.0\r\n\r\n'))
  const seen = JSON.parse(answer.body)
  assert.is(seen.SERVER_PROTOCOL, 'HTTP/1.0')
  assert.not.ok('HTTP_HOST' in seen)
})

environ('is fresh for each request', async (context) => {
  const first = await environOf(context)
  const second = await environOf(context)
  assert.is.not(first['wsgi_core.request_id'], second['wsgi_core.request_id'])
})

environ('gives what the app writes to wsgi.errors to the log', async ({ server }) => {
  await server.request('/errors')
  await server.line(/^written to wsgi\.errors$/)
  await server.line(/^another line$/)
})

environ.run()

const modes = suite<{ app?: AppServer | undefined }>('wsgi.multithread and wsgi.multiprocess')
modes.after.each(async (context) => {
  if (context.app) await stopApp(context.app)
  context.app = undefined
})

for (const [args, multithread, multiprocess] of [
  [['-w', '2'], false, true],
  [['--threads', '2'], true, false],
  [['-w', '2', '--threads', '2'], true, true],
] as const) {
  modes(`are true where they are: ${args.join(' ')}`, async (context) => {
    context.app = await startApp('pep3333:app', args)
    const seen = await environOf(context.app)
    assert.is(seen['wsgi.multithread'], multithread)
    assert.is(seen['wsgi.multiprocess'], multiprocess)
  })
}

modes.run()

const unbuffered = appSuite('the environ with --no-request-buffering', 'pep3333:app', [
  '--no-request-buffering',
])

unbuffered('has no length of a chunked body, which nobody knows yet', async ({ server }) => {
  const headers = { 'Transfer-Encoding': 'chunked' }
  const { body } = await server.request('/environ', { method: 'POST', headers, body: 'abcd' })
  assert.not.ok('CONTENT_LENGTH' in JSON.parse(body))
  assert.is(JSON.parse(body)['wsgi.input_terminated'], true)
})

unbuffered.run()

const unix = suite<{ app?: AppServer }>('the environ over a Unix socket')
unix.after(async ({ app }) => {
  if (app) await stopApp(app)
})

unix('has the name that the client used, and no address', async (context) => {
  context.app = await startApp('pep3333:app', [], (folder) => `unix:${folder}/web.sock`)
  const connection = await context.app.server.connect()
  connection.send(requestText('/environ').replace('Host: test', 'Host: shop.test:81'))
  const seen = JSON.parse(readAnswer(await connection.rest()).body)
  assert.is(seen.SERVER_NAME, 'shop.test')
  assert.is(seen.SERVER_PORT, '81')
  assert.is(seen.REMOTE_ADDR, '')
  assert.not.ok('REMOTE_PORT' in seen)
})

unix.run()
