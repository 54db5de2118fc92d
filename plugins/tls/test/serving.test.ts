import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { request as sendPlain } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { type AddressInfo, connect as connectPlain, createServer } from 'node:net'
import { text } from 'node:stream/consumers'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { definePlugin } from '../../../core/index.ts'
import { createTestServer, type TestServer } from '../../../testing/index.ts'
import tls from '../index.ts'
import { Authority } from './authority.ts'
import { ask, get, handshake, openHttp2, refusal } from './client.ts'

/** Routes that say what the server sees. */
const routes = definePlugin({
  name: 'routes',
  apply(core) {
    core.hooks.server.tap('routes', (fastify) => {
      fastify.get('/', async (request) => `${request.raw.httpVersion} ${request.protocol}`)
      fastify.post('/echo', async (request) => request.body)
      fastify.get('/.well-known/acme-challenge/*', async () => 'token')
      fastify.server.on('upgrade', (_request, socket, head) => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\n\r\n')
        socket.write(head)
        socket.pipe(socket)
      })
    })
  },
})

interface Context {
  readonly authority: Authority
  readonly servers: TestServer[]
  serve(options: Record<string, unknown>, config?: Record<string, unknown>): Promise<TestServer>
}

function tlsSuite(name: string) {
  const made = suite<Context>(name)
  made.before((context) => {
    const authority = new Authority()
    authority.issue('main')
    Object.assign(context, { authority, servers: [] })
    context.serve = async (options, config = {}) => {
      const certfile = [authority.path('main.pem')]
      const keyfile = [authority.path('main.key')]
      const plugin = tls({ certfile, keyfile, ...options } as never)
      const server = await createTestServer({ plugins: [plugin, routes], config })
      context.servers.push(server)
      return server
    }
  })
  made.after.each(async ({ servers }) => {
    for (const server of servers.splice(0)) await server.close()
  })
  made.after(({ authority }) => authority.remove())
  return made
}

const ca = ({ authority }: Context) => authority.read('ca.pem')
const commonName = (socket: TLSSocket) => {
  const { CN } = socket.getPeerCertificate().subject
  socket.destroy()
  return CN
}

const protocols = tlsSuite('TLS')

protocols(
  'serves HTTP/1.1 and HTTP/2 with a certificate that clients can check',
  async (context) => {
    const { url } = await context.serve({})
    assert.match(url, /^https:/)
    assert.is((await get(url, { ca: ca(context) })).body, '1.1 https')
    const session = await openHttp2(url, { ca: ca(context) })
    assert.is((await ask(session, '/')).body, '2.0 https')
    assert.is(
      (await ask(session, '/echo', { 'content-type': 'text/plain' }, 'hello')).body,
      'hello',
    )
    session.close()
  },
)

protocols('offers what --http-protocols says', async (context) => {
  const only1 = await context.serve({ httpProtocols: ['h1'] })
  const first = await handshake(only1.url, { ca: ca(context), ALPNProtocols: ['h2', 'http/1.1'] })
  assert.is(first.alpnProtocol, 'http/1.1')
  first.destroy()
  const old = await handshake(only1.url, { ca: ca(context), ALPNProtocols: ['http/1.0'] })
  assert.is(old.alpnProtocol, 'http/1.0', 'as curl --http1.0 asks')
  old.destroy()
  const only2 = await context.serve({ httpProtocols: ['h2'] })
  const session = await openHttp2(only2.url, { ca: ca(context) })
  assert.is((await ask(session, '/')).body, '2.0 https')
  session.close()
  assert.match(
    await refusal(only2.url, { ca: ca(context), ALPNProtocols: ['http/1.1'] }),
    /NO_APPLICATION_PROTOCOL/,
  )
  assert.match(await refusal(only2.url, { ca: ca(context) }), /closed|ECONNRESET/)
})

protocols('speaks TLS 1.2 and 1.3, and nothing older', async (context) => {
  const { url } = await context.serve({})
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const options = { ca: ca(context), minVersion: version, maxVersion: version }
    const socket = await handshake(url, options)
    assert.is(socket.getProtocol(), version)
    socket.destroy()
  }
  const old = { ca: ca(context), minVersion: 'TLSv1', maxVersion: 'TLSv1.1' } as const
  assert.match(await refusal(url, { ...old, ciphers: 'ALL:@SECLEVEL=0' }), /PROTOCOL_VERSION/)
})

