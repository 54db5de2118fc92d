// Behind nginx and haproxy themselves.
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request as sendRequest } from 'node:http'
import { request as sendSecure } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type ServerProcess, startServer } from '../../../test/helpers/server-process.ts'
import { findProgram, freePort, type Program, startProgram } from './programs.ts'
import {
  fixturePath,
  haproxyConfig,
  type NginxPorts,
  nginxConfig,
  seedServer,
  uwsgiServer,
} from './proxy-configs.ts'

const APPS = fileURLToPath(new URL('apps', import.meta.url))
/** Not an address that is trusted, other than that of the proxies. */
const CLIENT = '127.0.0.2'
const LIE = '6.6.6.6'
const HOST = 'shop.example'
/** What a client may try. */
const SPOOF = {
  'X-Forwarded-For': `${LIE}, 127.0.0.1`,
  'X-Forwarded-Proto': 'wss',
  'X-Forwarded-Host': LIE,
  'X-Forwarded-Port': '666',
  'X-Forwarded-Prefix': `/${LIE}`,
  'X-Forwarded-Server': LIE,
  'X-Forwarded-User': LIE,
  X_Forwarded_For: LIE,
  'X-Real-IP': LIE,
  'X-Original-URL': `/${LIE}`,
  'X-Accel-Redirect': `/${LIE}`,
  'X-Accel-Mapping': `/=/${LIE}`,
  'X-Sendfile-Type': LIE,
  'SSL-Client-Verify': LIE,
  SSL_CLIENT_VERIFY: LIE,
  SSL_CLIENT_S_DN: LIE,
  'X-SSL-Client-S-DN': LIE,
  'Remote-User': LIE,
  SCRIPT_NAME: `/${LIE}`,
  Forwarded: `for=${LIE};proto=https;host=${LIE}`,
  Proxy: LIE,
}

const fieldKey = (name: string) => `HTTP_${name.toUpperCase().replaceAll('-', '_')}`
/** What proxies set themselves in place of what a client has sent. */
const SET_BY_PROXIES = new Set(['X-Forwarded-For', 'X-Forwarded-Proto'].map(fieldKey))
const LIES = Object.keys(SPOOF)
  .map(fieldKey)
  .filter((key) => !SET_BY_PROXIES.has(key))

type Seen = Record<string, string>

async function ask(
  port: number,
  { secure = false, body = '', path = '/cart?x=1' } = {},
): Promise<Seen> {
  const outgoing = (secure ? sendSecure : sendRequest)({
    host: '127.0.0.1',
    port,
    path,
    localAddress: CLIENT,
    method: body === '' ? 'GET' : 'POST',
    headers: { ...SPOOF, Host: HOST, ...(body !== '' && { 'Content-Length': body.length }) },
    agent: false,
    rejectUnauthorized: false,
  }).end(body)
  const [incoming] = await once(outgoing, 'response')
  const answer = await text(incoming)
  assert.is(incoming.statusCode, 200, answer)
  return JSON.parse(answer)
}

function checkClient(seen: Seen, scheme: string): void {
  assert.is(seen.REMOTE_ADDR, CLIENT)
  assert.is(seen['wsgi.url_scheme'], scheme)
  assert.is(seen.HTTP_HOST, HOST)
  assert.equal([seen.PATH_INFO, seen.QUERY_STRING], ['/cart', 'x=1'])
}

function hasNoLie(seen: Seen): void {
  for (const [name, value] of Object.entries(seen)) assert.not.ok(value.includes(LIE), name)
  for (const key of LIES) assert.not.ok(key in seen, key)
  assert.is(seen.SCRIPT_NAME, '')
}

interface Context {
  folder: string
  server: ServerProcess
  binds: {
    http: string
    unix: string
    uwsgi: string
    uwsgiTcp: string
    proxy: string
    proxyUnix: string
  }
  ports: NginxPorts
  programs: Program[]
}

