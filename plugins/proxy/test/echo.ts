// A server whose routes tell what Fastify knows of a request.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { attachEngine } from '../../../core/http/engine.ts'
import { type Core, definePlugin, originOf } from '../../../core/index.ts'
import { createTestServer, type TestConnection, type TestServer } from '../../../testing/index.ts'
import { buildEnviron, parseEnviron } from '../../wsgi/environ.ts'
import proxy from '../index.ts'

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
  createTestServer({ plugins: [proxy(options as never), echo, overTls], config })

const fixture = (name: string) =>
  readFileSync(join(import.meta.dirname ?? __dirname, 'fixtures', name))

/** Listeners at Unix sockets whose name ends so speak TLS: a stand-in for a plugin that does. */
const overTls = definePlugin({
  name: 'over-tls',
  config: { on: { doc: 'All binds.', format: 'flag', default: false } },
  apply(core, { on }) {
    if (!on) return
    core.hooks.listeners.tap('over-tls', (specs) => {
      for (const spec of specs) {
        spec.scheme = 'https'
        spec.createServer = (door, limits) => {
          const server = createTlsServer({ key: fixture('key.pem'), cert: fixture('cert.pem') })
          return attachEngine(server, 'secureConnection', door, limits)
        }
      }
      return specs
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
