import {
  type Configuration,
  errors,
  loadConfiguration,
  loadFronts,
  optionTable,
  resolvePlugin,
  Server,
  type Sources,
  version,
} from '../core/index.ts'
import { commandLine, type ReadArguments } from './command-line.ts'
import { DetachWanted, detach, onStarterGone, takeDetached, tellStarter } from './daemon.ts'
import { causes, EXIT, exitCodeOf, tracebackOf } from './exit-codes.ts'
import { isFront, serveAsFront } from './front.ts'
import { help } from './help.ts'
import { isNewPluginCommand, newPlugin } from './new-plugin/index.ts'
import { NotifyingServer } from './notifying-server.ts'
import { PidKeeper } from './pid-keeper.ts'
import { isHooksCommand, isPluginsCommand, listHooks, listPlugins } from './plugin-commands.ts'
import { isReloadCommand, reloadCommand } from './reload.ts'
import { reload } from './reloading.ts'
import { handleSignals } from './signals.ts'
import { endStart } from './start-flags.ts'
import { type Systemd, takeSystemd } from './systemd.ts'
import { takeLegacy, Upgrade } from './upgrade.ts'

/** `wsgi-core [OPTIONS] [APP]`. Ends the process with gunicorn's exit codes. */
export async function main(argv: readonly string[]): Promise<void> {
  try {
    process.exit(await run(argv))
  } catch (error) {
    const exitCode = exitCodeOf(error)
    await tellStarter({ failed: report(error), exitCode })
    process.exit(exitCode)
  }
}

async function run(argv: readonly string[]): Promise<number> {
  if (await isFront()) return serveAsFront()
  if (isReloadCommand(argv)) return print(await reloadCommand(argv.slice(1)))
  if (isPluginsCommand(argv)) return print(await listPlugins(process.cwd()))
  if (isHooksCommand(argv)) return printHooks(argv.slice(1))
  if (isNewPluginCommand(argv)) return print(newPlugin(argv.slice(1), process.cwd()))
  const parse = commandLine(argv, process.env)
  const { values } = parse(optionTable(await loadPlugins(APPLICATION)))
  if (values.get('version')) return print(`wsgi-core ${version}`)
  if (values.get('help')) return printHelp(values)
  if (values.get('printConfig')) return printConfiguration(parse)
  if (values.get('checkConfig')) return check(commandSources(parse, true))
  return serve(argv, parse)
}

/** The sources of a configuration that begins with a command line, and perhaps with sockets that systemd has opened. */
function commandSources(
  parse: ReadArguments,
  required: boolean,
  sockets: readonly number[] = [],
): Sources {
  return {
    cwd: process.cwd(),
    env: process.env,
    role: findRole,
    target: { plugin: 'wsgi', option: 'app', required },
    parseArguments(table) {
      const { values, warnings = [], ...rest } = parse(table)
      const target = values.get('app')
      const given = new Map(target ? [...values, ['wsgi.app', target]] : values)
      const unused = sockets.length > 0 && given.has('bind') ? [BIND_UNUSED] : []
      if (sockets.length > 0)
        given.set(
          'bind',
          sockets.map((socket) => `fd://${socket}`),
        )
      return { values: given, warnings: [...warnings, ...unused], ...rest }
    },
  }
}

/** With several fronts this process is the one over them. */
async function findRole(configuration: Configuration) {
  if (configuration.core.fronts === 1) return undefined
  const { supervise } = await loadFronts()
  return supervise(process.cwd(), configuration)
}

const BIND_UNUSED = 'argument --bind: not used, the sockets are those that systemd has opened'

