/** What the tests of the server share. */
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import {
  type AddressInfo,
  createServer as createNetServer,
  type Server as NetServer,
} from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createTestServer, type TestServer } from '../../testing/index.ts'
import { type Core, createServer, definePlugin } from '../index.ts'

export interface Context {
  folder: string
  undo: (() => unknown)[]
}
export type Coded = Error & { code: string; cause: Error }

export const withServers = (name: string) => {
  const test = suite<Context>(name)
  test.before.each((context) => {
    const folder = mkdtempSync(join(tmpdir(), 'wsgi-core-server-'))
    context.folder = folder
    context.undo = [() => rmSync(folder, { recursive: true })]
  })
  test.after.each(async ({ undo }) => {
    for (const step of undo.reverse()) await step()
  })
  return test
}

export type Apply = (core: Core) => void
export const plugin = (apply: Apply, name = 'test') => definePlugin({ name, apply })

export async function start(
  { undo }: Context,
  apply: Apply = () => {},
  config = {},
): Promise<TestServer> {
  const server = await createTestServer({ plugins: [plugin(apply)], config })
  undo.push(() => server.close())
  return server
}

/** Its config file can be changed, and with it what a reload sees. */
export async function startFromFile({ folder, undo }: Context, apply: Apply, config: object = {}) {
  const path = join(folder, 'config.json')
  const log = join(folder, 'error.log')
  const configure = (values: object) => {
    writeFileSync(path, JSON.stringify({ bind: ['127.0.0.1:0'], errorLogfile: log, ...values }))
  }
  configure(config)
  const server = createServer({ config: path }).use(plugin(apply))
  undo.push(() => server.close({ quick: true }))
  await server.listen()
  const read = () => {
    server.log?.flush()
    return readFileSync(log, 'utf8')
  }
  return { server, configure, log: read }
}

export const fails = async (promise: Promise<unknown>): Promise<Coded> =>
  promise.then(
    () => assert.unreachable('it went well') as never,
    (error) => error,
  )

export const deferred = <T = void>() => {
  let resolve!: (value: T) => void
  const promise = new Promise<T>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

export const sayGeneration: Apply = ({ hooks, generation }) => {
  hooks.server.tap('test', (fastify) => void fastify.get('/', async () => String(generation)))
}

/** Answers `/` when it is let go. */
export function slow() {
  const arrived = deferred()
  const release = deferred()
  const apply: Apply = ({ hooks, generation }) => {
    hooks.server.tap('test', (fastify) => {
      fastify.get('/slow', async () => {
        arrived.resolve()
        await release.promise
        return `slow ${generation}`
      })
      fastify.get('/', async () => String(generation))
    })
  }
  return { arrived: arrived.promise, release: release.resolve, apply }
}

export const GET = (path = '/') => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`
export const LAST = (path = '/') => `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`
export const answerOf = (body: string) => new RegExp(`\r\n\r\n${body}`)

export function occupy(
  { undo }: Context,
  where: { port: number; host: string } | { path: string },
) {
  const server = createNetServer((socket) => socket.destroy()).listen(where)
  undo.push(() => new Promise((closed) => server.close(closed)))
  return once(server, 'listening').then(() => server)
}
export const portOf = (server: NetServer) => (server.address() as AddressInfo).port
