/** A setting of gunicorn and what it means here. With neither `unneeded` nor `refused` it is an option here too. */
export interface GunicornSetting {
  /** The key in `gunicorn.conf.py`. */
  readonly name: string
  /** Its spellings on gunicorn's command line. */
  readonly flags: readonly string[]
  /** Takes no value on the command line. */
  readonly bare?: boolean
  /** Path of our option, where no spelling of `flags` and no key of that name leads to it. */
  readonly key?: string
  /** What is different here, although it works: for the documents. */
  readonly note?: string
  /** It has no effect here, and why none is needed: accepted with one warning. */
  readonly unneeded?: string
  /** It is not here: why, and what to do instead. */
  readonly refused?: string
  /** The plugin that has the option, where it is not one that each application brings. */
  readonly plugin?: string
  /** Values that ask for what is the case here anyway. */
  readonly idle?: readonly string[]
}

export interface GunicornGroup {
  readonly title: string
  readonly settings: readonly GunicornSetting[]
}

type Rest = Omit<GunicornSetting, 'name' | 'flags'>

const set = (name: string, flags: string, rest: Rest = {}): GunicornSetting => ({
  name,
  flags: flags.split(' ').filter(Boolean),
  ...rest,
})

/** Not here: one reason for several settings. */
const refuse = (refused: string, names: Readonly<Record<string, string>>, rest: Rest = {}) =>
  Object.entries(names).map(([name, flags]) => set(name, flags, { refused, ...rest }))

const STRICT = 'requests are read strictly, and nothing loosens that; correct the client'
const FOR_ASGI = 'it is for ASGI workers, which there are none of'
const NO_DIRTY = 'there are no side pools; give long tasks to a task queue such as Celery or RQ'
const NO_STATSD =
  "there is no statsd client; count in a plugin's hook 'finished', or from the access log"
const NO_LOGCONFIG =
  "the server's log is not Python's; set --log-level, --error-logfile and --access-logfile, and configure Python's logging in the application"
const NO_PASTE =
  "PasteDeploy files are not read; write a module: application = paste.deploy.loadapp('config:/path/to.ini')"
const NO_CONTROL = 'there is no control socket; send signals to the process that the pid file names'
const NO_HOOK = 'the Python functions of gunicorn.conf.py are not run; '

const OF_TLS = { plugin: 'tls', note: 'Of plugin `tls`.' }

