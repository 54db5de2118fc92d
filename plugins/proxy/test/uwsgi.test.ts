import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { TestServer } from '../../../testing/index.ts'
import { type Echo, GET, startEcho } from './echo.ts'
import { PARAMS, type Pairs, packet, request } from './uwsgi-packets.ts'

interface Context {
  server: TestServer
}

const uwsgi = suite<Context>('uwsgi')
uwsgi.before(async (context) => {
  context.server = await startEcho({ protocol: 'uwsgi' }, { limitRequestFields: 40 })
})
uwsgi.after(async ({ server }) => server.close())

async function ask({ server }: Context, bytes: Buffer): Promise<{ head: string; seen: Echo }> {
  const raw = await server.raw(bytes)
  const [head = '', body = ''] = raw.split('\r\n\r\n')
  assert.match(head, /^HTTP\/1\.1 200 OK\r\n/)
  return { head, seen: JSON.parse(Buffer.from(body, 'latin1').toString()) }
}

uwsgi('is answered in HTTP, and the connection ends', async (context) => {
  const { head, seen } = await ask(context, request())
  assert.match(head, /\r\ncontent-type: application\/json/i)
  assert.not.match(head, /transfer-encoding/i)
  assert.equal([seen.ip, seen.protocol, seen.host], ['203.0.113.9', 'https', 'shop.example'])
})

uwsgi('gives the application what the variables say', async (context) => {
  const { seen } = await ask(
    context,
    request({ HTTP_X_MANY: '1', REMOTE_USER: 'ann' }, [['HTTP_X_MANY', '2']]),
  )
  const expected = {
    REQUEST_METHOD: 'GET', SCRIPT_NAME: '', PATH_INFO: '/cart', QUERY_STRING: 'x=1', RAW_URI: '/cart?x=1',
    SERVER_PROTOCOL: 'HTTP/1.1', 'wsgi.url_scheme': 'https', REMOTE_ADDR: '203.0.113.9', REMOTE_PORT: '50123',
    SERVER_NAME: 'shop.example', SERVER_PORT: '443', HTTP_HOST: 'shop.example', HTTP_X_MANY: '1,2',
    REMOTE_USER: 'ann', DOCUMENT_ROOT: '/usr/share/nginx/html', HTTPS: 'on', 'wsgi_core.peer_addr': '127.0.0.1',
  } // biome-ignore format: one list
  for (const [key, value] of Object.entries(expected)) assert.is(seen.environ[key], value, key)
})

uwsgi('takes a body', async (context) => {
  const { seen } = await ask(
    context,
    Buffer.concat([
      request({
        REQUEST_METHOD: 'POST',
        CONTENT_LENGTH: '5',
        CONTENT_TYPE: 'text/plain',
        HTTP_CONTENT_LENGTH: '5',
        HTTP_CONTENT_TYPE: 'text/plain',
      }),
      Buffer.from('hello, and more that is not read'),
    ]),
  )
  assert.is(seen.body, 'hello')
  assert.is(seen.environ.CONTENT_TYPE, 'text/plain')
})

uwsgi('is read however it is split', async (context) => {
  const bytes = Buffer.concat([
    request({ REQUEST_METHOD: 'POST', CONTENT_LENGTH: '5', CONTENT_TYPE: 'text/plain' }),
    Buffer.from('hello'),
  ])
  for (let at = 1; at < bytes.length; at += 7) {
    const connection = await context.server.connect()
    connection.socket.setNoDelay(true)
    connection.send(bytes.subarray(0, at))
    await new Promise((resolve) => setImmediate(resolve))
    connection.send(bytes.subarray(at))
    assert.match(await connection.rest(), /"body":"hello"/)
  }
})

