import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type ServerOptions,
  type ServerProcess,
  startServer,
  until,
} from '../../../test/helpers/server-process.ts'
import { Authority } from './authority.ts'
import { ask, get, handshake, openHttp2 } from './client.ts'
import { needs } from './tools.ts'

const run = promisify(execFile)
const APPS = fileURLToPath(new URL('apps', import.meta.url))
const fixture = (name: string) =>
  fileURLToPath(new URL(`../../../cli/test/fixtures/${name}`, import.meta.url))

interface Context {
  authority: Authority
  folder: string
  ca: string
  servers: ServerProcess[]
  last?: ServerProcess
  serve(args?: readonly string[], options?: ServerOptions): Promise<ServerProcess>
  /** One without anything special, for all tests of a suite. */
  shared(): Promise<ServerProcess>
}

function wsgiSuite(name: string) {
  const made = suite<Context>(name)
  made.before((context) => {
    const authority = new Authority()
    authority.issue('main')
    authority.issue('other', { subject: '/CN=other' })
    authority.issue('alice', { isClient: true, subject: '/O=Test/CN=Alice' })
    const folder = mkdtempSync(join(tmpdir(), 'wsgi-core-app-'))
    Object.assign(context, { authority, folder, servers: [], ca: authority.read('ca.pem') })
    context.serve = async (args = [], options = {}) => {
      install(context, 'main')
      const pair = [
        '--certfile',
        authority.path('live.pem'),
        '--keyfile',
        authority.path('live.key'),
      ]
      const all = ['--plugins', 'tls', ...pair, ...args, 'seen:app']
      const server = await startServer(all, { cwd: APPS, env: { TEST_FOLDER: folder }, ...options })
      context.servers.push(server)
      return server
    }
    let shared: Promise<ServerProcess> | undefined
    context.shared = () => {
      shared ??= context.serve(['--access-logfile', '-']).then((server) => {
        context.servers.splice(context.servers.indexOf(server), 1)
        context.last = server
        return server
      })
      return shared
    }
  })
  made.after.each(async ({ servers }) => {
    for (const server of servers.splice(0)) await server.stop()
  })
  made.after(async ({ authority, folder, last }) => {
    await last?.stop()
    authority.remove()
    rmSync(folder, { recursive: true, force: true })
  })
  return made
}

/** Puts a certificate where the server reads it. */
function install({ authority }: { authority: Authority }, name: string): void {
  copyFileSync(authority.path(`${name}.key`), authority.path('live.key'))
  copyFileSync(authority.path(`${name}.pem`), authority.path('live.pem'))
}

/** Forged names, as a client would try them. */
const FORGED = [
  'HTTPS',
  'SSL-Client-Verify',
  'SSL_CLIENT_VERIFY',
  'SSL-Client-S-DN',
  'wsgi.url_scheme',
]

async function curl({ authority }: Context, url: string, ...args: string[]) {
  const to = url.replace('127.0.0.1', 'localhost')
  const all = ['--silent', '--show-error', '--cacert', authority.ca, ...args, to]
  const { stdout } = await run('curl', all, { maxBuffer: 2 ** 24 })
  return stdout
}

const environs = wsgiSuite('an application over TLS')

