// A server whose routes tell what Fastify knows of a request.

import { type Core, clientAddress, definePlugin, originOf } from '../../../core/index.ts'
import { createTestServer, type TestConnection, type TestServer } from '../../../testing/index.ts'
import tls from '../../tls/index.ts'
import { buildEnviron, parseEnviron } from '../../wsgi/environ.ts'
import proxy from '../index.ts'
import { fixturePath } from './proxy-configs.ts'

type Values = Readonly<Record<string, unknown>>

export interface Echo {
  readonly ip: string
  readonly ips: string[]
  readonly protocol: string
  readonly host: string
  readonly hostname: string
  readonly headers: Record<string, string>
  readonly environ: Record<string, string>
  readonly body: string
}

const echo = definePlugin({
  name: 'echo',
  apply(core: Core) {
    core.hooks.server.tap('echo', (fastify) => {
      fastify.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) =>
        done(null, body),
      )
      fastify.all('/*', (request, _reply) => {
        const { ip, ips, protocol, host, hostname, headers, body = '' } = request
        const text = buildEnviron(request.raw, undefined, originOf(request.raw)?.rootPath)
        const environ = Object.fromEntries(parseEnviron(text as string))
        return { ip, ips, protocol, host, hostname, headers, environ, body }
      })
    })
  },
})

export const startEcho = (options: Values = {}, config: Values = {}): Promise<TestServer> =>
  createTestServer({
    plugins: [...('tls' in config ? [tls] : []), proxy(options as never), echo, upgrades],
    config,
  })

/** All listeners speak TLS. */
export const OVER_TLS = {
  tls: { certfile: [fixturePath('cert.pem')], keyfile: [fixturePath('key.pem')] },
}

/** Whom a request for an upgrade is from. */
const upgrades = definePlugin({
  name: 'upgrades',
  config: { on: { doc: 'Takes them.', format: 'flag', default: false } },
  apply(core, { on }) {
    core.hooks.server.tap('upgrades', (fastify) => {
      if (!on) return
      fastify.server.on('upgrade', (request, socket) => {
        const { 'x-forwarded-for': forwarded } = request.headers
        socket.end(JSON.stringify({ address: clientAddress(request), forwarded }))
      })
    })
  },
})

export const GET = 'GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n'

/** The next answer of a connection. */
export async function answerOf(connection: TestConnection): Promise<Echo> {
  const head = await connection.receive(/\r\n\r\n/)
  const [, length = ''] = /content-length: (\d+)/i.exec(head) ?? []
  const body = await connection.receive(new RegExp(`^[^]{${length}}`))
  return JSON.parse(Buffer.from(body, 'latin1').toString('utf8'))
}
