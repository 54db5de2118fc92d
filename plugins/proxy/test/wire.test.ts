import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { connect as connectTls } from 'node:tls'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openConnection, TestConnection, type TestServer } from '../../../testing/index.ts'
import { answerOf, type Echo, GET, OVER_TLS, startEcho } from './echo.ts'
import { ssl, summed, tlv, v2 } from './proxy-headers.ts'

interface Context {
  start(options?: object, config?: object): Promise<TestServer>
  folder: string
}

function withServer(name: string) {
  const test = suite<Context>(name)
  const open: TestServer[] = []
  test.before.each((context) => {
    context.folder = mkdtempSync(join(tmpdir(), 'wsgi-core-proxy-'))
    context.start = async (options, config) => {
      const server = await startEcho(options as never, config as never)
      open.push(server)
      return server
    }
  })
  test.after.each(async ({ folder }) => {
    for (const server of open.splice(0)) await server.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return test
}

const askWith = async (server: TestServer, headers: Record<string, string>, path = '/') =>
  JSON.parse((await server.request(path, { headers })).body) as Echo

const fastify = withServer('what Fastify knows')

fastify('is the client, the way to it, scheme and host', async ({ start }) => {
  const parts = ['for', 'proto', 'host']
  const server = await start({
    forwardedAllowIps: ['127.0.0.1', '10.0.0.0/8'],
    forwardedParts: parts,
  })
  const seen = await askWith(server, {
    'X-Forwarded-For': '198.51.100.66, 203.0.113.9, 10.0.0.1',
    'X-Forwarded-Proto': 'https',
    'X-Forwarded-Host': 'shop.example:8443',
  })
  assert.is(seen.ip, '203.0.113.9')
  assert.equal(seen.ips, ['127.0.0.1', '10.0.0.1', '203.0.113.9'])
  assert.is(seen.protocol, 'https')
  assert.equal([seen.host, seen.hostname], ['shop.example:8443', 'shop.example'])
  assert.is(seen.headers['x-forwarded-for'], '203.0.113.9, 10.0.0.1')
})

fastify('is the same by Forwarded', async ({ start }) => {
  const server = await start()
  const seen = await askWith(server, { Forwarded: 'for="[2001:db8::7]:1";proto=https' })
  assert.equal([seen.ip, seen.protocol], ['2001:db8::7', 'https'])
})

fastify('is the peer where nobody else is known, or believed', async ({ start }) => {
  const server = await start({ forwardedAllowIps: ['192.0.2.1'] })
  for (const headers of [{}, { 'X-Forwarded-For': '6.6.6.6', 'X-Forwarded-Proto': 'https' }]) {
    const seen = await askWith(server, headers as Record<string, string>)
    assert.equal([seen.ip, seen.ips, seen.protocol], ['127.0.0.1', ['127.0.0.1'], 'http'])
    assert.not.ok('x-forwarded-for' in seen.headers)
  }
})

fastify('changes with each request of a kept connection', async ({ start }) => {
  const server = await start()
  const connection = await server.connect()
  const send = (line: string) => connection.send(GET.replace('\r\n\r\n', `\r\n${line}\r\n\r\n`))
  for (const client of ['203.0.113.1', '203.0.113.2', '203.0.113.2', '']) {
    send(client ? `X-Forwarded-For: ${client}` : 'X-Other: 1')
    const seen = await answerOf(connection)
    assert.is(seen.ip, client || '127.0.0.1')
    assert.is(seen.environ.REMOTE_ADDR, client || '127.0.0.1')
  }
})

fastify('and the access log show the client', async ({ start, folder }) => {
  const file = join(folder, 'access.log')
  const server = await start({}, { accessLogfile: file, accessLogformat: '%(h)s %({x-real-ip}i)s' })
  await askWith(server, { 'X-Forwarded-For': '203.0.113.9', 'X-Real-IP': '6.6.6.6' })
  await server.close()
  assert.is(readFileSync(file, 'utf8'), '203.0.113.9 -\n')
})

fastify('changes with a reload, on an open connection too', async ({ start, folder }) => {
  const server = await start({}, { bind: [`unix:${join(folder, 's')}`] })
  const connection = await server.connect()
  connection.send(GET.replace('\r\n\r\n', '\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n'))
  assert.is((await answerOf(connection)).environ.REMOTE_ADDR, '203.0.113.9')
  await server.server.reload()
  connection.send(GET.replace('\r\n\r\n', '\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n'))
  assert.is((await answerOf(connection)).environ.REMOTE_ADDR, '203.0.113.7')
})

fastify('is told of contradictory schemes by 400', async ({ start }) => {
  const server = await start()
  const headers = { 'X-Forwarded-Proto': 'https', 'X-Forwarded-Ssl': 'off' }
  assert.is((await server.request('/', { headers })).status, 400)
})

fastify('goes for what redirects to https too, whatever order plugins have', async ({ start }) => {
  const server = await start(
    {},
    { tls: { ...OVER_TLS.tls, bind: ['127.0.0.1:0'], redirectToHttps: true } },
  )
  const plain = await server.request('/')
  assert.is(plain.status, 308)
  const seen = await server.request('/', { headers: { 'X-Forwarded-Proto': 'https' } })
  assert.is(seen.status, 200)
})

fastify('is known of an upgrade too, and what clients claim removed', async ({ start }) => {
  const server = await start({ forwardedAllowIps: ['127.0.0.1'] }, { upgrades: { on: true } })
  const ask = async (lines: string) => {
    const connection = await server.connect()
    connection.send(
      GET.replace('\r\n\r\n', `\r\nConnection: upgrade\r\nUpgrade: x\r\n${lines}\r\n\r\n`),
    )
    return connection.rest()
  }
  const seen = await ask('X-Forwarded-For: 6.6.6.6, 203.0.113.9\r\nProxy: x')
  assert.equal(JSON.parse(seen), { address: '203.0.113.9', forwarded: '203.0.113.9' })
  const refused = await ask('X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off')
  assert.match(refused, /^HTTP\/1\.1 400 Bad Request\r\n/)
})

fastify('and the log say once that somebody is not believed', async ({ start }) => {
  const server = await start({ forwardedAllowIps: ['192.0.2.1'] })
  for (let count = 0; count < 3; count++) await askWith(server, { 'X-Forwarded-For': '6.6.6.6' })
  const lines = server
    .log()
    .split('\n')
    .filter((line) => line.includes('--forwarded-allow-ips'))
  assert.is(lines.length, 1, server.log())
})

const removedLines = (server: TestServer) =>
  server
    .log()
    .split('\n')
    .filter((line) => line.includes('header removed'))

fastify('and the log name once each header that nobody vouches for', async ({ start }) => {
  const server = await start({ forwarderHeaders: ['SCRIPT_NAME'] })
  const headers = { 'X-Forwarded-Port': '1', 'X-Real-IP': '6.6.6.6', Proxy: 'x' }
  for (let count = 0; count < 3; count++) await askWith(server, headers)
  const lines = removedLines(server)
  assert.is(lines.length, 2, server.log())
  assert.match(lines.join(), '--forwarded-parts for,proto,port')
  assert.match(lines.join(), '--forwarder-headers SCRIPT_NAME,X-REAL-IP')
  await server.server.reload()
  await askWith(server, headers)
  assert.is(removedLines(server).length, 4)
})

fastify('and the log are not filled by names that a client makes up', async ({ start }) => {
  const server = await start()
  const names = Array.from({ length: 90 }, (_, index) => `X-Forwarded-${index}`)
  await askWith(server, Object.fromEntries(names.map((name) => [name, 'x'])))
  const made = await askWith(server, { 'X-Forwarded-`id`': 'x' })
  assert.not.ok(Object.keys(made.headers).some((name) => name.startsWith('x-forwarded')))
  assert.is(removedLines(server).length, 50)
})

fastify('and the log have no option with a name that is none for a shell', async ({ start }) => {
  const server = await start()
  await askWith(server, { 'X-Forwarded-`id`': 'x' })
  assert.not.match(removedLines(server).join(), '--')
})

fastify.run()

const proxied = withServer('the PROXY protocol')
const V1 = 'PROXY TCP4 203.0.113.9 192.0.2.80 50123 443\r\n'

for (const [name, header] of [
  ['version 1', Buffer.from(V1)],
  ['version 2', v2()],
] as const) {
  proxied(`${name} names the client of all requests of its connection`, async ({ start }) => {
    const server = await start({ proxyProtocol: 'auto' })
    const connection = await server.connect()
    connection.send(Buffer.concat([header, Buffer.from(GET)]))
    for (let count = 0; count < 2; count++) {
      const seen = await answerOf(connection)
      assert.is(seen.ip, '203.0.113.9')
      const { REMOTE_ADDR, REMOTE_PORT, SERVER_NAME, SERVER_PORT, PROXY_PROTOCOL } = seen.environ
      assert.equal([REMOTE_ADDR, REMOTE_PORT], ['203.0.113.9', '50123'])
      assert.equal([SERVER_NAME, SERVER_PORT, PROXY_PROTOCOL], ['192.0.2.80', '443', 'TCP4'])
      assert.is(seen.environ['wsgi_core.peer_addr'], '127.0.0.1')
      connection.send(GET)
    }
  })

  proxied(`${name} is read byte by byte from the wire`, async ({ start }) => {
    const server = await start({ proxyProtocol: 'auto' })
    const { hostname, port } = new URL(server.url)
    const socket = connect({ host: hostname, port: Number(port), noDelay: true })
    await once(socket, 'connect')
    const connection = new TestConnection(socket)
    for (const byte of Buffer.concat([header, Buffer.from(GET)])) {
      connection.send(Buffer.from([byte]))
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.is((await answerOf(connection)).ip, '203.0.113.9')
    connection.destroy()
  })
}

proxied('carries TLVs into the environ, and the scheme of the client', async ({ start }) => {
  const server = await start({ proxyProtocol: 'v2' })
  const connection = await server.connect()
  connection.send(summed({ tlvs: [tlv(2, 'shop.example'), ssl(1, 0, tlv(0x21, 'TLSv1.3'))] }))
  connection.send(GET)
  const { environ, protocol } = await answerOf(connection)
  assert.is(protocol, 'https')
  assert.equal(
    [environ['wsgi.url_scheme'], environ.PROXY_AUTHORITY, environ.SSL_PROTOCOL],
    ['https', 'shop.example', 'TLSv1.3'],
  )
})

proxied("does not make the client's own headers believed", async ({ start }) => {
  const server = await start({ proxyProtocol: 'auto' })
  const spoof = GET.replace(
    '\r\n\r\n',
    '\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n\r\n',
  )
  for (const header of [Buffer.from(V1), v2(), Buffer.from('PROXY UNKNOWN\r\n')]) {
    const connection = await server.connect()
    connection.send(Buffer.concat([header, Buffer.from(spoof)]))
    const seen = await answerOf(connection)
    assert.is.not(seen.ip, '6.6.6.6')
    assert.is(seen.protocol, 'http')
    assert.not.ok('x-forwarded-for' in seen.headers)
  }
})

proxied('names a proxy that is believed itself: a chain of both', async ({ start }) => {
  const server = await start({ proxyProtocol: 'auto', forwardedAllowIps: ['203.0.113.9'] })
  const connection = await server.connect()
  connection.send(V1 + GET.replace('\r\n\r\n', '\r\nX-Forwarded-For: 198.51.100.7\r\n\r\n'))
  const seen = await answerOf(connection)
  assert.equal(seen.ips, ['203.0.113.9', '198.51.100.7'])
})

proxied('LOCAL is the proxy itself', async ({ start }) => {
  const server = await start({ proxyProtocol: 'auto' })
  const connection = await server.connect()
  connection.send(v2({ command: 0x20 }))
  connection.send(GET)
  assert.is((await answerOf(connection)).ip, '127.0.0.1')
})

for (const [name, bytes] of [
  ['missing', GET],
  ['malformed', 'PROXY TCP4 here there 1 2\r\n'],
  ['cut short by a wrong byte', '\r\n\r\n\0\r\nQUIX'],
] as const) {
  proxied(`${name}: ends without an answer, and a line in the log`, async ({ start }) => {
    const server = await start({ proxyProtocol: 'auto' })
    assert.is(await server.raw(bytes), '')
    assert.match(server.log(), /PROXY header: (missing|malformed)/)
  })
}

proxied('from somebody who is not named: ends at once', async ({ start }) => {
  const server = await start({ proxyProtocol: 'auto', proxyAllowIps: ['192.0.2.1'] })
  const connection = await server.connect()
  assert.is(await connection.rest(), '')
  assert.match(server.log(), /not taken from this peer .*127\.0\.0\.1/)
})

proxied('has a time limit', async ({ start }) => {
  const server = await start({ proxyProtocol: 'auto' }, { clientHeaderTimeout: 0.2 })
  const [silent, slow] = await Promise.all([server.connect(), server.connect()])
  slow.send('PROXY TCP4')
  assert.equal(await Promise.all([silent.rest(), slow.rest()]), ['', ''])
  assert.match(server.log(), /PROXY header took too long/)
})

proxied('is not expected by binds that are not named', async ({ start, folder }) => {
  const path = join(folder, 'direct')
  const binds = ['127.0.0.1:0', `unix:${path}`]
  const server = await start(
    { proxyProtocol: 'v1', proxyProtocolBinds: ['127.0.0.1:0'] },
    { bind: binds },
  )
  const direct = await openConnection(`unix:${path}`)
  direct.send(GET)
  assert.is((await answerOf(direct)).environ.REMOTE_ADDR, '')
  direct.destroy()
  const connection = await server.connect()
  connection.send(V1 + GET)
  assert.is((await answerOf(connection)).ip, '203.0.113.9')
})

proxied('at a Unix socket gives clients addresses', async ({ start, folder }) => {
  const server = await start({ proxyProtocol: 'auto' }, { bind: [`unix:${join(folder, 's')}`] })
  const connection = await server.connect()
  connection.send(V1 + GET)
  const { ip, environ } = await answerOf(connection)
  assert.equal([ip, environ.SERVER_PORT], ['203.0.113.9', '443'])
})

proxied('gives each client its own count of connections', async ({ start }) => {
  const server = await start({ proxyProtocol: 'auto' }, { maxConnectionsPerAddress: 1 })
  const line = (last: number) => `PROXY TCP4 203.0.113.${last} 192.0.2.80 1 2\r\n`
  const [first, second, third] = await Promise.all([0, 0, 0].map(() => server.connect()))
  for (const [index, connection] of [first, second].entries()) {
    connection?.send(line(index) + GET)
    assert.is((await answerOf(connection as TestConnection)).ip, `203.0.113.${index}`)
  }
  third?.send(line(1) + GET)
  assert.match(await (third as TestConnection).rest(), /^HTTP\/1\.1 429 /)
})

proxied('begins and ends with a reload, at the same address', async ({ start, folder }) => {
  const file = join(folder, 'config.json')
  const path = `unix:${join(folder, 's')}`
  const write = (proxyProtocol: string) =>
    writeFileSync(file, JSON.stringify({ proxy: { proxyProtocol } }))
  write('off')
  const server = await start({}, { config: file, bind: [path] })
  const ask = async (bytes: string) => {
    const connection = await server.connect()
    connection.send(bytes)
    return (await answerOf(connection)).environ.REMOTE_ADDR
  }
  assert.is(await ask(GET), '')
  write('v1')
  await server.server.reload()
  assert.is(await ask(V1 + GET), '203.0.113.9')
  assert.is(await server.raw(GET), '')
  write('off')
  await server.server.reload()
  assert.is(await ask(GET), '')
})

proxied('names a bind that is none: the start ends', async ({ start }) => {
  const error = await start({ proxyProtocol: 'v1', proxyProtocolBinds: ['127.0.0.1:1'] }).catch(
    (each) => each,
  )
  assert.match(error.message, /127\.0\.0\.1:1/)
  assert.is(error.cause?.code ?? error.code, 'WSGI_CORE_PROXY_BAD_BIND')
})

proxied.run()

const tls = withServer('the PROXY protocol before TLS')

async function handshake(
  server: TestServer,
  header: Buffer,
  split = header.length,
): Promise<TestConnection> {
  const { port } = new URL(server.url)
  const raw = connect({ host: '127.0.0.1', port: Number(port), noDelay: true })
  await once(raw, 'connect')
  raw.write(header.subarray(0, split))
  await new Promise((resolve) => setTimeout(resolve, 20)) // two segments; it works as well where they join
  raw.write(header.subarray(split))
  const secure = connectTls({ socket: raw, servername: 'localhost', rejectUnauthorized: false })
  await once(secure, 'secureConnect')
  return new TestConnection(secure as never)
}

for (const split of [1, 15, 16, 27, 28]) {
  tls(`names the client, split at byte ${split}`, async ({ start }) => {
    const server = await start({ proxyProtocol: 'v2' }, OVER_TLS)
    const connection = await handshake(server, v2(), split)
    connection.send(GET)
    const { ip, protocol, environ } = await answerOf(connection)
    assert.equal([ip, protocol], ['203.0.113.9', 'https'])
    assert.equal(
      [environ.REMOTE_PORT, environ.SERVER_NAME, environ['wsgi.url_scheme']],
      ['50123', '192.0.2.80', 'https'],
    )
    assert.is(environ.PROXY_PROTOCOL, 'TCP4')
    connection.destroy()
  })
}

tls('is read in one piece with the handshake', async ({ start }) => {
  const server = await start({ proxyProtocol: 'auto' }, OVER_TLS)
  const { port } = new URL(server.url)
  const raw = connect({ host: '127.0.0.1', port: Number(port) })
  await once(raw, 'connect')
  raw.cork()
  raw.write(V1)
  const secure = connectTls({ socket: raw, servername: 'localhost', rejectUnauthorized: false })
  setImmediate(() => raw.uncork())
  await once(secure, 'secureConnect')
  const connection = new TestConnection(secure as never)
  connection.send(GET)
  assert.is((await answerOf(connection)).ip, '203.0.113.9')
  connection.destroy()
})

tls('names the client of HTTP/2, and what it claims itself is removed', async ({ start }) => {
  const server = await start({ proxyProtocol: 'auto' }, OVER_TLS)
  const raw = connect(Number(new URL(server.url).port), '127.0.0.1')
  await once(raw, 'connect')
  raw.write(V1)
  const secure = connectTls({ socket: raw, rejectUnauthorized: false, ALPNProtocols: ['h2'] })
  const session = connectHttp2('https://localhost', { createConnection: () => secure })
  const stream = session.request({ ':path': '/', 'x-forwarded-for': '6.6.6.6', proxy: 'x' })
  const { ip, headers, environ } = JSON.parse(await text(stream)) as Echo
  assert.equal(
    [ip, environ.SERVER_PROTOCOL, environ.PROXY_PROTOCOL],
    ['203.0.113.9', 'HTTP/2.0', 'TCP4'],
  )
  assert.not.ok('x-forwarded-for' in headers || 'proxy' in headers)
  session.close()
})

tls('is refused where it is missing', async ({ start }) => {
  const server = await start({ proxyProtocol: 'auto' }, OVER_TLS)
  const connection = await openConnection(server.url)
  connection.send(Buffer.from([22, 3, 1, 2, 0, 1]))
  assert.is(await connection.rest(), '')
  assert.match(server.log(), /PROXY header: missing/)
})

tls('is not taken from somebody who is not named', async ({ start }) => {
  const server = await start({ proxyProtocol: 'auto', proxyAllowIps: ['192.0.2.1'] }, OVER_TLS)
  assert.is(await (await openConnection(server.url)).rest(), '')
  assert.match(server.log(), /not taken from this peer .*127\.0\.0\.1/)
})

tls('has a time limit', async ({ start }) => {
  const server = await start({ proxyProtocol: 'auto' }, { clientHeaderTimeout: 0.2, ...OVER_TLS })
  const connection = await openConnection(server.url)
  connection.send('PROXY ')
  assert.is(await connection.rest(), '')
  assert.match(server.log(), /PROXY header took too long/)
})

tls('does not hold up a stop', async ({ start }) => {
  const server = await start({ proxyProtocol: 'auto' }, OVER_TLS)
  const connection = await openConnection(server.url)
  connection.send('PROXY ')
  await server.server.close()
  assert.is(await connection.rest(), '')
})

tls('may be left out where it is off', async ({ start }) => {
  const server = await start({}, OVER_TLS)
  const connection = await handshake(server, Buffer.alloc(0))
  connection.send(GET)
  assert.is((await answerOf(connection)).ip, '127.0.0.1')
  connection.destroy()
})

tls.run()
