import createError from '@fastify/error'

/** The last argument of an error that keeps the error behind it. */
interface Cause {
  readonly cause: unknown
}

export const ControlFailed = createError<[string, string, Cause?]>(
  'WSGI_CORE_CONTROL_FAILED',
  "control socket '%s' cannot be made: %s; give --pid a path in a folder where this user may write",
)
export const NotRunning = createError<[string, string, Cause?]>(
  'WSGI_CORE_NOT_RUNNING',
  "no server of pid file '%s' can be asked: %s",
)
/** Carries the exit code and the traceback that a start with the same fault would end with. */
export const ReloadFailed = createError<[string]>(
  'WSGI_CORE_RELOAD_FAILED',
  'the reload failed: %s',
)
export const ReloadTimeout = createError<[number]>(
  'WSGI_CORE_RELOAD_TIMEOUT',
  "the reload's outcome is not known after %s seconds, and it may go on; see the server's log, or wait longer by --timeout",
)
export const CannotDetach = createError<[]>(
  'WSGI_CORE_CANNOT_DETACH',
  'systemd keeps the server in the background by itself and waits for this process; leave --daemon away',
)
export const BadPluginName = createError<[string]>(
  'WSGI_CORE_BAD_PLUGIN_NAME',
  "'%s' is no name for a plugin; write wsgi-core new-plugin NAME, in lower case with hyphens, perhaps as @scope/NAME",
)
export const FolderExists = createError<[string]>(
  'WSGI_CORE_FOLDER_EXISTS',
  "folder '%s' is there already; choose another name, or another folder to start in",
)
