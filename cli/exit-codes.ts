/** How the process ends, as gunicorn's master does. */
export const EXIT = {
  /** Stopped on request. */
  ok: 0,
  /** No application given, an address that cannot be used, a failed `--check-config`. */
  failure: 1,
  /** A bad option or value. */
  usage: 2,
  /** The application's import failed, or a worker died while it started. */
  boot: 3,
  /** The target names nothing that can be called. */
  target: 4,
} as const

/** The exit code that an error which stopped the start asks for. */
export function exitCodeOf(error: unknown): number {
  for (const cause of causes(error)) {
    if ('exitCode' in cause && typeof cause.exitCode === 'number') return cause.exitCode
    if (isPlaceFault(cause)) return EXIT.failure
    if ('code' in cause && USAGE.has(String(cause.code))) return EXIT.usage
  }
  return EXIT.failure
}

/** An error and the errors behind it, outermost first. */
export function causes(error: unknown): Error[] {
  return error instanceof Error ? [error, ...causes(error.cause)] : []
}

/** A worker's traceback travels with the error that it caused. */
export function tracebackOf(error: unknown): string | undefined {
  const carrier = causes(error).find((cause) => 'traceback' in cause)
  return carrier && String((carrier as { traceback?: unknown }).traceback)
}

/** Whether addresses to listen at, or the folder, are all that is wrong: gunicorn's exit code for that is 1. */
const isPlaceFault = (error: Error) =>
  'code' in error &&
  error.code === BAD_CONFIG &&
  error.message.split('\n').every((line) => PLACE_FAULT.test(line))

const PLACE_FAULT =
  /^(argument --(bind|chdir)( of GUNICORN_CMD_ARGS)?|variable (PORT|WSGI_CORE_(BIND|CHDIR))|setting '(bind|chdir)'): (address '|there is no folder)/

const BAD_CONFIG = 'WSGI_CORE_BAD_CONFIG'

const USAGE = new Set([
  BAD_CONFIG,
  'WSGI_CORE_UNKNOWN_PLUGIN',
  'WSGI_CORE_MISSING_DEPENDENCY',
  'WSGI_CORE_DUPLICATE_PLUGIN',
  'WSGI_CORE_DEPENDENCY_CYCLE',
  'WSGI_CORE_STATIC_BAD_LOCATION',
  'WSGI_CORE_STATIC_NO_FOLDER',
])
