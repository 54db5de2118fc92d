import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createTestServer } from '../../testing/index.ts'
import {
  builtInPlugins,
  createServer,
  definePlugin,
  loadConfiguration,
  type Plugin,
  resolvePlugin,
} from '../index.ts'

interface Context {
  folder: string
}

const withFolder = (name: string) => {
  const test = suite<Context>(name)
  test.before.each((context) => {
    context.folder = mkdtempSync(join(tmpdir(), 'wsgi-core-plugins-'))
  })
  test.after.each(({ folder }) => rmSync(folder, { recursive: true }))
  return test
}

const write = (folder: string, files: Readonly<Record<string, string>>) => {
  for (const [name, text] of Object.entries(files)) {
    const file = join(folder, name)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
}

async function rejects(promise: Promise<unknown>, code: string, text: string | RegExp) {
  const error = await promise.then(
    () => assert.unreachable('it went well'),
    (reason) => reason,
  )
  assert.is(error.code, code, String(error))
  assert.match(error.message, text)
  return error as Error
}

const apply = () => {}
const plugin = (name: string, dependencies: string[] = []) =>
  definePlugin({ name, dependencies, apply })
const load = (plugins: Plugin[], cwd = tmpdir()) =>
  loadConfiguration({
    cwd,
    env: {},
    file: null,
    uses: plugins.map((one) => ({ plugin: one, options: {} })),
  })
const order = async (plugins: Plugin[]) =>
  (await load(plugins)).plugins.map((one) => one.plugin.name)

const defining = suite('definePlugin')

const sized = definePlugin({
  name: 'sized',
  config: {
    size: { doc: 'Size.', format: 'natural', default: 1, arg: 'size' },
    color: { doc: 'Color.', format: ['red', 'blue'], default: 'red', arg: 'color' },
    title: { doc: 'Title.', format: 'text', default: null as string | null, nullable: true },
  },
  apply(_core, options) {
    const size: number = options.size
    const color: 'red' | 'blue' = options.color
    const title: string | null = options.title
    // @ts-expect-error: a number is no text
    const wrong: string = options.size
    // @ts-expect-error: there is no such option
    const missing = options.missing
    // @ts-expect-error: options are final
    options.size = 2
    void [size, color, title, wrong, missing]
  },
})

defining('infers the options from the schema', () => {
  sized({ size: 2, color: 'blue', title: null })
  // @ts-expect-error: a text is no number
  sized({ size: '2' })
  // @ts-expect-error: not one of the choices
  sized({ color: 'green' })
  // @ts-expect-error: there is no such option
  sized({ length: 2 })
})

defining('returns a plugin that is a function, too: it joins the plugin with options', () => {
  const use = sized({ size: 3 })
  assert.is(use.plugin, sized)
  assert.equal(use.options, { size: 3 })
  assert.equal(sized().options, {})
})

defining('gives options to apply, defaults filled in', async () => {
  let seen: unknown
  const probe = definePlugin({
    name: 'probe',
    config: sized.config,
    apply(_core, options) {
      seen = options
    },
  })
  const server = await createTestServer({ plugins: [probe({ size: 3 })] })
  await server.close()
  assert.equal(seen, { size: 3, color: 'red', title: null })
})

for (const name of ['Shop', 'my_plugin', '-a', 'a-', 'a--b', '1a', '', '@a/b']) {
  defining(`refuses the name '${name}'`, () => {
    assert.throws(
      () => plugin(name),
      (error: Error & { code: string }) =>
        error.code === 'WSGI_CORE_BAD_PLUGIN' && /must be kebab-case/.test(error.message),
    )
  })
}

defining.run()

const sorting = suite('plugins')

sorting('come after what they depend on, else in the order given', async () => {
  const c = plugin('c', ['b'])
  const b = plugin('b', ['a'])
  assert.equal(await order([plugin('x'), c, plugin('a'), b, plugin('y')]), [
    'x',
    'a',
    'b',
    'c',
    'y',
  ])
})

sorting('may have a dependency in common', async () => {
  const top = plugin('top', ['left', 'right'])
  const plugins = [top, plugin('right', ['base']), plugin('left', ['base']), plugin('base')]
  assert.equal(await order(plugins), ['base', 'left', 'right', 'top'])
})

sorting('of one name are refused', async () => {
  const text = "plugin 'a' is used twice; remove one of them"
  await rejects(load([plugin('a'), plugin('a')]), 'WSGI_CORE_DUPLICATE_PLUGIN', text)
})

sorting('that need each other are refused with the circle', async () => {
  const circle = [plugin('a', ['b']), plugin('b', ['c']), plugin('c', ['a'])]
  await rejects(
    load(circle),
    'WSGI_CORE_DEPENDENCY_CYCLE',
    'in a circle: a → b → c → a; remove one',
  )
})

sorting('that need themselves are refused', async () => {
  await rejects(load([plugin('a', ['a'])]), 'WSGI_CORE_DEPENDENCY_CYCLE', 'a → a')
})

sorting('bring the built-in plugins that they depend on', async () => {
  assert.equal(await order([plugin('mine', ['workers'])]), ['workers', 'mine'])
})

sorting('that miss a dependency are refused with what to install', async () => {
  const text =
    "plugin 'a' needs plugin 'cache', which is not loaded; install it with 'npm install wsgi-core-plugin-cache' and add it to --plugins"
  await rejects(load([plugin('a', ['cache'])]), 'WSGI_CORE_MISSING_DEPENDENCY', text)
})

sorting('offer services to those that depend on them, and to nobody too early', async () => {
  const seen: unknown[] = []
  const giver = definePlugin({
    name: 'giver',
    apply: (core) => core.provide('gift' as never, 'a book' as never),
  })
  const taker = definePlugin({
    name: 'taker',
    dependencies: ['giver'],
    apply(core) {
      seen.push(core.service('gift' as never))
      assert.throws(
        () => core.service('other' as never),
        /service 'other' is not provided; add 'other' to the plugin's dependencies/,
      )
    },
  })
  const server = await createTestServer({ plugins: [taker, giver] })
  await server.close()
  assert.equal(seen, ['a book'])
})

sorting('come too late once the server has started', async () => {
  const server = await createTestServer()
  assert.throws(() => server.server.use(plugin('late')), /plugin 'late' comes too late/)
  await server.close()
})

sorting(
  'can be given as objects of the same shape, made by another copy of wsgi-core',
  async () => {
    const foreign = { name: 'foreign', config: {}, dependencies: [], apply }
    const server = createServer({ bind: ['127.0.0.1:0'], errorLogfile: '/dev/null' }).use(foreign)
    await server.listen()
    await server.close()
  },
)

sorting.run()

const INDEX = pathToFileURL(join(import.meta.dirname, '../index.ts')).href
const shape = (name: string) => `{ name: '${name}', config: {}, dependencies: [], apply() {} }`
const CJS = (name: string) => `module.exports = ${shape(name)}`
const ESM = (name: string) => `export default ${shape(name)}`

const resolving = withFolder('resolvePlugin')

resolving('finds the built-in ones by name', async ({ folder }) => {
  assert.ok(builtInPlugins().includes('wsgi'))
  assert.is((await resolvePlugin('workers', folder)).name, 'workers')
})

const PACKAGES: [string, Record<string, string>][] = [
  ['CommonJS', { 'index.js': CJS('shop') }],
  ['CommonJS with main', { 'package.json': '{ "main": "./lib/it.js" }', 'lib/it.js': CJS('shop') }],
  [
    'CommonJS compiled from ESM',
    { 'index.js': `exports.__esModule = true; exports.default = ${shape('shop')}` },
  ],
  [
    'ESM with main',
    { 'package.json': '{ "type": "module", "main": "it.js" }', 'it.js': ESM('shop') },
  ],
  ...[
    '{ "import": "./it.js" }',
    '{ ".": { "import": "./it.js" } }',
    '{ ".": { "types": "./it.d.ts", "import": { "types": "./it.d.ts", "default": "./it.js" } } }',
    '"./it.js"',
  ].map((exports): [string, Record<string, string>] => [
    `ESM with exports ${exports}`,
    { 'package.json': `{ "type": "module", "exports": ${exports} }`, 'it.js': ESM('shop') },
  ]),
]

for (const [kind, files] of PACKAGES) {
  resolving(`finds a package: ${kind}`, async ({ folder }) => {
    write(join(folder, 'node_modules/wsgi-core-plugin-shop'), files)
    assert.is((await resolvePlugin('shop', folder)).name, 'shop')
  })
}

resolving('finds a package from a folder below', async ({ folder }) => {
  write(folder, { 'node_modules/wsgi-core-plugin-shop/index.js': CJS('shop'), 'a/b/x': '' })
  assert.is((await resolvePlugin('shop', join(folder, 'a/b'))).name, 'shop')
})

resolving('finds a scoped package by its own name', async ({ folder }) => {
  write(folder, { 'node_modules/@acme/shop/index.js': CJS('acme-shop') })
  assert.is((await resolvePlugin('@acme/shop', folder)).name, 'acme-shop')
})

resolving('finds files and folders by path', async ({ folder }) => {
  write(folder, {
    'one.mjs': ESM('one'),
    'two/index.js': CJS('two'),
    'three.mts': `import { definePlugin } from '${INDEX}'\nexport default definePlugin({ name: 'three', apply() {} })`,
  })
  assert.is((await resolvePlugin('./one.mjs', folder)).name, 'one')
  assert.is((await resolvePlugin('./two', folder)).name, 'two')
  assert.is((await resolvePlugin(join(folder, 'three.mts'), '/')).name, 'three')
  assert.is((await resolvePlugin('../one.mjs', join(folder, 'two'))).name, 'one')
})

for (const [file, code] of [
  ['shop.mjs', ESM],
  ['shop.cjs', CJS],
  ['shop.mts', ESM],
] as const) {
  resolving(`takes a file that has changed anew: ${file}`, async ({ folder }) => {
    write(folder, { [file]: code('one') })
    const before = await resolvePlugin(`./${file}`, folder)
    assert.is(await resolvePlugin(`./${file}`, folder), before)
    write(folder, { [file]: 'throw new Error("not yet")' })
    utimesSync(join(folder, file), 1, 1)
    await rejects(resolvePlugin(`./${file}`, folder), 'WSGI_CORE_PLUGIN_LOAD', 'not yet')
    write(folder, { [file]: code('two') })
    utimesSync(join(folder, file), 2, 2)
    const after = await resolvePlugin(`./${file}`, folder)
    assert.is(after.name, 'two')
    assert.is(await resolvePlugin(`./${file}`, folder), after)
  })
}

resolving('says what to install', async ({ folder }) => {
  const text = "plugin 'shop' cannot be found; install it with 'npm install wsgi-core-plugin-shop'"
  await rejects(resolvePlugin('shop', folder), 'WSGI_CORE_UNKNOWN_PLUGIN', text)
  const scoped = "install it with 'npm install @acme/shop'"
  await rejects(resolvePlugin('@acme/shop', folder), 'WSGI_CORE_UNKNOWN_PLUGIN', scoped)
})

resolving('says which built-in was probably meant', async ({ folder }) => {
  const text = "plugin 'wrokers' cannot be found; did you mean 'workers'?"
  await rejects(resolvePlugin('wrokers', folder), 'WSGI_CORE_UNKNOWN_PLUGIN', text)
})

resolving('says which path does not exist', async ({ folder }) => {
  const text = `plugin './none.js' cannot be found; there is no such file: '${folder}/none.js'`
  const error = rejects(resolvePlugin('./none.js', folder), 'WSGI_CORE_UNKNOWN_PLUGIN', text)
  await error
})

const NO_PLUGINS: [string, string][] = [
  ['no default', 'export const name = 1'],
  ['a number', 'export default 1'],
  ['null', 'export default null'],
  ['a function', 'export default function shop() {}'],
  ['no apply', "export default { name: 'shop', config: {}, dependencies: [] }"],
  ['no config', "export default { name: 'shop', dependencies: [], apply() {} }"],
]

for (const [kind, source] of NO_PLUGINS) {
  resolving(`refuses a module that is no plugin: ${kind}`, async ({ folder }) => {
    write(folder, { 'it.mjs': source })
    const text = "'./it.mjs' is not a plugin: its default export"
    await rejects(resolvePlugin('./it.mjs', folder), 'WSGI_CORE_BAD_PLUGIN', text)
  })
}

resolving('passes on why a module cannot be loaded', async ({ folder }) => {
  write(folder, { 'throws.mjs': "throw new Error('no luck')", 'broken.mjs': 'export default {' })
  const thrown = await rejects(
    resolvePlugin('./throws.mjs', folder),
    'WSGI_CORE_PLUGIN_LOAD',
    "plugin './throws.mjs' cannot be loaded: no luck",
  )
  assert.is((thrown.cause as Error).message, 'no luck')
  const broken = resolvePlugin('./broken.mjs', folder)
  await rejects(broken, 'WSGI_CORE_PLUGIN_LOAD', "plugin './broken.mjs' cannot be loaded")
})

resolving.run()