/** All settings of gunicorn 27.0, in the order of its documents. 26.1 has the same but for two. */
export const GUNICORN: readonly GunicornGroup[] = [
  {
    title: 'Application and config file',
    settings: [
      set('config', '-c --config', {
        note: 'JSON, YAML, TOML, JavaScript or TypeScript. `gunicorn.conf.py` is not read.',
      }),
      set('wsgi_app', '', { key: 'wsgi.app' }),
      set('check_config', '--check-config', { bare: true }),
      set('print_config', '--print-config', {
        bare: true,
        note: 'Prints JSON, and loads no application.',
      }),
    ],
  },
  {
    title: 'Sockets',
    settings: [
      set('bind', '-b --bind', {
        note: 'An empty address, a bare number and IPv6 without brackets are errors.',
      }),
      set('backlog', '--backlog'),
      set('reuse_port', '--reuse-port', {
        bare: true,
        refused:
          'one server listens for all of its workers; start a second one at an address of its own',
      }),
    ],
  },
  {
    title: 'Workers',
    settings: [
      set('workers', '-w --workers', { note: 'Also `auto`.' }),
      set('worker_class', '-k --worker-class', {
        note: '`sync` and `gthread`, which differ in name alone.',
      }),
      set('threads', '--threads'),
      set('worker_connections', '--worker-connections', {
        unneeded:
          'the server holds the connections, not the workers; see --max-connections and --queue-limit',
      }),
      set('max_requests', '--max-requests'),
      set('max_requests_jitter', '--max-requests-jitter'),
      set('timeout', '-t --timeout', {
        note: 'The time of one request, whatever the number of threads.',
      }),
      set('graceful_timeout', '--graceful-timeout'),
      set('keepalive', '--keep-alive', {
        note: 'Default 75, as an idle connection costs no worker.',
      }),
      ...['asgi_loop', 'asgi_lifespan', 'asgi_disconnect_grace_period'].map((name) =>
        set(name, `--${name.replaceAll('_', '-')}`, { unneeded: FOR_ASGI }),
      ),
      set('websocket_max_message_size', '--websocket-max-message-size', { unneeded: FOR_ASGI }),
      set('http_parser', '--http-parser', {
        unneeded: 'requests are parsed in the server, by a parser of its own',
      }),
    ],
  },
  {
    title: 'Limits and protocol',
    settings: [
      set('limit_request_line', '--limit-request-line', {
        note: 'Past it the answer is 414, not 400; no upper bound.',
      }),
      set('limit_request_fields', '--limit-request-fields'),
      set('limit_request_field_size', '--limit-request-field_size'),
      set('root_path', '--root-path', { note: 'For WSGI too: it becomes `SCRIPT_NAME`.' }),
      ...refuse(
        STRICT,
        {
          permit_obsolete_folding: '--permit-obsolete-folding',
          strip_header_spaces: '--strip-header-spaces',
          permit_unconventional_http_method: '--permit-unconventional-http-method',
          permit_unconventional_http_version: '--permit-unconventional-http-version',
          casefold_http_method: '--casefold-http-method',
        },
        { bare: true },
      ),
      set('protocol', '--protocol', { note: 'See also `--uwsgi-binds`.' }),
      set('uwsgi_allow_ips', '--uwsgi-allow-from'),
      set('http_protocols', '--http-protocols', {
        plugin: 'tls',
        idle: ['h1'],
        note: 'Of plugin `tls`. Default `h2,h1`.',
      }),
      set('http2_cleartext', '--http2-cleartext', {
        plugin: 'tls',
        idle: ['off'],
        note: 'Of plugin `tls`. `off` or `prior-knowledge`; a change by `Upgrade: h2c` is obsolete.',
      }),
      ...[
        'http2_max_concurrent_streams',
        'http2_initial_window_size',
        'http2_max_frame_size',
        'http2_max_header_list_size',
      ].map((name) => set(name, `--${name.replaceAll('_', '-')}`, OF_TLS)),
    ],
  },
  {
    title: 'Proxies in front',
    settings: [
      set('secure_scheme_headers', ''),
      set('forwarder_headers', '--forwarder-headers', {
        note: '`SCRIPT_NAME` becomes that of the application. Also names with dashes, which are removed where they are not named: `X-FORWARDED-USER`, `X-SSL-*`. Not `*` alone.',
      }),
      set('forwarded_allow_ips', '--forwarded-allow-ips', {
        note: 'The client comes from `X-Forwarded-For` or `Forwarded`; from other peers these headers are removed. From these, too, `X-Forwarded-Host` and the like where `--forwarded-parts` or `--forwarder-headers` does not name them.',
      }),
      set('header_map', '--header-map', {
        note: '`drop` and `refuse`; there is no `dangerous`.',
      }),
      set('proxy_protocol', '--proxy-protocol', {
        note: 'Each connection has to begin with it.',
      }),
      set('proxy_allow_ips', '--proxy-allow-from'),
    ],
  },
  {
    title: 'TLS',
    settings: [
      set('keyfile', '--keyfile', OF_TLS),
      set('certfile', '--certfile', {
        plugin: 'tls',
        note: 'Of plugin `tls`. Repeatable: certificates are chosen by the name that the client asks for.',
      }),
      set('ca_certs', '--ca-certs', OF_TLS),
      set('cert_reqs', '--cert-reqs', {
        plugin: 'tls',
        idle: ['0'],
        note: 'Of plugin `tls`. Also `none`, `optional`, `required`.',
      }),
      set('ciphers', '--ciphers', {
        plugin: 'tls',
        note: 'Of plugin `tls`. Names of TLS 1.3 (`TLS_...`) count too.',
      }),
      set('ssl_context', '', {
        refused:
          'the Python function is not run; see --tls-profile, --tls-min-version, --ciphers and --certfile of plugin tls',
      }),
      set('ssl_version', '--ssl-version', {
        unneeded: 'it has none in gunicorn either; see --tls-min-version',
      }),
      set('do_handshake_on_connect', '--do-handshake-on-connect', {
        bare: true,
        unneeded: 'a handshake holds up no worker',
      }),
      set('suppress_ragged_eofs', '--suppress-ragged-eofs', {
        bare: true,
        unneeded: 'an unclean end of TLS reaches no worker',
      }),
    ],
  },
  {
    title: 'Process and paths',
    settings: [
      set('chdir', '--chdir'),
      set('pythonpath', '--pythonpath'),
      set('raw_env', '-e --env', { note: 'For the workers alone.' }),
      set('preload_app', '--preload', {
        bare: true,
        note: 'HUP loads the code anew all the same.',
      }),
      set('daemon', '-D --daemon', {
        bare: true,
        note: 'The command ends when the server listens, or with its error.',
      }),
      set('pidfile', '-p --pid'),
      set('user', '-u --user', { note: 'All of the server becomes that user, not workers alone.' }),
      set('group', '-g --group'),
      set('initgroups', '--initgroups', {
        bare: true,
        note: 'Without it there are no further groups, also not those of root.',
      }),
      set('umask', '-m --umask', { note: 'For Unix sockets.' }),
      set('worker_tmp_dir', '--worker-tmp-dir', {
        unneeded: 'workers send no heartbeat by a file',
      }),
      set('tmp_upload_dir', ''),
      set('sendfile', '--no-sendfile', { bare: true }),
      set('proc_name', '-n --name'),
      set('default_proc_name', '', { unneeded: 'the name comes from the application' }),
      ...refuse(NO_PASTE, { paste: '--paste --paster', raw_paste_global_conf: '--paste-global' }),
      set('control_socket', '--control-socket', { refused: NO_CONTROL }),
      set('control_socket_mode', '--control-socket-mode', { refused: NO_CONTROL }),
      set('control_socket_disable', '--no-control-socket', {
        bare: true,
        unneeded: 'there is no control socket',
      }),
    ],
  },
  {
    title: 'Development',
    settings: [
      set('reload', '--reload', { bare: true }),
      set('reload_engine', '--reload-engine', {
        unneeded: 'files are watched by what the system offers',
      }),
      set('reload_extra_files', '--reload-extra-file'),
      set('spew', '--spew', {
        bare: true,
        refused:
          "there is no tracing of each line; call sys.settrace in the application, or run it under 'python -m trace'",
      }),
    ],
  },
  {
    title: 'Logs and metrics',
    settings: [
      set('accesslog', '--access-logfile'),
      set('access_log_format', '--access-logformat'),
      set('disable_redirect_access_to_syslog', '--disable-redirect-access-to-syslog', {
        bare: true,
      }),
      set('errorlog', '--error-logfile --log-file'),
      set('loglevel', '--log-level'),
      set('capture_output', '--capture-output', {
        bare: true,
        note: 'Each line is a record, with the pid of its worker; standard error is no exception.',
      }),
      set('enable_stdio_inheritance', '-R --enable-stdio-inheritance', {
        bare: true,
        unneeded:
          'set PYTHONUNBUFFERED by --env for output without delay; see also --capture-output',
      }),
      ...refuse(NO_LOGCONFIG, {
        logger_class: '--logger-class',
        logconfig: '--log-config',
        logconfig_dict: '',
        logconfig_json: '--log-config-json',
      }),
      set('syslog', '--log-syslog', { bare: true }),
      set('syslog_addr', '--log-syslog-to', { note: 'Messages have the form of RFC 5424.' }),
      set('syslog_prefix', '--log-syslog-prefix', {
        note: 'The whole program name: no `gunicorn.` before it, no `.access` or `.error` after it, which is the MSGID.',
      }),
      set('syslog_facility', '--log-syslog-facility'),
      ...refuse(NO_STATSD, {
        statsd_host: '--statsd-host',
        statsd_prefix: '--statsd-prefix',
        dogstatsd_tags: '--dogstatsd-tags',
      }),
      ...refuse(NO_STATSD, { enable_backlog_metric: '--enable-backlog-metric' }, { bare: true }),
    ],
  },
  {
    title: 'Server hooks',
    settings: [
      ...refuse(`${NO_HOOK}write a plugin that taps 'prepare'`, { on_starting: '', on_reload: '' }),
      ...refuse(`${NO_HOOK}write a plugin that taps 'afterListen'`, { when_ready: '' }),
      ...refuse(`${NO_HOOK}call os.register_at_fork in the application's module`, {
        pre_fork: '',
        post_fork: '',
      }),
      ...refuse(`${NO_HOOK}do it at the end of the application's module`, { post_worker_init: '' }),
      ...refuse(`${NO_HOOK}the log has the traceback of a worker that overran its time`, {
        worker_int: '',
        worker_abort: '',
      }),
      ...refuse(
        `${NO_HOOK}wrap the application in WSGI middleware, or tap 'request' and 'finished'`,
        {
          pre_request: '',
          post_request: '',
        },
      ),
      ...refuse(`${NO_HOOK}register with atexit in the application's module`, { worker_exit: '' }),
      ...refuse(
        `${NO_HOOK}clean up by atexit in the application's module; the log has 'Worker exiting'`,
        {
          child_exit: '',
          nworkers_changed: '',
        },
      ),
      ...refuse(`${NO_HOOK}wrap the command in a script`, { pre_exec: '' }),
      ...refuse(`${NO_HOOK}write a plugin that taps 'beforeRetire'`, { on_exit: '' }),
    ],
  },
  {
    title: 'Dirty pools',
    settings: [
      ...refuse(NO_DIRTY, { dirty_workers: '--dirty-workers' }, { idle: ['0'] }),
      ...refuse(NO_DIRTY, {
        dirty_apps: '--dirty-app',
        dirty_timeout: '--dirty-timeout',
        dirty_threads: '--dirty-threads',
        dirty_graceful_timeout: '--dirty-graceful-timeout',
        on_dirty_starting: '',
        dirty_post_fork: '',
        dirty_worker_init: '',
        dirty_worker_exit: '',
      }),
    ],
  },
]
