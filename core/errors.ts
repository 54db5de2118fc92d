import createError from '@fastify/error'

/**
 * The core's coded errors. Codes are public and never reused; `docs/errors.md` lists each with its cause and cure.
 * Text: lower case, the value in quotes, then the remedy.
 */

export const BadConfig = createError<[string]>('WSGI_CORE_BAD_CONFIG', '%s')
export const UnknownPlugin = createError<[string, string]>(
  'WSGI_CORE_UNKNOWN_PLUGIN',
  "plugin '%s' cannot be found; %s",
)
export const BadPlugin = createError<[string, string]>(
  'WSGI_CORE_BAD_PLUGIN',
  "'%s' is not a plugin: %s; export one made by definePlugin as the module's default",
)
export const PluginVersion = createError<[string, string, string, string]>(
  'WSGI_CORE_PLUGIN_VERSION',
  "plugin '%s' %s is made for wsgi-core %s, and this is %s; install versions of the two that fit",
)
export const PluginLoad = createError<[string, string]>(
  'WSGI_CORE_PLUGIN_LOAD',
  "plugin '%s' cannot be loaded: %s",
)
export const MissingDependency = createError<[string, string, string]>(
  'WSGI_CORE_MISSING_DEPENDENCY',
  "plugin '%s' needs plugin '%s', which is not loaded; %s",
)
export const DuplicatePlugin = createError<[string]>(
  'WSGI_CORE_DUPLICATE_PLUGIN',
  "plugin '%s' is used twice; remove one of them",
)
export const DependencyCycle = createError<[string]>(
  'WSGI_CORE_DEPENDENCY_CYCLE',
  'plugins need each other in a circle: %s; remove one of these dependencies',
)
export const NothingToServe = createError<[]>(
  'WSGI_CORE_NOTHING_TO_SERVE',
  "no application given and no plugin; name an application as MODULE:NAME, for example 'wsgi-core hello:app', or plugins by --plugins",
)
export const HookFailed = createError<[string, string, string]>(
  'WSGI_CORE_HOOK_FAILED',
  "plugin '%s' failed in hook '%s': %s",
)
export const ApplyFailed = createError<[string, string]>(
  'WSGI_CORE_APPLY_FAILED',
  "plugin '%s' failed to apply: %s",
)
export const UnknownService = createError<[string, string]>(
  'WSGI_CORE_UNKNOWN_SERVICE',
  "service '%s' is not provided; %s",
)
export const Sealed = createError<[string]>(
  'WSGI_CORE_SEALED',
  "plugin '%s' comes too late: the server has started; call use() before listen()",
)
export const BadState = createError<[string, string]>(
  'WSGI_CORE_BAD_STATE',
  'the server cannot %s while it is %s',
)
export const AddressInUse = createError<[string]>(
  'WSGI_CORE_ADDRESS_IN_USE',
  "address '%s' is in use; stop the process that listens there, or give another --bind",
)
export const CannotListen = createError<[string, string]>(
  'WSGI_CORE_CANNOT_LISTEN',
  "cannot listen at '%s': %s",
)
export const FrontsNotHere = createError<[]>(
  'WSGI_CORE_FRONTS_NOT_HERE',
  "several fronts need processes of their own, which a server made by createServer does not start; set 'fronts' to 1, or use the command wsgi-core",
)
export const FrontFailed = createError<[string]>('WSGI_CORE_FRONT_FAILED', 'a front %s')
export const Stopped = createError<[]>(
  'WSGI_CORE_STOPPED',
  'the server was told to stop while it started',
)

/** The last argument of an error that keeps the error behind it. */
interface Cause {
  readonly cause: unknown
}

export const BadAddress = createError<[string, string]>(
  'WSGI_CORE_BAD_ADDRESS',
  "address '%s' is not valid: %s; write HOST, HOST:PORT, :PORT, [IPV6]:PORT, unix:PATH or fd://N",
)
export const BadLogFormat = createError<[string, string]>(
  'WSGI_CORE_BAD_LOG_FORMAT',
  "access log format has '%s', which is not known; write %s, or %%%% for a percent sign",
)
export const CannotOpenLog = createError<[string, string, Cause?]>(
  'WSGI_CORE_CANNOT_OPEN_LOG',
  "log file '%s' cannot be opened: %s; create its folder and let this user write there",
)
export const LogLinesLost = createError<[string, string, Cause?]>(
  'WSGI_CORE_LOG_LINES_LOST',
  "log '%s' is losing lines: %s; make room, or let its reader catch up",
)
export const ConfigFileMissing = createError<[string, Cause?]>(
  'WSGI_CORE_CONFIG_FILE_MISSING',
  "config file '%s' does not exist; create it, or correct --config",
)
export const ConfigFileUnreadable = createError<[string, string, Cause?]>(
  'WSGI_CORE_CONFIG_FILE_UNREADABLE',
  "config file '%s' cannot be read: %s; make it a file that this user may read",
)
export const ConfigFileSyntax = createError<[string, string, Cause?]>(
  'WSGI_CORE_CONFIG_FILE_SYNTAX',
  "config file '%s' has a syntax error: %s; correct it there",
)
export const ConfigFileFailed = createError<[string, string, Cause?]>(
  'WSGI_CORE_CONFIG_FILE_FAILED',
  "config file '%s' failed to run: %s",
)
export const ConfigFileBadValue = createError<[string, string, string, Cause?]>(
  'WSGI_CORE_CONFIG_FILE_BAD_VALUE',
  "config file '%s' %s; %s",
)
export const ConfigFileUnknownType = createError<[string, string, Cause?]>(
  'WSGI_CORE_CONFIG_FILE_UNKNOWN_TYPE',
  "config file '%s' is of no known kind: %s",
)
export const ConfigFileAmbiguous = createError<[string, string]>(
  'WSGI_CORE_CONFIG_FILE_AMBIGUOUS',
  "folder '%s' has several config files: %s; keep one, or name it by --config",
)
export const PidfileInUse = createError<[string, number]>(
  'WSGI_CORE_PIDFILE_IN_USE',
  "pid file '%s' belongs to the running process %s; stop it, or remove the file if that is stale",
)
export const PidfileFailed = createError<[string, string, Cause?]>(
  'WSGI_CORE_PIDFILE_FAILED',
  "pid file '%s' cannot be used: %s; give a path in a folder where this user may write",
)
export const CannotChangeUser = createError<[string, string, Cause?]>(
  'WSGI_CORE_CANNOT_CHANGE_USER',
  "cannot become '%s': %s",
)
