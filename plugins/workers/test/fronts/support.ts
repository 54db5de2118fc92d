// What the tests of several fronts look at, besides what `harness.ts` offers.
import type { ServerProcess } from '../../../../test/helpers/server-process.ts'
import { processes, until } from '../harness.ts'

/** A line of the access log names the process that served the request. */
export const TELL_FRONT = ['--access-logfile', '-', '--access-logformat', 'served by %(p)s']

/** Pids of the fronts that live: children of the server which are no spawner. */
export const frontsOf = (server: ServerProcess): number[] =>
  processes(server)
    .filter(({ parent, command }) => parent === server.pid && /wsgi-core\.js/.test(command))
    .map(({ pid }) => pid)

/** Asks until each of these fronts has served a request. */
export async function seeServing(server: ServerProcess, fronts: readonly number[]): Promise<void> {
  await until(`the fronts ${fronts} serve`, async () => {
    await Promise.all(Array.from({ length: 16 }, () => server.request('/pid')))
    const log = server.log()
    return fronts.every((pid) => log.includes(`served by <${pid}>\n`))
  })
}

/** Waits until there are so many fronts, none of them one of `not`. */
export async function seeFronts(
  server: ServerProcess,
  count: number,
  not: readonly number[] = [],
): Promise<number[]> {
  const others = () => frontsOf(server).filter((pid) => !not.includes(pid))
  await until(`there are ${count} fronts`, () => others().length === count)
  return others()
}