protocols('speaks TLS 1.3 alone with the modern profile, or --tls-min-version', async (context) => {
  for (const options of [{ profile: 'modern' }, { minVersion: '1.3' }]) {
    const { url } = await context.serve(options)
    assert.is((await get(url, { ca: ca(context) })).status, 200)
    assert.match(await refusal(url, { ca: ca(context), maxVersion: 'TLSv1.2' }), /PROTOCOL_VERSION/)
  }
})

protocols(
  'takes the ciphers of --ciphers for TLS 1.2, and leaves TLS 1.3 as it is',
  async (context) => {
    const cipher = 'ECDHE-ECDSA-AES256-GCM-SHA384'
    const { url } = await context.serve({ ciphers: cipher })
    const old = await handshake(url, { ca: ca(context), maxVersion: 'TLSv1.2' })
    assert.is(old.getCipher().name, cipher)
    old.destroy()
    const other = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' } as const
    assert.match(await refusal(url, { ca: ca(context), ...other }), /HANDSHAKE_FAILURE/)
    const current = await handshake(url, { ca: ca(context) })
    assert.is(current.getProtocol(), 'TLSv1.3')
    current.destroy()
  },
)

protocols('refuses to start with ciphers that there are none of', async (context) => {
  const error = await context.serve({ ciphers: 'NONSENSE' }).catch((each) => each)
  assert.match(error.cause?.code ?? error.code, /WSGI_CORE_TLS_BAD_SETTING/)
})

protocols('refuses to start without a certificate', async () => {
  const error = await createTestServer({ plugins: [tls(), routes] }).catch((each) => each)
  assert.is(error.cause.code, 'WSGI_CORE_TLS_NO_CERTIFICATE')
})