uwsgi("does not believe the client's own headers, nor Proxy", async (context) => {
  const spoof = {
    HTTP_X_FORWARDED_FOR: '6.6.6.6',
    HTTP_X_REAL_IP: '6.6.6.6',
    HTTP_PROXY: 'x',
    HTTP_FORWARDED: 'for=6.6.6.6',
  }
  for (const address of [{}, { REMOTE_ADDR: 'unix:' }, { REMOTE_ADDR: '' }]) {
    const { seen } = await ask(context, request({ ...spoof, ...address }))
    assert.is(seen.environ.REMOTE_ADDR, 'REMOTE_ADDR' in address ? '' : '203.0.113.9')
    for (const name of Object.keys(spoof)) assert.not.ok(name in seen.environ, name)
  }
})

uwsgi('believes a proxy before nginx that is named', async (context) => {
  const spoof = { REMOTE_ADDR: '127.0.0.1', HTTP_X_FORWARDED_FOR: '6.6.6.6, 203.0.113.7' }
  const { seen } = await ask(context, request(spoof))
  assert.is(seen.ip, '203.0.113.7')
})

for (const [name, changes, path, expected] of [
  [
    'as the client sent it where nginx has left it',
    { REQUEST_URI: '/a%2Fb?x=1', PATH_INFO: '/a/b' },
    '/a/b',
    '/a%2Fb?x=1',
  ],
  [
    'as nginx has made it where it has',
    { REQUEST_URI: '//a/../b?x=1', PATH_INFO: '/b' },
    '/b',
    '//a/../b?x=1',
  ],
  [
    'with bytes that are no ASCII',
    { REQUEST_URI: '/old', PATH_INFO: '/caf\xc3\xa9 %' },
    '/caf\xc3\xa9 %',
    '/old',
  ],
  [
    'without PATH_INFO',
    { REQUEST_URI: '/plain?y', QUERY_STRING: 'y', PATH_INFO: undefined },
    '/plain',
    '/plain?y',
  ],
] as const) {
  uwsgi(`has the path ${name}`, async (context) => {
    const pairs = Object.entries({ ...PARAMS, ...changes }).filter(
      ([, value]) => value !== undefined,
    )
    const { seen } = await ask(context, packet(pairs as Pairs))
    assert.equal([seen.environ.PATH_INFO, seen.environ.RAW_URI], [path, expected])
  })
}

uwsgi('splits off SCRIPT_NAME, whether the path has it or not', async (context) => {
  for (const path of ['/shop/cart', '/cart']) {
    const uri = { REQUEST_URI: '/shop/cart?x=1', PATH_INFO: path, SCRIPT_NAME: '/shop' }
    const { seen } = await ask(context, request(uri))
    assert.equal([seen.environ.SCRIPT_NAME, seen.environ.PATH_INFO], ['/shop', '/cart'])
  }
})

