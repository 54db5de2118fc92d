import type { Server } from '../core/index.ts'
import { reload } from './reloading.ts'

/** Binds gunicorn's signals to the server. @returns the promise of its end. */
export function handleSignals(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    let stopping = false
    const stop = (signal: NodeJS.Signals, quick: boolean) => {
      server.log?.info(`Handling signal: ${signal.slice(3).toLowerCase()}`)
      const hurry = quick || stopping // a second signal means: now
      stopping = true
      server.close({ quick: hurry }).then(resolve, reject)
    }
    process.on('SIGTERM', (signal) => stop(signal, false))
    process.on('SIGINT', (signal) => stop(signal, true))
    process.on('SIGQUIT', (signal) => stop(signal, true))
    process.on('SIGHUP', () => {
      server.log?.info('Handling signal: hup')
      void reload(server)
    })
    process.on('SIGUSR1', () => reopenLogs(server))
    process.on('SIGTTIN', () => resize(server, 'ttin', 1))
    process.on('SIGTTOU', () => resize(server, 'ttou', -1))
    for (const signal of UNHANDLED) process.on(signal, () => ignore(server, signal))
  })
}

function reopenLogs(server: Server): void {
  server.log?.info('Handling signal: usr1')
  server.reopenLogs()
}

function resize(server: Server, name: string, delta: 1 | -1): void {
  server.log?.info(`Handling signal: ${name}`)
  void server.resize(delta)
}

/** Their default action would end or stop the process. */
const UNHANDLED = ['SIGUSR2'] as const

function ignore(server: Server, signal: NodeJS.Signals): void {
  server.log?.warn(`signal ${signal.slice(3).toLowerCase()} is ignored: it has no meaning here yet`)
}
