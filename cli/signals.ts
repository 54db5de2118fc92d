import { isatty } from 'node:tty'
import type { Server } from '../core/index.ts'
import type { PidKeeper } from './pid-keeper.ts'
import { isStop, reload } from './reloading.ts'
import type { Upgrade } from './upgrade.ts'

/** Binds gunicorn's signals to the server. @returns the promise of its end. */
export function handleSignals(server: Server, pid: PidKeeper, upgrade: Upgrade): Promise<void> {
  const on = (signal: NodeJS.Signals, act: () => unknown) =>
    process.on(signal, () => {
      server.log?.info(`Handling signal: ${signal.slice(3).toLowerCase()}`)
      act()
    })
  on('SIGHUP', () => reload(server, pid))
  on('SIGTTIN', () => attempt(server, server.resize(1)))
  on('SIGTTOU', () => attempt(server, server.resize(-1)))
  on('SIGUSR1', () => server.reopenLogs())
  on('SIGUSR2', () => upgrade.start(server))
  // a terminal sends it when its window changes
  if (!hasTerminal()) on('SIGWINCH', () => attempt(server, server.park()))
  return new Promise((resolve, reject) => {
    let stopping = false
    const stop = (quick: boolean) => {
      const hurry = quick || stopping // a second signal means: now
      stopping = true
      server.close({ quick: hurry }).then(resolve, reject)
    }
    on('SIGTERM', () => stop(false))
    on('SIGINT', () => stop(true))
    on('SIGQUIT', () => stop(true))
  })
}

async function attempt(server: Server, action: Promise<void>): Promise<void> {
  try {
    await action
  } catch (err) {
    if (isStop(err)) server.log?.info('The signal is ignored: the server stops')
    else server.log?.error({ err }, 'the signal could not be obeyed; the server goes on as it was')
  }
}

const hasTerminal = () => [0, 1, 2].some((descriptor) => isatty(descriptor))
