import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Manifest } from './plugin-version.ts'

/** The word in a package.json that says that the package is a plugin, whatever its name. */
const KEYWORD = 'wsgi-core-plugin'
const PREFIX = 'wsgi-core-plugin-'

/**
 * The plugins that are installed for this folder, by the word that `--plugins` takes: packages `wsgi-core-plugin-NAME`,
 * and packages of a scope that have the keyword `wsgi-core-plugin`.
 */
export function installedPlugins(cwd: string): { name: string; version: string }[] {
  const found = new Map<string, string>()
  for (const folder of createRequire(join(cwd, 'x.js')).resolve.paths('x') ?? []) {
    for (const id of listPackages(folder)) {
      const manifest = readManifest(join(folder, id, 'package.json'))
      const name = manifest && pluginName(id, manifest)
      if (name && !found.has(name)) found.set(name, manifest.version ?? '')
    }
  }
  return [...found].map(([name, version]) => ({ name, version }))
}

function pluginName(id: string, { keywords = [] }: Manifest): string | undefined {
  if (id.startsWith(PREFIX)) return id.slice(PREFIX.length)
  return id.startsWith('@') && keywords.includes(KEYWORD) ? id : undefined
}

function listPackages(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder).flatMap((name) =>
    name.startsWith('@') ? readdirSync(join(folder, name)).map((each) => `${name}/${each}`) : name,
  )
}

function readManifest(path: string): Manifest | undefined {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Manifest) : undefined
}
