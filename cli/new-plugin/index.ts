import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { BadPluginName, FolderExists } from '../errors.ts'
import { projectFiles } from './project.ts'
import { sourceFiles } from './sources.ts'

export const isNewPluginCommand = ([word]: readonly string[]) => word === 'new-plugin'

/**
 * `wsgi-core new-plugin NAME`: a folder with a plugin that works, and a test that passes. NAME may be of a scope.
 * @returns what to say. @throws WSGI_CORE_BAD_PLUGIN_NAME, WSGI_CORE_FOLDER_EXISTS
 */
export function newPlugin(argv: readonly string[], cwd: string): string {
  const [given = ''] = argv
  const [, scope = '', name = ''] = /^(@[a-z0-9-]+\/)?(?:wsgi-core-plugin-)?(.*)$/.exec(given) ?? []
  const isName = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)
  if (argv.length !== 1 || !isName) throw new BadPluginName(given)
  const id = `${scope}wsgi-core-plugin-${name}`
  const folder = resolve(cwd, `wsgi-core-plugin-${name}`)
  if (existsSync(folder)) throw new FolderExists(folder)
  const word = scope ? id : name
  const files = { ...projectFiles(id, name, word), ...sourceFiles(name) }
  for (const [path, text] of Object.entries(files)) write(join(folder, path), text)
  return [
    `Made ${folder}. Next:`,
    `  cd wsgi-core-plugin-${name}`,
    '  npm install',
    '  npm test',
  ].join('\n')
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}
