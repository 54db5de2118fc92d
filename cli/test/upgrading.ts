// What tests of two servers at the same sockets do.
import { existsSync, readFileSync } from 'node:fs'
import * as assert from 'uvu/assert'
import { type Site, type siteSuite, until } from '../../plugins/workers/test/harness.ts'
import { Load } from '../../test/helpers/load.ts'
import type { ServerProcess } from '../../test/helpers/server-process.ts'
import { isAlive } from '../pidfile.ts'

export const answering = (text: string) =>
  `def app(environ, start_response):\n    start_response("200 OK", [])\n    return [b"${text}"]\n`

export const pidIn = (site: Site, name: string) =>
  existsSync(site.file(name)) ? Number(readFileSync(site.file(name), 'utf8')) : undefined

/** Sends USR2 and waits until the new server serves. @returns its pid. */
export async function upgrade(site: Site, server: ServerProcess, bind: RegExp): Promise<number> {
  const from = server.log().length
  server.signal('SIGUSR2')
  await server.line(new RegExp(`Listening at: ${bind.source}`), from)
  await until('the new pid file is there', () => pidIn(site, 'pid.2') !== undefined)
  return pidIn(site, 'pid.2') as number
}

/** Ends a server that is nobody's child here. */
export async function end(pid: number): Promise<void> {
  process.kill(pid, 'SIGTERM')
  await until('the new server has left', () => !isAlive(pid))
}

type Suite = ReturnType<typeof siteSuite>

/** Both ends of an upgrade: the old server leaves, or the new one. */
export function upgradesUnderLoad(test: Suite, args: readonly string[]): void {
  test(`USR2, WINCH, TERM to the old one: the new one goes on, nothing is lost (${args.join(' ')})`, async ({
    site,
  }) => {
    site.write('shop.py', answering('one'))
    const server = await site.start([...args, '--pid', 'pid'], 'shop:app')
    const load = new Load(server.url, 16)
    const last = () => load.answers.slice(-64).map(({ body }) => body)
    await until('the old one answers', () => last().includes('one'))
    site.write('shop.py', answering('two!'))
    const next = await upgrade(site, server, /http/)
    assert.is(pidIn(site, 'pid'), server.pid)
    server.signal('SIGWINCH')
    await server.line(/No workers any more/)
    await until('only the new one answers', () => last().every((body) => body === 'two!'))
    server.signal('SIGTERM')
    await until('the new one is promoted', () => pidIn(site, 'pid') === next)
    await until('the other pid file is gone', () => pidIn(site, 'pid.2') === undefined)
    await until('it is alone', () => !isAlive(server.pid))
    const count = load.answers.length
    await until('it answers alone', () => load.answers.length > count + 100)
    await load.stop()
    assert.equal(load.failures, [])
    await end(next)
    assert.not(existsSync(site.file('pid')))
  })

  test(`the old one takes its workers back, the new one is sent away, nothing is lost (${args.join(' ')})`, async ({
    site,
  }) => {
    site.write('shop.py', answering('one'))
    const server = await site.start([...args, '--pid', 'pid'], 'shop:app')
    const load = new Load(server.url, 16)
    site.write('shop.py', answering('two!'))
    const next = await upgrade(site, server, /http/)
    server.signal('SIGWINCH')
    await server.line(/No workers any more/)
    site.write('shop.py', answering('three'))
    const from = server.log().length
    server.signal('SIGHUP')
    await server.line(/Reloaded/, from)
    await end(next)
    await server.line(/The new server .* ended with exit code 0/)
    assert.not(existsSync(site.file('pid.2')))
    const count = load.answers.length
    await until('the old one answers', () => load.answers.length > count + 100)
    await load.stop()
    assert.equal(load.failures, [])
    assert.is((await server.request('/')).body, 'three')
    assert.is(pidIn(site, 'pid'), server.pid)
  })
}

export function keepsUnixSocket(test: Suite, args: readonly string[]): void {
  test(`a Unix socket stays while one of two serves, and goes with the last one ${args}`, async ({
    site,
  }) => {
    const bind = `unix:${site.file('sock')}`
    const server = await site.start(['--pid', 'pid', ...args], 'life:app', { bind })
    const first = await upgrade(site, server, /unix:/)
    await end(first)
    assert.is((await server.request('/pid')).status, 200)
    const second = await upgrade(site, server, /unix:/)
    server.signal('SIGTERM')
    await server.line(/Master has been promoted/)
    await until('it is alone', () => !isAlive(server.pid))
    assert.is((await server.request('/pid')).status, 200)
    await end(second)
    assert.not(existsSync(site.file('sock')))
  })
}
