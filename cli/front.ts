import { type FrontOrder, loadFronts } from '../core/index.ts'
import { EXIT } from './exit-codes.ts'
import { endStart } from './start-flags.ts'

/** Whether this process is one of several fronts, which another has started by node:cluster. */
export const isFront = async (): Promise<boolean> =>
  process.send !== undefined && (await import('node:cluster')).default.isWorker

/** Signals go to all processes of a terminal or a service; what they mean here the supervisor says. */
const SIGNALS = [
  'SIGTERM',
  'SIGINT',
  'SIGQUIT',
  'SIGHUP',
  'SIGUSR1',
  'SIGUSR2',
  'SIGTTIN',
  'SIGTTOU',
  'SIGWINCH',
] as const

/** Serves until the supervisor says otherwise, or is gone: then Node ends the process by itself. */
export async function serveAsFront(): Promise<number> {
  for (const signal of SIGNALS) process.on(signal, () => {})
  const { Front } = await loadFronts()
  const front = new Front((report) => {
    if ('report' in report && report.report === 'serving') endStart()
    return process.connected && process.send?.(report)
  })
  process.on('uncaughtException', (err) => {
    front.log?.fatal({ err }, 'unforeseen error, the front stops')
    front.flushLogs()
    process.exit(EXIT.failure)
  })
  process.on('message', (order: FrontOrder, handle) => {
    if ('order' in order && order.order === 'build') takeName(order.values)
    front.obey(order, handle as never)
  })
  await front.ended
  return EXIT.ok
}

function takeName({ procName }: Readonly<Record<string, unknown>>): void {
  if (procName) process.title = `wsgi-core: ${procName}`
}
