import { once } from 'node:events'
import { copyFileSync } from 'node:fs'
import { Agent } from 'node:https'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { definePlugin } from '../../../core/index.ts'
import { createTestServer, type TestServer } from '../../../testing/index.ts'
import tls from '../index.ts'
import { Authority } from './authority.ts'
import { ask, get, handshake, openHttp2 } from './client.ts'

const hello = definePlugin({
  name: 'hello',
  apply(core) {
    core.hooks.server.tap('hello', (fastify) => {
      fastify.get('/', async () => `generation ${core.generation}`)
    })
  },
})

interface Context {
  authority: Authority
  server: TestServer
  ca: string
}

const change = suite<Context>('a new certificate')

/** Puts a certificate where the server reads it. */
function install({ authority }: { authority: Authority }, name: string): void {
  copyFileSync(authority.path(`${name}.key`), authority.path('live.key'))
  copyFileSync(authority.path(`${name}.pem`), authority.path('live.pem'))
}

change.before((context) => {
  const authority = new Authority()
  for (const name of ['first', 'second']) {
    authority.issue(name, { subject: `/CN=${name}`, names: ['localhost'] })
  }
  Object.assign(context, { authority, ca: authority.read('ca.pem') })
})
change.before.each(async (context) => {
  install(context, 'first')
  const [certfile, keyfile] = [
    [context.authority.path('live.pem')],
    [context.authority.path('live.key')],
  ]
  context.server = await createTestServer({ plugins: [tls({ certfile, keyfile }), hello] })
})
change.after.each(async ({ server }) => server.close())
change.after(({ authority }) => authority.remove())

async function shown({ server, ca }: Context): Promise<string> {
  const socket = await handshake(server.url, { ca })
  const { CN } = socket.getPeerCertificate().subject
  socket.destroy()
  return CN as string
}

/** Waits for a line in the log. */
async function logged({ server }: Context, pattern: RegExp): Promise<void> {
  while (!pattern.test(server.log())) await new Promise((resolve) => setTimeout(resolve, 20))
}

change('is in use after a reload; connections that are open go on', async (context) => {
  const { server, ca } = context
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const session = await openHttp2(server.url, { ca })
  assert.is((await get(server.url, { ca, agent })).body, 'generation 1')
  assert.is((await ask(session, '/')).body, 'generation 1')
  install(context, 'second')
  await server.server.reload()
  assert.is(await shown(context), 'second')
  assert.is((await get(server.url, { ca, agent })).body, 'generation 2')
  assert.is((await ask(session, '/')).body, 'generation 2')
  const [socket] = Object.values(agent.freeSockets).flat()
  assert.is(
    (socket as never as { getPeerCertificate(): { subject: { CN: string } } }).getPeerCertificate()
      .subject.CN,
    'first',
  )
  agent.destroy()
  session.close()
})

change('that is broken leaves the old one in use at a reload, which fails', async (context) => {
  const { authority, server } = context
  copyFileSync(authority.path('second.pem'), authority.path('live.pem')) // whose key is another
  const error = await server.server.reload().catch((each) => each)
  assert.is(error.cause.code, 'WSGI_CORE_TLS_BAD_KEY')
  assert.is(await shown(context), 'first')
})

change('is seen when its file changes', async (context) => {
  install(context, 'second')
  await logged(context, /certificates were changed, and are in use/)
  assert.is(await shown(context), 'second')
  assert.is((await get(context.server.url, { ca: context.ca })).body, 'generation 1')
})

change(
  'that is broken is said, and the old one stays; the next good one is taken',
  async (context) => {
    const { authority } = context
    authority.write('live.pem', 'nonsense')
    await logged(context, /the old one stays/)
    assert.is(await shown(context), 'first')
    install(context, 'second')
    await logged(context, /are in use/)
    assert.is(await shown(context), 'second')
  },
)

change('is seen though its file changes before the server listens', async (context) => {
  const { authority, ca } = context
  const [certfile, keyfile] = [[authority.path('live.pem')], [authority.path('live.key')]]
  const late = definePlugin({
    name: 'late',
    apply: (core) => core.hooks.beforeListen.tap('late', () => install(context, 'second')),
  })
  const server = await createTestServer({ plugins: [tls({ certfile, keyfile }), late] })
  try {
    await logged({ ...context, server }, /certificates were changed, and are in use/)
    assert.is(await shown({ ...context, server, ca }), 'second')
  } finally {
    await server.close()
  }
})

change('leaves session tickets as they were', async (context) => {
  const { server, ca } = context
  const first = await handshake(server.url, { ca })
  const issued = once(first, 'session')
  first.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  const [session] = await issued
  first.destroy()
  await server.server.reload()
  const second = await handshake(server.url, { ca, session })
  assert.is(second.isSessionReused(), true)
  second.destroy()
})

change(
  'brings HTTP/2 to a port that was opened without, and takes it away again',
  async (context) => {
    const { authority, ca } = context
    const [certfile, keyfile] = [[authority.path('live.pem')], [authority.path('live.key')]]
    const offer = (...httpProtocols: string[]) =>
      authority.write('server.json', JSON.stringify({ tls: { certfile, keyfile, httpProtocols } }))
    offer('h1')
    const config = { config: authority.path('server.json') }
    const server = await createTestServer({ plugins: [tls(), hello], config })
    const chosen = async () => {
      const socket = await handshake(server.url, { ca, ALPNProtocols: ['h2', 'http/1.1'] })
      socket.destroy()
      return socket.alpnProtocol
    }
    try {
      assert.is(await chosen(), 'http/1.1')
      offer('h2', 'h1')
      await server.server.reload()
      assert.is(await chosen(), 'h2')
      const session = await openHttp2(server.url, { ca })
      assert.is((await ask(session, '/')).body, 'generation 2')
      offer('h1')
      await server.server.reload()
      assert.is(await chosen(), 'http/1.1')
      assert.is((await ask(session, '/')).body, 'generation 3')
      session.close()
    } finally {
      await server.close()
    }
  },
)

const tickets = suite('the key of session tickets')

tickets('is another one after a while, whatever has become of the files', async () => {
  const authority = new Authority()
  const { cert, key } = authority.issue('main')
  const plugin = tls({ certfile: [cert], keyfile: [key], ticketRotation: 1 })
  const server = await createTestServer({ plugins: [plugin, hello] })
  try {
    const ca = authority.read('ca.pem')
    const first = await handshake(server.url, { ca })
    const issued = once(first, 'session')
    first.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const [session] = await issued
    first.destroy()
    const resumes = async () => {
      const socket = await handshake(server.url, { ca, session })
      const isReused = socket.isSessionReused()
      socket.destroy()
      return isReused
    }
    authority.write('main.pem', 'nonsense')
    while (await resumes()) await new Promise((resolve) => setTimeout(resolve, 50))
  } finally {
    await server.close()
    authority.remove()
  }
})

change.run()
tickets.run()
