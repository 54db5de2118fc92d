import { existsSync, readFileSync } from 'node:fs'
import {
  builtInPlugins,
  type Configuration,
  type HookTaps,
  inspectHooks,
  installedPlugins,
  loadConfiguration,
  type Plugin,
  programRoot,
  resolvePlugin,
  type Sources,
  version,
} from '../core/index.ts'
import { spelling } from './help.ts'

/** `plugins` alone is the command; with anything else it is an application of that name. */
export const isPluginsCommand = (argv: readonly string[]) =>
  argv.length === 1 && argv[0] === 'plugins'

/** `hooks`, alone or before a command line; `hooks:app` is an application. */
export const isHooksCommand = ([word]: readonly string[]) => word === 'hooks'

interface Listed {
  readonly name: string
  readonly version: string
}

/** `wsgi-core plugins`: what is built in or installed, its version, its options, and the hooks that it taps. */
export async function listPlugins(cwd: string): Promise<string> {
  const builtIn = builtInPlugins().map((name) => ({ name, version: `${version}, built in` }))
  const all = [...builtIn.sort(byName), ...installedPlugins(cwd).sort(byName)]
  return (await Promise.all(all.map((each) => describe(each, cwd)))).join('\n\n')
}

const byName = (a: Listed, b: Listed) => (a.name < b.name ? -1 : 1)

async function describe({ name, version }: Listed, cwd: string): Promise<string> {
  const lines = [`${name} (${version})`]
  try {
    const plugin = await resolvePlugin(name, cwd)
    const options = Object.values(plugin.config).filter(({ arg }) => arg !== undefined)
    if (options.length > 0) lines.push(`  options: ${options.map(spelling).join(', ')}`)
    const { dependencies } = plugin
    if (dependencies.length > 0) lines.push(`  needs: ${dependencies.join(', ')}`)
    lines.push(`  hooks: ${await tappedBy(plugin, cwd)}`)
  } catch (error) {
    lines.push(`  cannot be loaded: ${(error as Error).message}`)
  }
  return lines.join('\n')
}

/** With the defaults. Without its needs, such as an application, a plugin may tap nothing. */
async function tappedBy(plugin: Plugin, cwd: string): Promise<string> {
  const uses = [{ plugin, options: {} }]
  const values = plugin.name === 'wsgi' ? { wsgi: { app: 'hello:app' } } : {}
  const configuration = await loadConfiguration({ cwd, env: {}, file: null, uses, values })
  let reason = ''
  const failed = (name: string, error: unknown) => {
    if (name === plugin.name) reason = (error as Error).message
  }
  const taps = inspectHooks(configuration, failed)
  const names = taps.filter(({ plugins }) => plugins.includes(plugin.name)).map(({ hook }) => hook)
  return names.join(', ') || (reason && `not known with its defaults: ${reason}`) || 'none'
}

/** `wsgi-core hooks`: every hook, and, with a command line, who taps it, in order. */
export async function listHooks(sources: Sources, hasCommandLine: boolean): Promise<string> {
  const configuration = await loadConfiguration(sources)
  const purposes = readPurposes()
  return inspectHooks(configuration, () => {})
    .map((taps) => describeHook(taps, purposes.get(taps.hook), configuration, hasCommandLine))
    .join('\n')
}

function describeHook(
  { hook, kind, arguments: words, plugins }: HookTaps,
  purpose: string | undefined,
  { plugins: uses }: Configuration,
  hasCommandLine: boolean,
): string {
  const lines = [`${hook}(${words.join(', ')})  ${kind}`]
  if (purpose) lines.push(`    ${purpose}`)
  if (hasCommandLine && uses.length > 0) lines.push(`    taps: ${plugins.join(', ') || 'none'}`)
  return lines.join('\n')
}

/** From the reference that comes along, which is made from the code. */
function readPurposes(): Map<string, string> {
  const file = ['docs/hooks.md', '../docs/hooks.md']
    .map((path) => new URL(path, programRoot))
    .find((url) => existsSync(url))
  const text = file ? readFileSync(file, 'utf8') : ''
  return new Map(
    [...text.matchAll(/^\| `(\w+)` \|.*\| (.*) \|$/gm)].map(([, name = '', purpose = '']) => [
      name,
      purpose.replaceAll('`', ''),
    ]),
  )
}