for (const [version, flag] of [
  ['HTTP/1.1', '--http1.1'],
  ['HTTP/2.0', '--http2'],
] as const) {
  environs(
    `sees in its environ what is so, and nothing that a client says (${version})`,
    async (context) => {
      needs('curl')
      const { url } = await context.shared()
      const forged = FORGED.flatMap((name) => ['-H', `${name}: forged`])
      const environ = JSON.parse(await curl(context, `${url}/a%20b?c`, flag, ...forged))
      assert.is(environ.HTTPS, 'on')
      assert.is(environ['wsgi.url_scheme'], 'https')
      assert.is(environ.SERVER_PROTOCOL, version)
      assert.is(environ.HTTP_HOST, `localhost:${new URL(url).port}`)
      assert.is(environ.SERVER_PORT, new URL(url).port)
      assert.is(environ.REMOTE_ADDR, '127.0.0.1')
      assert.is(environ.PATH_INFO, '/a b')
      assert.is(environ.QUERY_STRING, 'c')
      assert.is(environ.SSL_PROTOCOL, 'TLSv1.3')
      assert.match(environ.SSL_CIPHER, /^TLS_/)
      assert.is(environ.SSL_TLS_SNI, 'localhost')
      assert.is(environ.SSL_SESSION_RESUMED, 'Initial')
      assert.is(environ.SSL_CLIENT_VERIFY, 'NONE')
      assert.is(environ.SSL_CLIENT_S_DN, undefined)
    },
  )

  environs(`knows who has shown a certificate (${version})`, async (context) => {
    needs('curl')
    const { authority } = context
    const { url } = await context.serve(['--ca-certs', authority.ca, '--cert-reqs', '2'])
    const card = ['--cert', authority.path('alice.pem'), '--key', authority.path('alice.key')]
    const environ = JSON.parse(await curl(context, url, flag, ...card, '-H', 'SSL-Client-S-DN: x'))
    assert.is(environ.SSL_CLIENT_VERIFY, 'SUCCESS')
    assert.is(environ.SSL_CLIENT_S_DN, 'CN=Alice,O=Test')
    assert.is(environ.SSL_CLIENT_I_DN, 'CN=Test Authority')
    assert.match(environ.SSL_CLIENT_M_SERIAL, /^[0-9A-F]+$/)
    assert.match(environ.SSL_CLIENT_V_END, /GMT$/)
    assert.is(environ.SSL_CLIENT_CERT, authority.read('alice.pem').trim())
    const error = await curl(context, url, flag).catch((each) => each)
    assert.match(error.message, /curl: \(\d+\)/)
  })

  environs(
    `is served as over plain HTTP: bodies, streams, breaks (${version})`,
    async (context) => {
      needs('curl')
      const { url } = await context.shared()
      const body = join(context.folder, 'body')
      writeFileSync(body, Buffer.alloc(2_000_000, 'x'))
      assert.is(await curl(context, `${url}/size`, flag, '--data-binary', `@${body}`), '2000000')
      const upload = ['-T', '-', '-X', 'POST']
      const piped = run('sh', [
        '-c',
        `cat ${body} | curl -s --cacert ${context.authority.ca} ${flag} ${upload.join(' ')} ${url.replace('127.0.0.1', 'localhost')}/size`,
      ])
      assert.is((await piped).stdout, '2000000')
      assert.is((await curl(context, `${url}/large`, flag)).length, 3_000_000)
      const broken = await curl(context, `${url}/broken`, flag).catch((error) => error)
      assert.is(broken.stdout, 'half')
      assert.match(broken.message, version === 'HTTP/2.0' ? /curl: \(92\)/ : /curl: \(18\)/)
    },
  )
}

environs(
  'streams events as they come over HTTP/2, and has a line in the access log',
  async (context) => {
    rmSync(join(context.folder, 'go'), { force: true })
    const server = await context.shared()
    const session = await openHttp2(server.url, { ca: context.ca })
    const stream = session.request({ ':path': '/events', 'user-agent': 'tester' })
    stream.setEncoding('utf8')
    assert.equal(await once(stream, 'data'), ['data: first\n\n'])
    writeFileSync(join(context.folder, 'go'), '')
    assert.equal(await once(stream, 'data'), ['data: second\n\n'])
    await once(stream, 'end')
    await server.line(/127\.0\.0\.1 .*"GET \/events HTTP\/2\.0" 200 27 "-" "tester"/)
    session.close()
  },
)

environs('is found by Python, openssl and its own words in --print-config', async (context) => {
  const { url } = await context.shared()
  const { port } = new URL(url)
  const python = [
    'import ssl, sys, urllib.request',
    `context = ssl.create_default_context(cafile=sys.argv[1])`,
    `context.minimum_version = ssl.TLSVersion.TLSv1_2`,
    `print(urllib.request.urlopen("https://localhost:${port}/pid", context=context).read().decode())`,
  ]
  const found = await run('python3', ['-c', python.join('\n'), context.authority.ca])
  assert.match(found.stdout, /^\d+\n$/)
  const client = ['s_client', '-connect', `localhost:${port}`, '-CAfile', context.authority.ca]
  const shown = run('openssl', [...client, '-alpn', 'h2,http/1.1', '-verify_return_error'])
  shown.child.stdin?.end()
  const { stdout } = await shown
  assert.match(stdout, /Verify return code: 0 \(ok\)/)
  assert.match(stdout, /ALPN protocol: h2/)
})

