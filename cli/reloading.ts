import { errors, type Server } from '../core/index.ts'
import type { Outcome } from './control.ts'
import { causes, exitCodeOf, tracebackOf } from './exit-codes.ts'
import type { PidKeeper } from './pid-keeper.ts'

/** Reloads, and says how it went: in the log, and to whoever asked. A reload that fails leaves the server as it was. */
export async function reload(server: Server, pid: PidKeeper): Promise<Outcome> {
  try {
    await server.reload()
    pid.update()
    server.log?.info('Reloaded')
    return { ok: true }
  } catch (err) {
    const traceback = tracebackOf(err)
    const details = traceback ? { err, traceback } : { err }
    if (isStop(err)) server.log?.info('No reload: the server stops')
    else server.log?.error(details, 'the reload failed; the server goes on as it was')
    const reason = err instanceof Error ? err.message : String(err)
    return { ok: false, reason, exitCode: exitCodeOf(err), traceback }
  }
}

/** Whether something could not be done for the one reason that the server stops. */
export const isStop = (error: unknown): boolean =>
  causes(error).some((cause) => cause instanceof errors.Stopped || cause instanceof errors.BadState)
