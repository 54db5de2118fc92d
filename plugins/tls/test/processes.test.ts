import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { type ServerProcess, until } from '../../../test/helpers/server-process.ts'
import { get, handshake } from './client.ts'
import { install, wsgiSuite } from './site.ts'

const fixture = (name: string) =>
  fileURLToPath(new URL(`../../../cli/test/fixtures/${name}`, import.meta.url))

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
  'has another key of tickets for all fronts in time, though the new certificate cannot be used',
  async (context) => {
    const server = await context.serve(['--fronts', '2', '--tls-ticket-rotation', '2'])
    const { ca } = context
    context.authority.issue('weak', { kind: 'weak' })
    install(context, 'weak')
    await server.line(/the old one stays/)
    const session = async () => {
      const socket = await handshake(server.url, { ca })
      const issued = once(socket, 'session')
      socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
      const [made] = await issued
      socket.destroy()
      return made
    }
    const isTaken = async (session: Buffer) => {
      const socket = await handshake(server.url, { ca, session })
      const isReused = socket.isSessionReused()
      socket.destroy()
      return isReused
    }
    let last = await session()
    await until('a session is resumed', async () => {
      last = await session()
      return isTaken(last)
    })
    await until('it is resumed no more', async () => !(await isTaken(last)))
    assert.is(await shown(server, ca), 'localhost')
    assert.not.match(server.log(), /unforeseen|is replaced/)
  },
)

processes(
  'fails with several fronts as with one: at the start, with what is wrong',
  async (context) => {
    const args = ['--fronts', '2', '--cert-reqs', 'required']
    const error = await context.serve(args).catch((each) => each)
    assert.match(error.message, /--cert-reqs cannot be used: no authority is given/)
  },
)

for (const fronts of ['1', '2']) {
  processes(`serves at sockets of systemd, with ${fronts} fronts`, async (context) => {
    const wrapper = ['python3', fixture('socket-unit.py'), '1']
    const server = await context.serve(['--fronts', fronts], { wrapper })
    assert.match(server.url, /^https:/)
    assert.is((await get(server.url, { ca: context.ca })).status, 200)
  })
}

processes.run()
