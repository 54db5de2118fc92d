import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

// Biome checks the other boundaries while you type (biome.json); it cannot tell types from values.

const root = fileURLToPath(new URL('..', import.meta.url))
const IMPORT =
  /^(?:import|export)\s+(type\s)?[^'"]*?from\s+['"](\.[^'"]+)['"]|^import\s+['"](\.[^'"]+)['"]/gm
const PROCESS = /\bprocess\.(?:exit|on|once|argv)\b/

const sources = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((file) => join(folder, file))
    .filter((file) => file.endsWith('.ts') && !/(^|\/)(test|node_modules)\//.test(file))

const read = (file: string) => readFileSync(join(root, file), 'utf8')
const pluginOf = (path: string) => /^plugins\/([^/]+)/.exec(path)?.[1]

function valueImportsOfOtherPlugins(file: string): string[] {
  return [...read(file).matchAll(IMPORT)]
    .filter(([, type]) => type === undefined)
    .map(([, , from, bare]) => normalize(join(dirname(file), from ?? bare ?? '')))
    .filter((target) => pluginOf(target) !== undefined && pluginOf(target) !== pluginOf(file))
}

const boundaries = suite('boundaries')

boundaries('a plugin imports only types from another plugin', () => {
  const found = sources('plugins').flatMap((file) =>
    valueImportsOfOtherPlugins(file).map((target) => `${file} imports ${target}`),
  )
  assert.equal(found, [])
})

boundaries('only the command line touches process.exit, process.on and process.argv', () => {
  // Programs of their own, which the server starts.
  const programs = /^plugins\/wsgi\/node\//
  // For whoever composes a server and asks for it.
  const onRequest = 'core/process-signals.ts'
  const files = [...sources('core'), ...sources('plugins'), ...sources('testing')]
  const found = files
    .filter((file) => !programs.test(file) && file !== onRequest)
    .filter((file) => PROCESS.test(read(file)))
  assert.equal(found, [])
})

boundaries.run()
