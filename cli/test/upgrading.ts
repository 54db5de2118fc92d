// What tests of two servers at the same sockets do.
import { existsSync, readFileSync } from 'node:fs'
import { type Site, until } from '../../plugins/workers/test/harness.ts'
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