const processes = wsgiSuite('TLS in several processes')

const shown = async (server: ServerProcess, ca: string) => {
  const socket = await handshake(server.url, { ca })
  const { CN } = socket.getPeerCertificate().subject
  socket.destroy()
  return CN
}

processes('has one key of session tickets for all fronts', async (context) => {
  const server = await context.serve([
    '--fronts',
    '2',
    '--access-logfile',
    '-',
    '--access-logformat',
    'by %(p)s',
  ])
  const { ca } = context
  const first = await handshake(server.url, { ca })
  const issued = once(first, 'session')
  first.write('GET /pid HTTP/1.1\r\nHost: a\r\n\r\n')
  const [session] = await issued
  first.destroy()
  const fronts = () => new Set(server.log().match(/by <\d+>/g))
  await until('both fronts have served', async () => {
    const sockets = await Promise.all(
      Array.from({ length: 8 }, () => handshake(server.url, { ca, session })),
    )
    for (const socket of sockets) {
      assert.is(socket.isSessionReused(), true)
      socket.write('GET /pid HTTP/1.1\r\nHost: a\r\n\r\n')
    }
    await Promise.all(sockets.map((socket) => once(socket, 'data')))
    for (const socket of sockets) socket.destroy()
    return fronts().size === 2
  })
})

processes(
  'puts a new certificate into use in all fronts, by its file and by HUP',
  async (context) => {
    const server = await context.serve(['--fronts', '2'])
    const all = async (name: string) =>
      (await Promise.all(Array.from({ length: 8 }, () => shown(server, context.ca)))).every(
        (each) => each === name,
      )
    assert.ok(await all('localhost'))
    install(context, 'other')
    await server.line(/certificates were changed, and are in use/)
    await until('all show the new one', () => all('other'))
    install(context, 'main')
    const from = server.log().length
    server.signal('SIGHUP')
    await server.line(/Reloaded/, from)
    assert.ok(await all('localhost'))
    assert.is(
      server.log().match(/is valid until/g)?.length,
      2 + (server.log().match(/are in use/g)?.length ?? 0),
    )
  },
)

processes(
  'fails with several fronts as with one: at the start, with what is wrong',
  async (context) => {
    const args = ['--fronts', '2', '--keyfile', context.authority.path('other.key')]
    const error = await context.serve(args).catch((each) => each)
    assert.match(error.message, /it does not belong to certificate/)
  },
)

for (const fronts of ['1', '2']) {
  processes(`serves at sockets of systemd, with ${fronts} fronts`, async (context) => {
    const wrapper = ['python3', fixture('socket-unit.py'), '1']
    const server = await context.serve(['--fronts', fronts], { wrapper })
    assert.match(server.url, /^https:/)
    assert.is((await get(server.url, { ca: context.ca })).status, 200)
  })

  processes(`goes on through an upgrade, with ${fronts} fronts`, async (context) => {
    const pid = join(context.folder, `pid-${fronts}`)
    const server = await context.serve(['--fronts', fronts, '--pid', pid])
    const { ca } = context
    const session = await openHttp2(server.url, { ca })
    assert.is((await ask(session, '/pid')).status, 200)
    const from = server.log().length
    server.signal('SIGUSR2')
    const line = await server.line(/Listening at: https.*\((\d+)\)/, from)
    const next = Number(/\((\d+)\)$/.exec(line)?.[1])
    try {
      server.signal('SIGTERM')
      await until('the old one is gone', () => !isAlive(server.pid))
      assert.is((await get(`${server.url}/pid`, { ca })).status, 200)
      session.destroy()
    } finally {
      process.kill(next, 'SIGTERM')
      await until('the new one is gone', () => !isAlive(next))
    }
  })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

environs.run()
processes.run()