/** One application for all of them, at an address for each way in. */
function withApplication(name: string) {
  const test = suite<Context>(name)
  test.before(async (context) => {
    const folder = mkdtempSync(join(tmpdir(), 'wsgi-core-behind-'))
    const [http, uwsgiTcp, proxy] = await Promise.all([freePort(), freePort(), freePort()])
    const binds = {
      http: `127.0.0.1:${http}`,
      unix: `unix:${folder}/http.sock`,
      uwsgi: `unix:${folder}/uwsgi.sock`,
      uwsgiTcp: `127.0.0.1:${uwsgiTcp}`,
      proxy: `127.0.0.1:${proxy}`,
      proxyUnix: `unix:${folder}/proxy.sock`,
    }
    const { uwsgi, proxyUnix } = binds
    const config = {
      bind: Object.values(binds),
      proxy: {
        uwsgiBinds: [uwsgi, binds.uwsgiTcp],
        proxyProtocol: 'auto',
        proxyProtocolBinds: [binds.proxy, proxyUnix],
      },
    }
    writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
    const args = ['-c', join(folder, 'config.json'), 'seen:app']
    const server = await startServer(args, { cwd: APPS, bind: null })
    Object.assign(context, { folder, binds, server, programs: [] })
  })
  test.before.each(async (context) => {
    const [http, https] = await Promise.all([freePort(), freePort()])
    context.ports = { http, https }
  })
  test.after.each(async ({ programs }) => {
    for (const program of programs.splice(0)) await program.stop()
  })
  test.after(async ({ server, folder }) => {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  return test
}

const nginx = findProgram('nginx')

if (nginx !== undefined) {
  const start = async ({ folder, programs, ports }: Context, server: string) => {
    const file = join(folder, 'nginx.conf')
    writeFileSync(file, nginxConfig(folder, server))
    programs.push(await startProgram(nginx, ['-c', file, '-p', folder, '-e', 'stderr'], ports.http))
  }
  const test = withApplication('behind nginx')

  for (const way of ['http', 'unix'] as const) {
    test(`with proxy_pass to ${way === 'http' ? 'TCP' : 'a Unix socket'}`, async (context) => {
      const { ports, binds, folder } = context
      await start(context, seedServer(ports, binds[way], folder))
      for (const secure of [false, true]) {
        const seen = await ask(secure ? ports.https : ports.http, { secure })
        checkClient(seen, secure ? 'https' : 'http')
        hasNoLie(seen)
        assert.is(seen.HTTP_X_FORWARDED_FOR, CLIENT)
        assert.is(seen.HTTP_X_FORWARDED_PROTO, secure ? 'https' : 'http')
      }
      assert.is((await ask(ports.http, { body: 'hello' })).body, 'hello')
    })
  }

  test('which serves static files itself, and asks for the rest', async (context) => {
    const { ports, binds, folder } = context
    mkdirSync(join(folder, 'static'))
    writeFileSync(join(folder, 'static/a.json'), '{"from":"nginx"}')
    await start(context, seedServer(ports, binds.http, folder))
    assert.equal(await ask(ports.http, { path: '/static/a.json' }), { from: 'nginx' })
    checkClient(await ask(ports.http), 'http')
  })

  test('says once of each header of a client that it was removed, and why', async (context) => {
    const { ports, binds, folder } = context
    await start(context, seedServer(ports, binds.http, folder))
    for (let count = 0; count < 3; count++) hasNoLie(await ask(ports.http))
    const said = context.server
      .log()
      .split('\n')
      .filter((line) => line.includes('header removed'))
    const hosts = said.filter((line) => line.includes('X-Forwarded-Host'))
    assert.is(hosts.length, 1, context.server.log())
    assert.match(hosts[0] ?? '', /--forwarded-parts for,proto,host\b/)
    assert.match(said.join('\n'), /--forwarder-headers SCRIPT_NAME,PATH_INFO,X-REAL-IP/)
  })

  for (const way of ['uwsgi', 'uwsgiTcp'] as const) {
    test(`with uwsgi_pass to ${way === 'uwsgi' ? 'a Unix socket' : 'TCP'}`, async (context) => {
      const { ports, binds } = context
      await start(context, uwsgiServer(ports, binds[way]))
      for (const secure of [false, true]) {
        const port = secure ? ports.https : ports.http
        const seen = await ask(port, { secure })
        checkClient(seen, secure ? 'https' : 'http')
        hasNoLie(seen)
        assert.equal([seen.SERVER_PORT, seen.SERVER_PROTOCOL], [String(port), 'HTTP/1.1'])
      }
      assert.is((await ask(ports.http, { body: 'hello' })).body, 'hello')
    })
  }
  test.run()
}

const haproxy = findProgram('haproxy')

if (haproxy !== undefined) {
  const start = async (context: Context, upstream: string, option: string, isHttp = false) => {
    const { folder, programs, ports } = context
    const file = join(folder, 'haproxy.cfg')
    writeFileSync(file, haproxyConfig(ports.http, upstream, option, isHttp))
    programs.push(await startProgram(haproxy, ['-db', '-f', file], ports.http))
  }
  const test = withApplication('behind haproxy')

  for (const way of ['http', 'unix'] as const) {
    test(`in mode http, to ${way === 'http' ? 'TCP' : 'a Unix socket'}`, async (context) => {
      const { ports, binds } = context
      await start(context, binds[way].replace(/^unix:/, 'unix@'), '', true)
      const seen = await ask(ports.http)
      checkClient(seen, 'http')
      hasNoLie(seen)
      assert.is(seen.HTTP_X_FORWARDED_FOR, CLIENT)
    })
  }

  for (const [name, option] of [
    ['version 1', 'send-proxy'],
    ['version 2', 'send-proxy-v2'],
    [
      'version 2 with a checksum and a unique id',
      'send-proxy-v2 proxy-v2-options crc32c,unique-id,authority',
    ],
  ] as const) {
    for (const way of ['proxy', 'proxyUnix'] as const) {
      const place = way === 'proxy' ? 'TCP' : 'a Unix socket'
      test(`with the PROXY protocol, ${name}, to ${place}`, async (context) => {
        const { ports, binds } = context
        await start(context, binds[way].replace(/^unix:/, 'unix@'), option)
        const seen = await ask(ports.http)
        checkClient(seen, 'http')
        hasNoLie(seen)
        assert.equal([seen.SERVER_PORT, seen.PROXY_PROTOCOL], [String(ports.http), 'TCP4'])
        assert.not.ok(Object.keys(seen).some((key) => key.includes('FORWARDED')))
        assert.is((await ask(ports.http, { body: 'hello' })).body, 'hello')
      })
    }
  }

  for (const option of ['send-proxy', 'send-proxy-v2']) {
    test(`with ${option} and TLS passed through`, async (context) => {
      const { ports } = context
      const certificate = [
        '--certfile',
        fixturePath('cert.pem'),
        '--keyfile',
        fixturePath('key.pem'),
      ]
      const args = ['--plugins', 'tls', ...certificate, '--proxy-protocol', 'seen:app']
      const server = await startServer(args, { cwd: APPS })
      try {
        await start(context, new URL(server.url).host, option)
        const seen = await ask(ports.http, { secure: true })
        checkClient(seen, 'https')
        hasNoLie(seen)
        assert.match(seen.SSL_PROTOCOL ?? '', /^TLSv1\.[23]$/)
      } finally {
        await server.stop()
      }
    })
  }
  test.run()
}