protocols('resumes sessions by tickets, or not with --no-tls-session-tickets', async (context) => {
  const resumes = async (url: string) => {
    const first = await handshake(url, { ca: ca(context) })
    const issued = once(first, 'session', { signal: AbortSignal.timeout(2000) }).catch(() => [])
    first.end('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    await text(first)
    const [session] = await issued
    if (session === undefined) return false
    const second = await handshake(url, { ca: ca(context), session })
    const reused = second.isSessionReused()
    second.destroy()
    return reused
  }
  assert.is(await resumes((await context.serve({})).url), true)
  assert.is(await resumes((await context.serve({ sessionTickets: false })).url), false)
})

protocols(
  'gives a new ticket with each resumption, but for a client certificate',
  async (context) => {
    const { authority } = context
    const renews = async (url: string, client: ConnectionOptions) => {
      const first = await handshake(url, { ca: ca(context), ...client })
      const [session] = await once(first, 'session')
      first.destroy()
      const second = await handshake(url, { ca: ca(context), ...client, session })
      assert.is(second.isSessionReused(), true)
      const tickets: Buffer[] = []
      second.on('session', (ticket) => tickets.push(ticket))
      second.end('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
      await text(second)
      return tickets.length === 1 && !session.equals(tickets[0])
    }
    assert.is(await renews((await context.serve({})).url, {}), true)
    authority.issue('alice', { isClient: true, subject: '/O=Test/CN=Alice' })
    const strict = await context.serve({ certReqs: 'required', caCerts: authority.ca })
    assert.is(await renews(strict.url, card(context, 'alice')), false)
  },
)

protocols('serves at a Unix socket', async (context) => {
  const path = context.authority.path('tls.sock')
  await context.serve({}, { bind: [`unix:${path}`] })
  const socket = connect({ path, servername: 'localhost', ca: ca(context) })
  socket.end('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  assert.match(await text(socket), /1\.1 https$/)
})

protocols('hands an upgraded connection over, with what came behind', async (context) => {
  const { url } = await context.serve({})
  const socket = await handshake(url, { ca: ca(context) })
  const head = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n'
  socket.write(`${head}first `)
  socket.end('second')
  assert.match(await text(socket), /^HTTP\/1\.1 101 .*\r\n\r\nfirst second$/s)
})

protocols('makes a certificate for development, and says so', async (context) => {
  const { url, log } = await context.serve({ certfile: [], keyfile: [], selfSigned: true })
  assert.match(log(), /self-signed, for development/)
  const socket = await handshake(url, { rejectUnauthorized: false })
  const { subjectaltname, raw } = socket.getPeerCertificate()
  socket.destroy()
  assert.match(subjectaltname as string, /DNS:localhost.*IP Address:127\.0\.0\.1/)
  const pem = `-----BEGIN CERTIFICATE-----\n${raw.toString('base64')}\n-----END CERTIFICATE-----`
  assert.is((await get(url, { ca: pem })).status, 200)
})

const choice = tlsSuite('the certificate')

const files = ({ authority }: Context, ...names: string[]) => ({
  certfile: names.map((name) => authority.path(`${name}.pem`)),
  keyfile: names.map((name) => authority.path(`${name}.key`)),
})

choice('is that of the name which the client asks for, else the first', async (context) => {
  context.authority.issue('a', { names: ['a.test'] })
  context.authority.issue('w', { names: ['*.w.test'], subject: '/CN=wild' })
  const { url } = await context.serve(files(context, 'a', 'w'))
  const shown = async (servername: string) =>
    commonName(await handshake(url, { servername, rejectUnauthorized: false }))
  assert.is(await shown('a.test'), 'a.test')
  assert.is(await shown('x.w.test'), 'wild')
  assert.is(await shown('other.test'), 'a.test')
  assert.is(await shown(''), 'a.test')
})

choice('is none for unknown names where they are refused', async (context) => {
  const { url } = await context.serve({ unknownNames: 'refuse' })
  assert.is((await get(url, { ca: ca(context) })).status, 200)
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    for (const servername of ['other.test', '']) {
      assert.match(
        await refusal(url, { servername, ca: ca(context), maxVersion }),
        /UNRECOGNIZED_NAME/,
      )
    }
  }
  assert.is((await get(url, { ca: ca(context) })).status, 200)
})

choice('is ECDSA or RSA, as the client can', async (context) => {
  context.authority.issue('e', { names: ['two.test'] })
  context.authority.issue('r', { names: ['two.test'], kind: 'rsa' })
  const { url } = await context.serve(files(context, 'r', 'e'))
  const kind = async (servername: string, ciphers: string) => {
    const options = { servername, ciphers, maxVersion: 'TLSv1.2', ca: ca(context) } as const
    const socket = await handshake(url, { ...options, rejectUnauthorized: false })
    const { name } = socket.getCipher()
    socket.destroy()
    return name
  }
  for (const name of ['two.test', 'other.test']) {
    assert.match(await kind(name, 'ECDHE-ECDSA-AES128-GCM-SHA256'), /ECDSA/)
    assert.match(await kind(name, 'ECDHE-RSA-AES128-GCM-SHA256'), /RSA/)
  }
})

choice('may come from PKCS#12, beside one in PEM', async (context) => {
  const { authority } = context
  authority.issue('p', { names: ['packed.test'], kind: 'rsa' })
  authority.write('passwords', 'secret\n')
  const pkcs12 = [authority.pkcs12('p', 'secret')]
  const { url } = await context.serve({ pkcs12, keyfilePasswordFile: authority.path('passwords') })
  const socket = await handshake(url, { ca: ca(context), servername: 'packed.test' })
  assert.is(commonName(socket), 'packed.test')
  assert.is(commonName(await handshake(url, { ca: ca(context) })), 'localhost')
})

choice('is shown with all of its chain', async (context) => {
  const { authority } = context
  authority.issue('c', { names: ['localhost'] })
  authority.write('c.pem', authority.read('c.pem') + authority.read('ca.pem'))
  const { url } = await context.serve(files(context, 'c'))
  const args = ['s_client', '-connect', new URL(url).host, '-showcerts', '-servername', 'localhost']
  const shown = promisify(execFile)('openssl', args)
  shown.child.stdin?.end()
  assert.is((await shown).stdout.match(/BEGIN CERTIFICATE/g)?.length, 2)
})

choice('comes with its OCSP response where one is given', async (context) => {
  const { authority } = context
  const response = ocspResponse(authority, 'main')
  const { url } = await context.serve({ staplingFile: [response] })
  const socket = connect({
    host: '127.0.0.1',
    port: Number(new URL(url).port),
    servername: 'localhost',
    ca: ca(context),
    requestOCSP: true,
  } as ConnectionOptions)
  const [stapled] = await once(socket, 'OCSPResponse')
  assert.is(stapled.toString('hex'), authority.openssl('enc', '-in', response).toString('hex'))
  socket.destroy()
})

/** A response by which the authority says that the certificate is good. */
function ocspResponse(authority: Authority, name: string): string {
  const request = authority.path('ocsp-request.der')
  const response = authority.path('ocsp.der')
  const cert = authority.path(`${name}.pem`)
  authority.openssl(
    ...['ocsp', '-issuer', authority.ca, '-cert', cert, '-reqout', request, '-no_nonce'],
  )
  const serial = authority.openssl('x509', '-in', cert, '-noout', '-serial').toString().trim()
  const line = `V\t20991231235959Z\t\t${serial.slice(7)}\tunknown\t/CN=localhost\n`
  const index = authority.write('ocsp-index.txt', line)
  authority.openssl(
    ...['ocsp', '-index', index, '-CA', authority.ca, '-rsigner', authority.ca],
    ...['-rkey', authority.path('ca.key'), '-reqin', request, '-respout', response],
  )
  return response
}

const clients = tlsSuite('client certificates')

const card = ({ authority }: Context, name: string) => ({
  cert: authority.read(`${name}.pem`),
  key: authority.read(`${name}.key`),
})

clients('are asked for, and must be valid where they are sent', async (context) => {
  const { authority } = context
  authority.issue('alice', { isClient: true, subject: '/O=Test/CN=Alice' })
  const strangers = new Authority()
  strangers.issue('mallory', { isClient: true, subject: '/CN=Mallory' })
  const mallory = { cert: strangers.read('mallory.pem'), key: strangers.read('mallory.key') }
  strangers.remove()
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const options = { ca: ca(context), maxVersion }
    const required = await context.serve({ certReqs: 'required', caCerts: authority.ca })
    const alice = { ...options, ...card(context, 'alice') }
    assert.is((await get(required.url, alice)).status, 200)
    assert.match(
      await refusal(required.url, options),
      /ALERT|ECONNRESET|HANDSHAKE_FAILURE|CERTIFICATE/,
    )
    assert.match(await refusal(required.url, { ...options, ...mallory }), /ALERT|closed|ECONNRESET/)
    const optional = await context.serve({ certReqs: 'optional', caCerts: authority.ca })
    assert.is((await get(optional.url, alice)).status, 200)
    assert.is((await get(optional.url, options)).status, 200)
    assert.match(await refusal(optional.url, { ...options, ...mallory }), /ALERT|closed|ECONNRESET/)
  }
})

clients('are not asked for without authorities', async (context) => {
  const error = await context.serve({ certReqs: 'required' }).catch((each) => each)
  assert.is(error.cause.code, 'WSGI_CORE_TLS_BAD_SETTING')
})

const around = tlsSuite('plain HTTP')

/** As a browser that was given http://. */
async function plain(url: string, path: string, headers: Record<string, string> = {}) {
  const { hostname, port } = new URL(url)
  const outgoing = sendPlain({ hostname, port, path, headers, agent: false }).end()
  const [incoming] = await once(outgoing, 'response')
  return { status: incoming.statusCode, headers: incoming.headers, body: await text(incoming) }
}

around('at a port for TLS gets 400 and a hint, or is sent to https', async (context) => {
  const refusing = await context.serve({})
  const answer = await plain(refusing.url, '/')
  assert.is(answer.status, 400)
  assert.match(answer.body, /https:\/\//)
  assert.is(answer.headers.connection, 'close')
  const { url } = await context.serve({ plainRequests: 'redirect' })
  const redirected = await plain(url, '/a?b=c', { host: 'shop.test' })
  assert.is(redirected.status, 308)
  assert.is(redirected.headers.location, `https://shop.test:${new URL(url).port}/a?b=c`)
})

around('is served beside --tls-bind', async (context) => {
  const { server } = await context.serve({ bind: ['127.0.0.1:0'] })
  const [http, https] = server.addresses as [string, string]
  assert.match(http, /^http:/)
  assert.match(https, /^https:/)
  assert.is((await plain(http, '/')).body, '1.1 http')
  assert.is((await get(https, { ca: ca(context) })).body, '1.1 https')
})

around('is sent to https by --redirect-to-https, but for ACME', async (context) => {
  const { server } = await context.serve({ bind: ['127.0.0.1:0'], redirectToHttps: true })
  const [http, https] = server.addresses as [string, string]
  const { status, headers } = await plain(http, '/x?y', { host: 'shop.test:80' })
  assert.is(status, 308)
  assert.is(headers.location, `https://shop.test:${new URL(https).port}/x?y`)
  assert.is(headers['strict-transport-security'], undefined)
  assert.is((await plain(http, '/.well-known/acme-challenge/abc-_1')).body, 'token')
  assert.is((await plain(http, '/.well-known/acme-challenge/../x')).status, 308)
  assert.is((await get(https, { ca: ca(context) })).status, 200)
})

around('is sent to the port that --https-port names, and 443 needs no words', async (context) => {
  const options = { bind: ['127.0.0.1:0'], redirectToHttps: true }
  const other = await context.serve({ ...options, httpsPort: 8443 })
  assert.is(
    (await plain(other.url, '/', { host: '[::1]:80' })).headers.location,
    'https://[::1]:8443/',
  )
  const usual = await context.serve({ ...options, httpsPort: 443 })
  assert.is(
    (await plain(usual.url, '/', { host: 'shop.test' })).headers.location,
    'https://shop.test/',
  )
})

around('never hears of HSTS, https does', async (context) => {
  const options = { hstsMaxAge: 31_536_000, hstsIncludeSubdomains: true, hstsPreload: true }
  const { server } = await context.serve({ bind: ['127.0.0.1:0'], ...options })
  const [http, https] = server.addresses as [string, string]
  const name = 'strict-transport-security'
  assert.is((await plain(http, '/')).headers[name], undefined)
  const { headers } = await get(https, { ca: ca(context) })
  assert.is(headers[name], 'max-age=31536000; includeSubDomains; preload')
  const session = await openHttp2(https, { ca: ca(context) })
  assert.is((await ask(session, '/none')).headers[name], headers[name])
  session.close()
})

around('may be HTTP/2 with prior knowledge', async (context) => {
  const { url } = await context.serve({ bind: ['127.0.0.1:0'], http2Cleartext: 'prior-knowledge' })
  const session = connectHttp2(url)
  assert.is((await ask(session as never, '/')).body, '2.0 http')
  session.close()
  assert.is((await plain(url, '/')).body, '1.1 http')
  const without = await context.serve({ bind: ['127.0.0.1:0'] })
  const refused = connectHttp2(without.url)
  const [error] = await once(refused, 'error')
  assert.match((error as NodeJS.ErrnoException).code ?? '', /ERR_HTTP2|ECONNRESET/)
})

/** The types of the records that come from the server, on a connection with TLS 1.2, where all of them show theirs. */
async function recordsOf(server: TestServer, request: string): Promise<number[]> {
  const wire: Buffer[] = []
  const relay = createServer((socket) => {
    const onward = connectPlain(Number(new URL(server.url).port), '127.0.0.1')
    onward.on('data', (bytes) => wire.push(bytes))
    for (const each of [socket, onward]) each.on('error', () => {})
    socket.pipe(onward).pipe(socket)
  }).listen(0, '127.0.0.1')
  await once(relay, 'listening')
  const { port } = relay.address() as AddressInfo
  const options = { rejectUnauthorized: false, maxVersion: 'TLSv1.2' } as const
  const socket = await handshake(`https://127.0.0.1:${port}`, options)
  socket.write(request)
  socket.resume()
  await once(socket, 'close')
  relay.close()
  const types: number[] = []
  const bytes = Buffer.concat(wire)
  for (let at = 0; at < bytes.length; at += 5 + bytes.readUInt16BE(at + 3)) {
    types.push(bytes[at] as number)
  }
  return types
}

const ALERT = 21

for (const [what, request] of [
  ['an answer that is the last', 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
  ['an answer to HTTP/1.0', 'GET / HTTP/1.0\r\n\r\n'],
  ['a refusal', 'GET / HTTP/1.1\r\n\r\n'],
  ['the time for a next request', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'],
] as const) {
  protocols(`say after ${what} that nothing was cut off (RFC 9112 §9.8)`, async (context) => {
    const server = await context.serve({}, { keepAlive: 0.2 })
    assert.is((await recordsOf(server, request)).at(-1), ALERT)
  })
}

protocols.run()
choice.run()
clients.run()
around.run()