for (const [name, bytes, status] of [
  ['another modifier', packet(Object.entries(PARAMS), [5, 0]), 400],
  ['another second modifier', packet(Object.entries(PARAMS), [0, 1]), 400],
  ['a request in HTTP', Buffer.from(GET), 400],
  ['a name that does not end', Buffer.from([0, 4, 0, 0, 9, 0, 65, 65]), 400],
  ['a name without value', Buffer.from([0, 3, 0, 0, 1, 0, 65]), 400],
  ['a variable twice', request({}, [['REMOTE_ADDR', '6.6.6.6']]), 400],
  ['Host twice', request({}, [['HTTP_HOST', 'evil.example']]), 400],
  ['a Host that is none', request({ HTTP_HOST: 'a b' }), 400],
  ['a line end in a field', request({ HTTP_X: 'a\r\nX-Forwarded-For: 6.6.6.6' }), 400],
  ['a bare LF in a field', request({ HTTP_X: 'a\nb' }), 400],
  ['a NUL in a field', request({ HTTP_X: 'a\0b' }), 400],
  ['a NUL in a variable', request({ REMOTE_USER: 'a\0HTTP_X\0b' }), 400],
  ['a line end in a name', request({ 'HTTP_A\r\nB': '1' }), 400],
  ['a colon in a name', request({ 'HTTP_A:B': '1' }), 400],
  ['a name of the environ that is none of nginx', request({ 'wsgi.url_scheme': 'https' }), 400],
  ['an empty name', request({ '': '1' }), 400],
  ['no method', request({ REQUEST_METHOD: '' }), 400],
  ['a method with a space', request({ REQUEST_METHOD: 'GET /evil HTTP/1.1\r\nX:' }), 400],
  ['a lower-case method', request({ REQUEST_METHOD: 'get' }), 400],
  ['a target with a space', request({ REQUEST_URI: '/a b', PATH_INFO: '/a b' }), 400],
  ['a target without a slash', request({ REQUEST_URI: 'cart', PATH_INFO: 'cart' }), 400],
  ['no target', request({ REQUEST_URI: '', PATH_INFO: '' }), 400],
  ['a query with a line end', request({ PATH_INFO: '/other', QUERY_STRING: 'a\r\nb' }), 400],
  ['a type with a line end', request({ CONTENT_TYPE: 'a\r\nX: b' }), 400],
  ['a length that is none', request({ CONTENT_LENGTH: '-1' }), 400],
  ['a length with a plus', request({ CONTENT_LENGTH: '+1' }), 400],
  ['two lengths', request({ CONTENT_LENGTH: '1', HTTP_CONTENT_LENGTH: '2' }), 400],
  ['SCRIPT_NAME that is no path', request({ SCRIPT_NAME: 'shop' }), 400],
  ['a field past its limit', request({ HTTP_X: 'a'.repeat(8190) }), 431],
  [
    'too many fields',
    request(Object.fromEntries(Array.from({ length: 41 }, (_, index) => [`HTTP_X${index}`, '1']))),
    431,
  ],
  [
    'a head past its limit',
    request(
      Object.fromEntries(
        Array.from({ length: 5 }, (_, index) => [`HTTP_X${index}`, 'a'.repeat(8000)]),
      ),
    ),
    431,
  ],
  [
    'a target past its limit',
    request({ REQUEST_URI: `/${'a'.repeat(4100)}`, PATH_INFO: `/${'a'.repeat(4100)}` }),
    414,
  ],
] as [string, Buffer, number][]) {
  uwsgi(`is refused with ${name}`, async ({ server }) => {
    assert.match(await server.raw(bytes), new RegExp(`^HTTP/1\\.1 ${status} `))
  })
}

uwsgi('is not hindered by Transfer-Encoding and Connection of the client', async (context) => {
  const fields = { HTTP_TRANSFER_ENCODING: 'chunked', HTTP_CONNECTION: 'keep-alive, x-y' }
  const { seen } = await ask(context, request(fields))
  assert.not.ok('HTTP_TRANSFER_ENCODING' in seen.environ)
})

uwsgi.run()

const binds = suite('uwsgi binds')

binds('are only for peers that are named', async () => {
  const server = await startEcho({ protocol: 'uwsgi', uwsgiAllowIps: ['192.0.2.1'] })
  assert.is(await server.raw(request()), '')
  assert.match(server.log(), /uwsgi is not spoken with this peer .*127\.0\.0\.1/)
  await server.close()
})

binds('have a time limit', async () => {
  const server = await startEcho({ protocol: 'uwsgi' }, { clientHeaderTimeout: 0.2 })
  assert.is(await server.raw(request().subarray(0, 20)), '')
  assert.match(server.log(), /uwsgi packet took too long/)
  await server.close()
})

binds('cannot have the PROXY protocol too', async () => {
  const error = await startEcho({ protocol: 'uwsgi', proxyProtocol: 'v1' }).catch((each) => each)
  assert.is(error.cause?.code ?? error.code, 'WSGI_CORE_PROXY_TWO_PREAMBLES')
})

binds.run()
