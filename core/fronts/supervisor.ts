import type { Logger } from 'pino'
import type { Configuration } from '../config/load.ts'
import { BadConfig } from '../errors.ts'
import type { Role } from '../role.ts'
import { frontCount, MOST_FRONTS } from './count.ts'
import { FrontSet } from './front-set.ts'
import { hold } from './handles.ts'
import { SupervisingGeneration } from './supervising-generation.ts'

/** The role of the process that starts several fronts; undefined where one is enough, which is then this process. */
export function supervise(cwd: string, configuration: Configuration): Role | undefined {
  const count = checkedCount(configuration)
  if (count === 1) return undefined
  let set: FrontSet | undefined
  return {
    speaks: true,
    listen: hold,
    createGeneration(next, life) {
      const { log } = life
      set ??= new FrontSet(count, log)
      const fronts = set
      if (checkedCount(next) !== count) warnOfCount(log, count)
      const generation = new SupervisingGeneration(next, life, fronts, cwd)
      generation.core.hooks.beforeClose.tap('fronts', () => fronts.close(false))
      return generation
    },
    reopenLogs: () => set?.reopenLogs(),
    close: async () => set?.end(),
  }
}

function checkedCount({ core, values }: Configuration): number {
  if ((values.reload as { enabled?: boolean } | undefined)?.enabled) return alone(core.fronts)
  const count = frontCount(core.fronts)
  if (count > MOST_FRONTS) throw new BadConfig(`setting 'fronts': must be ${MOST_FRONTS} or less`)
  return count
}

/** What is watched and shown for a developer is one process's. */
function alone(fronts: number | 'auto'): 1 {
  if (fronts === 'auto' || fronts === 1) return 1
  throw new BadConfig("setting 'fronts': must be 1 with --reload, which is for development")
}

const warnOfCount = (log: Logger, count: number) =>
  log.warn({ fronts: count }, "the number of fronts changes with the server's next start")