async function serve(argv: readonly string[], parse: ReadArguments): Promise<number> {
  const systemd = takeSystemd(process.env)
  const isDetached = takeDetached(process.env)
  const obstacle = obstacleOf(systemd)
  const upgrade = new Upgrade({ argv, isDetached, obstacle, legacy: takeLegacy(process.env) })
  const server = createServer(
    {
      ...commandSources(parse, true, systemd.sockets),
      sharing: upgrade,
      configured: (configuration) => {
        if (configuration.core.daemon && !isDetached) throw new DetachWanted(configuration)
        if (configuration.core.procName) process.title = `wsgi-core: ${configuration.core.procName}`
      },
      beforeUserChange: (configuration) => pid.open(configuration),
    },
    systemd,
  )
  const pid: PidKeeper = new PidKeeper(server, upgrade, {
    reload() {
      server.log?.info('Handling command: reload')
      return reload(server, pid)
    },
  })
  const ended = handleSignals(server, pid, upgrade)
  guardCrashes(server)
  onStarterGone(() => void server.close())
  try {
    await server.listen()
    endStart()
    pid.open(server.configuration)
  } catch (error) {
    await server.close({ quick: true })
    pid.unlink()
    if (error instanceof DetachWanted) return detach(argv, error.configuration, systemd)
    if (causes(error).some((cause) => cause instanceof errors.Stopped)) return EXIT.ok
    throw error
  }
  if (server instanceof NotifyingServer) await server.announce()
  await tellStarter({ ready: true })
  if (upgrade.hasParent) upgrade.whenAlone(() => promote(server, pid))
  await ended
  pid.unlink()
  return EXIT.ok
}

const createServer = (sources: Sources, systemd: Systemd) =>
  systemd.notifySocket ? new NotifyingServer(sources, systemd) : new Server(sources)

/** The server before this one has left. */
function promote(server: Server, pid: PidKeeper): void {
  server.log?.info('Master has been promoted.')
  pid.update()
}

/** Where the end of this process ends the service, another cannot go on with it. */
function obstacleOf({ notifySocket, sockets }: Systemd): string | undefined {
  if (process.pid === 1) return 'The container ends with process 1: replace the container.'
  if (!notifySocket && sockets.length === 0) return undefined
  return 'systemd ends the service with this process: reload it, or restart the unit.'
}

/** Nothing that was not foreseen goes on in an unknown state: say it and stop; a supervisor starts anew. */
function guardCrashes(server: Server): void {
  process.on('uncaughtException', (err) => {
    if (server.log) server.log.fatal({ err }, 'unforeseen error, the server stops')
    else report(err)
    server.flushLogs()
    process.exit(EXIT.failure)
  })
}

async function check(sources: Sources): Promise<number> {
  try {
    await new Server(sources).check()
    return EXIT.ok
  } catch (error) {
    report(error)
    return exitCodeOf(error) === EXIT.usage ? EXIT.usage : EXIT.failure
  }
}

/** Help knows the options of every plugin that the command line names, and of those that an application brings. */
async function printHelp(values: ReadonlyMap<string, unknown>): Promise<number> {
  const named = (values.get('plugins') as string[] | undefined) ?? []
  return print(help(optionTable(await loadPlugins([...APPLICATION, ...named]))))
}

const printHooks = async (argv: readonly string[]) =>
  print(await listHooks(commandSources(commandLine(argv, process.env), false), argv.length > 0))

async function printConfiguration(parse: ReadArguments): Promise<number> {
  return print((await loadConfiguration(commandSources(parse, false))).print())
}

/** The plugins that an application brings: their options are always known. */
const APPLICATION = ['reload', 'workers', 'proxy', 'wsgi']

const loadPlugins = (names: readonly string[]) =>
  Promise.all([...new Set(names)].map((name) => resolvePlugin(name, process.cwd())))

function print(text: string): number {
  process.stdout.write(`${text.trimEnd()}\n`)
  return EXIT.ok
}

/** What stopped the start: a coded error says it in its text, any other needs its stack. @returns what was said */
function report(error: unknown): string {
  const text = describe(error)
    .trimEnd()
    .split('\n')
    .map((line) => `wsgi-core: error: ${line}\n`)
  const traceback = tracebackOf(error)
  const said = [...text, ...(traceback ? [`${traceback.trimEnd()}\n`] : [])].join('')
  process.stderr.write(said)
  return said
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'code' in error ? error.message : (error.stack ?? error.message)
}
