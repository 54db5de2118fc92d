import { DEFAULT_ACCESS_FORMAT } from '../logging/access-format.ts'
import type { OptionDefinition, Options, Plugin, Schema } from '../plugins.ts'

/** The core's own options. Names are gunicorn's where gunicorn has the option. */
export const coreSchema = {
  bind: {
    doc: 'Address to listen at: HOST:PORT, :PORT, [V6]:PORT, unix:PATH or fd://N. Repeatable.',
    format: 'binds',
    default: ['127.0.0.1:8000'] as string[],
    arg: 'bind',
    short: 'b',
    envAliases: { PORT: (port: string) => `0.0.0.0:${port}` },
  },
  backlog: {
    doc: 'Connections that may wait to be accepted.',
    format: 'positive',
    default: 2048,
    arg: 'backlog',
  },
  keepAlive: {
    doc: 'Seconds that an idle connection is kept open for the next request. 0: each connection has one.',
    format: 'seconds',
    default: 75,
    arg: 'keep-alive',
  },
  keepaliveRequests: {
    doc: 'Requests on one connection; the last answer closes it. 0: no limit.',
    format: 'natural',
    default: 10_000,
    arg: 'keepalive-requests',
  },
  limitRequestLine: {
    doc: 'Bytes of a request line; past it the answer is 414. 0: no limit.',
    format: 'natural',
    default: 4094,
    arg: 'limit-request-line',
  },
  limitRequestFields: {
    doc: 'Header fields of a request; past it the answer is 431. 0: no limit.',
    format: 'natural',
    default: 100,
    arg: 'limit-request-fields',
  },
  limitRequestFieldSize: {
    doc: 'Bytes of one header field; past it the answer is 431. 0: no limit.',
    format: 'natural',
    default: 8190,
    arg: 'limit-request-field-size',
    argAliases: ['limit-request-field_size'],
  },
  limitRequestHead: {
    doc: 'Bytes of a whole head; past it the answer is 431. 0: no limit.',
    format: 'natural',
    default: 32_768,
    arg: 'limit-request-head',
  },
  limitRequestBody: {
    doc: 'Bytes of a request body; past it the answer is 413. 0: no limit.',
    format: 'natural',
    default: 1_073_741_824,
    arg: 'limit-request-body',
  },
  clientHeaderTimeout: {
    doc: 'Seconds that a client has for a whole head; past it the answer is 408. 0: no limit.',
    format: 'seconds',
    default: 10,
    arg: 'client-header-timeout',
  },
  minBodyRate: {
    doc: 'Bytes a second that a client must at least send of a body; below it the answer is 408.',
    format: 'natural',
    default: 240,
    arg: 'min-body-rate',
  },
  minReadRate: {
    doc: 'Bytes a second that a client must at least take of its answer; below it the connection ends.',
    format: 'natural',
    default: 240,
    arg: 'min-read-rate',
  },
  maxConnections: {
    doc: 'Connections of each listener in each front. One more takes the place of an idle one, or gets 503.',
    format: 'natural',
    default: 20_000,
    arg: 'max-connections',
  },
  maxConnectionsPerAddress: {
    doc: 'Connections of one client address to each listener in each front; one more gets 429.',
    format: 'natural',
    default: 10_000,
    arg: 'max-connections-per-address',
  },
  fronts: {
    doc: "Processes that accept connections and parse HTTP, all for the same workers; 'auto' for one for each 4 processor cores.",
    format: 'count',
    default: 1 as number | 'auto',
    arg: 'fronts',
  },
  gracefulTimeout: {
    doc: 'Seconds that running requests have to finish after a stop or a reload.',
    format: 'seconds',
    default: 30,
    arg: 'graceful-timeout',
  },
  shutdownDelay: {
    doc: 'Seconds after a graceful stop is asked for in which requests are still accepted, so that load balancers notice.',
    format: 'seconds',
    default: 0,
    arg: 'shutdown-delay',
  },
  plugins: {
    doc: 'Plugins to load, by name. Repeatable, or separated by commas.',
    format: 'texts',
    default: [] as string[],
    arg: 'plugins',
    metavar: 'NAMES',
  },
  chdir: {
    doc: 'Folder to change to before anything else; relative paths start there.',
    format: 'text',
    default: '.',
    arg: 'chdir',
    metavar: 'FOLDER',
  },
  logLevel: {
    doc: 'Least severity that the error log shows.',
    format: ['debug', 'info', 'warning', 'error', 'critical'],
    default: 'info',
    arg: 'log-level',
  },
  logFormat: {
    doc: "Shape of the error log: gunicorn's lines, coloured on a terminal; JSON; 'auto' is text on a terminal, else JSON.",
    format: ['text', 'json', 'auto'],
    default: 'text',
    arg: 'log-format',
  },
  errorLogfile: {
    doc: "File of the error log, '-' for standard error.",
    format: 'text',
    default: '-',
    arg: 'error-logfile',
    argAliases: ['log-file'],
    metavar: 'FILE',
  },
  accessLogfile: {
    doc: "File of the access log, '-' for standard output. None: no access log.",
    format: 'text',
    default: null as string | null,
    nullable: true,
    arg: 'access-logfile',
    metavar: 'FILE',
  },
  accessLogformat: {
    doc: "Format of an access log line, in gunicorn's atoms; or 'common', 'combined', 'json'.",
    format: 'text',
    default: DEFAULT_ACCESS_FORMAT as string,
    arg: 'access-logformat',
    metavar: 'FORMAT',
  },
  logSyslog: {
    doc: 'Send the error log and the access log to a syslog as well.',
    format: 'flag',
    default: false,
    arg: 'log-syslog',
  },
  logSyslogTo: {
    doc: 'Where the syslog listens: udp://HOST:PORT, tcp://HOST:PORT, or unix://PATH, with #dgram or #stream.',
    format: 'syslogAddress',
    default: 'udp://localhost:514',
    arg: 'log-syslog-to',
  },
  logSyslogPrefix: {
    doc: "Program name in lines for the syslog. Default: 'wsgi-core'.",
    format: 'syslogName',
    default: null as string | null,
    nullable: true,
    arg: 'log-syslog-prefix',
  },
  logSyslogFacility: {
    doc: 'Facility of lines for the syslog: user, daemon, local0 to local7, ...',
    format: 'facility',
    default: 'user',
    arg: 'log-syslog-facility',
  },
  disableRedirectAccessToSyslog: {
    doc: 'Keep the access log out of the syslog.',
    format: 'flag',
    default: false,
    arg: 'disable-redirect-access-to-syslog',
  },
  pid: {
    doc: 'File that holds the process id while the server runs.',
    format: 'text',
    default: null as string | null,
    nullable: true,
    arg: 'pid',
    short: 'p',
    metavar: 'FILE',
  },
  daemon: {
    doc: 'Go to the background; the command ends when the server listens, or has failed.',
    format: 'flag',
    default: false,
    arg: 'daemon',
    short: 'D',
  },
  procName: {
    doc: 'Name of the server and its workers in the list of processes.',
    format: 'text',
    default: null as string | null,
    nullable: true,
    arg: 'name',
    argAliases: ['proc-name'],
    short: 'n',
    metavar: 'NAME',
  },
  user: {
    doc: 'User, by name or number, that the server becomes once its addresses are bound, before the application runs.',
    format: 'user',
    default: null as string | null,
    nullable: true,
    arg: 'user',
    short: 'u',
    metavar: 'USER',
  },
  group: {
    doc: 'Group, by name or number, that the server becomes with it. Default: that of the user.',
    format: 'group',
    default: null as string | null,
    nullable: true,
    arg: 'group',
    short: 'g',
    metavar: 'GROUP',
  },
  initgroups: {
    doc: "With --user: the user's further groups too. Without it there are none.",
    format: 'flag',
    default: false,
    arg: 'initgroups',
  },
  umask: {
    doc: 'Mask of the mode of Unix sockets: 022, 0o22, 0x12. Private files are private whatever it says.',
    format: 'mask',
    default: 0,
    arg: 'umask',
    short: 'm',
  },
} as const satisfies Schema

export type CoreOptions = Options<typeof coreSchema>

/** One option with the place where its value lives in the configuration. */
export interface OptionSpec {
  /** `bind`, `workers.count`: the key in the config file. */
  readonly path: string
  /** Name of the plugin, or 'core'. */
  readonly section: string
  readonly definition: OptionDefinition
}

/** All options of the core and of these plugins, in the order of help and docs. */
export function optionTable(plugins: readonly Plugin[]): OptionSpec[] {
  const specs = (section: string, schema: Schema, prefix: string) =>
    Object.entries(schema).map(([key, definition]) => ({
      path: prefix + key,
      section,
      definition,
    }))
  return [
    ...specs('core', coreSchema, ''),
    ...plugins.flatMap(({ name, config }) => specs(name, config, `${name}.`)),
  ]
}

/** The environment variable of an option, if it has one. */
export function variableOf({ arg, env }: OptionDefinition): string | undefined {
  return env ?? (arg && `WSGI_CORE_${arg.replaceAll('-', '_').toUpperCase()}`)
}
