import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { PluginVersion } from './errors.ts'
import { version } from './version.ts'

/** What is read of a plugin's package.json. */
export interface Manifest {
  readonly name?: string
  readonly version?: string
  readonly keywords?: readonly string[]
  readonly peerDependencies?: Readonly<Record<string, string>>
}

/** Checks the range of `peerDependencies`, where there is one. @throws WSGI_CORE_PLUGIN_VERSION */
export async function checkVersion(name: string, id: string, entry: string): Promise<void> {
  const manifest = manifestOf(id, entry)
  const range = manifest?.peerDependencies?.['wsgi-core']
  if (range === undefined) return
  const { default: satisfies } = await import('semver/functions/satisfies.js') // seldom needed
  if (satisfies(version, range, { includePrerelease: true })) return
  throw new PluginVersion(name, manifest?.version ?? '', range, version)
}

/** The package.json of the package that this file belongs to. */
export function manifestOf(id: string, file: string): Manifest | undefined {
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    const path = join(folder, 'package.json')
    if (!existsSync(path)) continue
    const manifest = JSON.parse(readFileSync(path, 'utf8')) as Manifest
    if (manifest.name === id) return manifest
  }
  return undefined
}
