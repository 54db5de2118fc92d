// The real server with an app of apps/ over TLS, for the suites here.
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import {
  type ServerOptions,
  type ServerProcess,
  startServer,
} from '../../../test/helpers/server-process.ts'
import { Authority } from './authority.ts'

const APPS = fileURLToPath(new URL('apps', import.meta.url))

export interface Context {
  authority: Authority
  folder: string
  ca: string
  servers: ServerProcess[]
  last?: ServerProcess
  serve(args?: readonly string[], options?: ServerOptions): Promise<ServerProcess>
  /** One without anything special, for all tests of a suite. */
  shared(): Promise<ServerProcess>
}

export function wsgiSuite(name: string) {
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
export function install({ authority }: { authority: Authority }, name: string): void {
  copyFileSync(authority.path(`${name}.key`), authority.path('live.key'))
  copyFileSync(authority.path(`${name}.pem`), authority.path('live.pem'))
}
