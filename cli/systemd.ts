/** What systemd tells a service by its environment: sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3). */
export interface Systemd {
  /** Descriptors of sockets that systemd has bound and passes on. */
  readonly sockets: readonly number[]
  /** What the socket units call them. */
  readonly names: readonly string[]
  /** Where to tell how the service is; begins with `@` where it is an abstract socket. */
  readonly notifySocket: string | undefined
  /** Milliseconds within which the service must say that it is alive. */
  readonly watchdog: number | undefined
}

type Environment = Record<string, string | undefined>

const FIRST_SOCKET = 3
const VARIABLES = [
  'LISTEN_PID',
  'LISTEN_FDS',
  'LISTEN_FDNAMES',
  'NOTIFY_SOCKET',
  'WATCHDOG_PID',
  'WATCHDOG_USEC',
]

/** Reads systemd's variables and removes them: they are for this process, not for the application. */
export function takeSystemd(env: Environment, pid = process.pid): Systemd {
  const count = env.LISTEN_PID === String(pid) ? numberOf(env.LISTEN_FDS) : 0
  const isWatched = env.WATCHDOG_PID === undefined || env.WATCHDOG_PID === String(pid)
  const watchdog = isWatched ? numberOf(env.WATCHDOG_USEC) / 1000 : 0
  const systemd = {
    sockets: Array.from({ length: count }, (_, index) => FIRST_SOCKET + index),
    names: count > 0 ? (env.LISTEN_FDNAMES ?? '').split(':').filter(Boolean) : [],
    notifySocket: env.NOTIFY_SOCKET || undefined,
    watchdog: watchdog > 0 ? watchdog : undefined,
  }
  for (const name of VARIABLES) delete env[name]
  return systemd
}

const numberOf = (text = '') => (/^\d{1,15}$/.test(text) ? Number(text) : 0)
