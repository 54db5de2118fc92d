import type { Server } from './server.ts'

/**
 * Binds gunicorn's signals to a server that somebody composed, who asked for that: TERM stops it, INT, QUIT and a second
 * TERM at once, HUP reloads, TTIN and TTOU change the number of workers, USR1 opens the logs anew.
 * @returns what gives the signals back
 */
export function bindSignals(server: Server, exits: boolean): () => void {
  const bound: [NodeJS.Signals, () => void][] = []
  const on = (signal: NodeJS.Signals, act: () => unknown) => {
    const listener = () => {
      server.log?.info(`Handling signal: ${signal.slice(3).toLowerCase()}`)
      act()
    }
    bound.push([signal, listener])
    process.on(signal, listener)
  }
  const attempt = (action: Promise<unknown>) =>
    action.catch((err) => server.log?.error({ err }, 'the signal could not be obeyed'))
  let stopping = false
  const stop = (quick: boolean) => {
    const hurry = quick || stopping
    stopping = true
    void attempt(server.close({ quick: hurry })).finally(() => {
      if (exits) process.exit(0)
    })
  }
  on('SIGTERM', () => stop(false))
  on('SIGINT', () => stop(true))
  on('SIGQUIT', () => stop(true))
  on('SIGHUP', () => attempt(server.reload()))
  on('SIGTTIN', () => attempt(server.resize(1)))
  on('SIGTTOU', () => attempt(server.resize(-1)))
  on('SIGUSR1', () => server.reopenLogs())
  return () => {
    for (const [signal, listener] of bound) process.off(signal, listener)
  }
}
