import { existsSync, readdirSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { extname, isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { BadPlugin, MissingDependency, PluginLoad, UnknownPlugin } from './errors.ts'
import { nearest } from './nearest.ts'
import { programExtension, programRoot } from './paths.ts'
import { checkVersion } from './plugin-version.ts'
import { isPlugin, type Plugin, type PluginUse } from './plugins.ts'

const BUILT_IN = new URL('plugins/', programRoot)
const ENTRY = `index${programExtension}`

/** Names of the plugins that come with wsgi-core. */
export function builtInPlugins(): string[] {
  return readdirSync(BUILT_IN).filter((name) => existsSync(new URL(`${name}/${ENTRY}`, BUILT_IN)))
}

/**
 * Finds a plugin: a built-in by its name, then the package `wsgi-core-plugin-NAME`, `@scope/NAME` by its own name, a
 * path when it begins with `.` or `/`. Packages and paths are looked up from `cwd`.
 * @throws WSGI_CORE_UNKNOWN_PLUGIN, WSGI_CORE_PLUGIN_LOAD, WSGI_CORE_BAD_PLUGIN
 */
export async function resolvePlugin(name: string, cwd: string): Promise<Plugin> {
  const file = isPath(name) ? findPath(name, cwd) : undefined
  const url = file ? freshUrl(file) : (builtInUrl(name) ?? (await packageUrl(name, cwd)))
  const module = await importPlugin(name, url)
  const plugin = unwrapDefault(module)
  if (!isPlugin(plugin)) throw new BadPlugin(name, 'its default export has no name and apply()')
  if (isPackage(name, plugin.name)) {
    throw new BadPlugin(name, `the name that it gives itself is '${plugin.name}'`)
  }
  if (file) files.set(plugin, file)
  return plugin
}

/** The file of a plugin that was named by its path. */
export const pluginFile = (plugin: Plugin): string | undefined => files.get(plugin)

const files = new WeakMap<Plugin, string>()

/** Adds built-in plugins that others depend on. A missing third-party plugin is an error that says what to do. */
export async function addDependencies(
  uses: readonly PluginUse[],
  cwd: string,
): Promise<PluginUse[]> {
  const all = [...uses]
  for (const { plugin } of all) {
    for (const name of plugin.dependencies) {
      if (all.some((use) => use.plugin.name === name)) continue
      if (!builtInUrl(name)) throw new MissingDependency(plugin.name, name, remedy(name))
      all.push({ plugin: await resolvePlugin(name, cwd), options: {} })
    }
  }
  return all
}

const remedy = (name: string) =>
  `install it with 'npm install wsgi-core-plugin-${name}' and add it to --plugins`

function builtInUrl(name: string): URL | undefined {
  if (!/^[a-z][a-z0-9-]*$/.test(name)) return undefined
  const url = new URL(`${name}/${ENTRY}`, BUILT_IN)
  return existsSync(url) ? url : undefined
}

const isPath = (name: string) => name.startsWith('.') || isAbsolute(name)

function findPath(name: string, cwd: string): string {
  const path = resolve(cwd, name)
  const found = [path, join(path, 'index.js'), join(path, 'index.ts')].find(
    (file) => extname(file) && existsSync(file),
  )
  if (!found) throw new UnknownPlugin(name, `there is no such file: '${path}'`)
  return found
}

/** When each was changed last before it was imported first. */
const imported = new Map<string, number>()

/** Node imports a module once; one that has changed since is another module to it, so that a reload sees the change. */
function freshUrl(file: string): URL {
  const url = pathToFileURL(file)
  const { mtimeMs } = statSync(file)
  if (!imported.has(file)) imported.set(file, mtimeMs)
  if (imported.get(file) === mtimeMs) return url
  delete createRequire(file).cache[file] // a CommonJS module is kept there whatever its query
  url.search = `changed=${mtimeMs}`
  return url
}

/** Options are in the section that bears the plugin's own name, so it has to be the package's. */
const isPackage = (name: string, own: string) =>
  !isPath(name) && !name.startsWith('@') && name !== own

async function packageUrl(name: string, cwd: string): Promise<URL> {
  const id = name.startsWith('@') ? name : `wsgi-core-plugin-${name}`
  const url = findPackage(name, id, cwd)
  await checkVersion(name, id, fileURLToPath(url))
  return url
}

function findPackage(name: string, id: string, cwd: string): URL {
  try {
    return pathToFileURL(createRequire(join(cwd, 'x.js')).resolve(id))
  } catch (error) {
    const exported = exportedUrl(id, cwd)
    if (exported) return exported
    const near = nearest(name, builtInPlugins())
    const hint = near ? `did you mean '${near}'?` : `install it with 'npm install ${id}'`
    throw Object.assign(new UnknownPlugin(name, hint), { cause: error })
  }
}

/** `require.resolve` does not see a package whose `exports` have only an `import` condition. */
function exportedUrl(id: string, cwd: string): URL | undefined {
  const require = createRequire(join(cwd, 'x.js'))
  for (const folder of require.resolve.paths(id) ?? []) {
    const manifest = join(folder, id, 'package.json')
    if (!existsSync(manifest)) continue
    const entry = importEntry(require(manifest).exports)
    if (entry) return pathToFileURL(join(folder, id, entry))
  }
  return undefined
}

function importEntry(exports: unknown): string | undefined {
  if (typeof exports === 'string') return exports
  if (typeof exports !== 'object' || exports === null) return undefined
  const conditions = exports as Record<string, unknown>
  return importEntry(conditions['.'] ?? conditions.node ?? conditions.import ?? conditions.default)
}

async function importPlugin(name: string, url: URL): Promise<unknown> {
  try {
    return await import(url.href)
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    throw Object.assign(new PluginLoad(name, text), { cause: error })
  }
}

/** A CommonJS module compiled from ESM carries its default export one level deeper. */
function unwrapDefault(module: unknown): unknown {
  const outer = (module as { default?: unknown }).default
  return isPlugin(outer) ? outer : ((outer as { default?: unknown } | undefined)?.default ?? outer)
}
