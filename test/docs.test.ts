import { execFile, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseArguments } from '../cli/args.ts'
import { builtInPlugins, loadConfiguration, optionTable, resolvePlugin } from '../core/index.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const TSX = import.meta.resolve('tsx')
const pages = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`),
].filter((page) => page.endsWith('.md'))

const read = (page: string) => readFileSync(join(root, page), 'utf8')

/** The code blocks of a page that are of this kind. */
const blocks = (page: string, kind: string) =>
  [...read(page).matchAll(/^```(\w+)\n(.*?)^```$/gms)]
    .filter(([, language]) => language === kind)
    .map(([, , text]) => text as string)

const withoutCode = (text: string) => text.replace(/^```.*?^```$/gms, '').replace(/`[^`\n]*`/g, '')

/** GitHub's anchors of a page's headings. */
const anchors = (page: string) =>
  [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    (title as string)
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )

interface Link {
  readonly page: string
  readonly target: string
}

const links = (): Link[] =>
  pages.flatMap((page) =>
    [...withoutCode(read(page)).matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target]) => ({ page, target: target as string }))
      .filter(({ target }) => !/^[a-z]+:/.test(target)),
  )

const documents = suite('documents')

documents('every relative link leads to a file', () => {
  const broken = links().filter(({ page, target }) => {
    const path = (target.split('#')[0] as string) || page.slice(page.lastIndexOf('/') + 1)
    return !existsSync(join(root, dirname(page), path))
  })
  assert.equal(broken, [])
})

documents('every link to a heading leads to one', () => {
  const broken = links().filter(({ page, target }) => {
    const [path, anchor] = target.split('#') as [string, string?]
    const other = path === '' ? page : join(dirname(page), path)
    if (anchor === undefined || !existsSync(join(root, other))) return false
    return !anchors(other).includes(anchor)
  })
  assert.equal(broken, [])
})

/** `wsgi-core`, `npx wsgi-core` or `node_modules/.bin/wsgi-core` at a line's start, as a list of words. */
const commands = (text: string) =>
  [...text.matchAll(/^(?:npx |node_modules\/\.bin\/)?wsgi-core(?: (.*))?$/gm)].map(
    ([, line = '']) =>
      [...line.replace(/\s+#.*/, '').matchAll(/'([^']*)'|(\S+)/g)].map(
        ([, quoted, word]) => quoted ?? word ?? '',
      ),
  )

documents('the command line knows every option that is shown', async () => {
  const plugins = builtInPlugins().map((name) => resolvePlugin(name, root))
  const table = optionTable(await Promise.all(plugins))
  const shown = pages.flatMap((page) => blocks(page, 'sh').flatMap(commands))
  assert.ok(shown.length > 3)
  const isCommand = ([word = '']: readonly string[]) => ['new-plugin', 'hooks'].includes(word)
  for (const argv of shown.filter((each) => !isCommand(each)))
    assert.equal(parseArguments(argv, table).faults, [], argv.join(' '))
})

documents('every npm script that is shown exists', () => {
  const { scripts } = JSON.parse(read('package.json'))
  const shown = pages.flatMap((page) => [...read(page).matchAll(/npm run ([\w:-]+)/g)])
  for (const [line, name] of shown) assert.ok(scripts[name as string], line)
})

interface Context {
  folder: string
}

const examples = suite<Context>('examples in the documents')

examples.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'wsgi-core-docs-'))
})

examples.after.each(({ folder }) => rmSync(folder, { recursive: true }))

/** Whatever 'wsgi-core' exports, taken from the sources. */
function writeProject(folder: string, files: Record<string, string>): void {
  const compilerOptions = {
    noEmit: true,
    rootDir: '/',
    typeRoots: [join(root, 'node_modules', '@types')],
    paths: {
      'wsgi-core': [join(root, 'core/index.ts')],
      'wsgi-core/plugins/*': [join(root, 'plugins/*/index.ts')],
      'wsgi-core/testing': [join(root, 'testing/index.ts')],
    },
  }
  const tsconfig = { extends: join(root, 'tsconfig.json'), compilerOptions, include: ['*.ts'] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(tsconfig))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
}

/** Runs a file of the project in its own process, in the folder of the hello example. @returns what it printed. */
async function run(folder: string, file: string): Promise<string> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', TSX, join(folder, file)],
    {
      cwd: join(root, 'examples', 'hello'),
      env: { ...process.env, TSX_TSCONFIG_PATH: join(folder, 'tsconfig.json') },
      timeout: 60_000,
    },
  )
  return stdout
}

examples('TypeScript of all pages compiles', ({ folder }) => {
  const sources = pages.flatMap((page) => blocks(page, 'ts'))
  assert.ok(sources.length >= 2)
  writeProject(folder, Object.fromEntries(sources.map((text, index) => [`${index}.ts`, text])))
  const tsc = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', folder], { encoding: 'utf8' })
  assert.is(tsc.stdout, '')
  assert.is(tsc.status, 0)
})

examples('the server of the README serves the hello example', async ({ folder }) => {
  const shown = blocks('README.md', 'ts').find((text) => text.includes('createServer(')) ?? ''
  assert.match(shown, "'127.0.0.1:8000'")
  const use = `
    const answer = await fetch(server.addresses[0])
    console.log(answer.status, await answer.text())
    await server.close()`
  writeProject(folder, { 'main.ts': shown.replace('127.0.0.1:8000', '127.0.0.1:0') + use })
  assert.match(await run(folder, 'main.ts'), /^serving at http.*\n200 Hello, world!\n/)
})

examples(
  'the plugin of the README does what it says, with its default and with an option',
  async ({ folder }) => {
    const plugin = blocks('README.md', 'ts').find((text) => text.includes('definePlugin(')) ?? ''
    const main = `
    import { createServer } from 'wsgi-core'
    import plugin from './plugin.ts'
    for (const options of [{}, { text: 'tea' }]) {
      const server = createServer({ bind: ['127.0.0.1:0'] }).use(plugin(options))
      await server.listen()
      const answer = await fetch(server.addresses[0])
      console.log(answer.headers.get('x-powered-by'))
      await server.close()
    }`
    writeProject(folder, { 'plugin.ts': plugin, 'main.mts': main })
    assert.is(await run(folder, 'main.mts'), 'wsgi-core\ntea\n')
  },
)

for (const page of ['docs/configuration.md', 'docs/getting-started.md']) {
  examples(`the config files in ${page} are valid, and say the same`, async ({ folder }) => {
    const printed: string[] = []
    for (const kind of ['json', 'yaml', 'toml']) {
      for (const text of blocks(page, kind)) {
        const file = join(folder, `${printed.length}.${kind}`)
        writeFileSync(file, text)
        const target = { plugin: 'wsgi', option: 'app' }
        const configuration = await loadConfiguration({ cwd: folder, env: {}, file, target })
        printed.push(configuration.print())
      }
    }
    assert.ok(printed.length > 0)
    for (const text of printed) assert.is(text, printed[0])
  })
}

examples('the reference has the option of every plugin', () => {
  const page = read('docs/configuration.md')
  for (const name of builtInPlugins()) assert.match(page, `## Plugin \`${name}\``)
})

documents.run()
examples.run()
