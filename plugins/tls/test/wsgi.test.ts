import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import * as assert from 'uvu/assert'
import { get, openHttp2 } from './client.ts'
import { type Context, wsgiSuite } from './site.ts'
import { needs } from './tools.ts'

const run = promisify(execFile)

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

environs('is not told of a name that could be none of a host', async (context) => {
  const { url } = await context.shared()
  const named = async (servername: string) => {
    const options = { ca: context.ca, servername, checkServerIdentity: () => undefined }
    return JSON.parse((await get(url, options)).body).SSL_TLS_SNI
  }
  assert.is(await named('a_b.test'), 'a_b.test')
  assert.is(await named('a\r\nb'), undefined)
  assert.is(await named('é.test'), undefined)
})

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

environs.run()
