// Builds dist/: TypeScript compiled by tsc, and the Python worker as it is.
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { capture, isProgram, listFiles, localBin, main, root } from './project.mjs'

const DIST = join(root, 'dist')
const STAMP = '.build'
const PYTHON = [
  join('plugins', 'wsgi', 'python'),
  join('core', 'logging', 'syslog', 'unix_datagrams.py'),
]
const FOLDERS = ['core', 'cli', 'plugins', 'testing']
/** Besides the plugins. */
const ENTRIES = [
  join('core', 'index.js'),
  join('cli', 'head-start.js'),
  join('cli', 'main.js'),
  join('cli', 'args.js'), // these two are for scripts/docs.mjs
  join('cli', 'help.js'),
  join('testing', 'index.js'),
  join('plugins', 'wsgi', 'node', 'spawner.js'),
  join('plugins', 'wsgi', 'node', 'worker.js'),
]
const FILES = ['tsconfig.json', 'package-lock.json', join('scripts', 'build.mjs')]

const isNotShipped = (name) => ['test', 'tests', '__pycache__', 'node_modules'].includes(name)

/** Brings dist/ up to date; does nothing when no source changed since the last build. */
export async function build() {
  const stamp = describeSources()
  if (readStamp() === stamp) return
  // Built aside and swapped in, so that a failed build leaves the last good one and no file
  // of a removed source stays behind.
  const fresh = join(root, `dist.tmp-${process.pid}`)
  try {
    compile(fresh)
    completeTypes(fresh)
    await joinForRequire(fresh)
    await joinModules(fresh)
    copyPython(fresh)
    writeFileSync(join(fresh, STAMP), stamp)
    rmSync(DIST, { recursive: true, force: true })
    renameSync(fresh, DIST)
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
}

function describeSources() {
  const folders = FOLDERS.filter((folder) => existsSync(join(root, folder)))
  const files = [...folders.flatMap((folder) => listFiles(folder, isNotShipped)), ...FILES].sort()
  const hash = createHash('sha256')
  for (const file of files) {
    const { mtimeMs, size } = statSync(join(root, file))
    hash.update(`${file} ${mtimeMs} ${size}\n`)
  }
  return hash.digest('hex')
}

function readStamp() {
  const path = join(DIST, STAMP)
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

function compile(outDir) {
  const { ok, output } = capture(localBin('tsc'), ['--outDir', outDir, '--noEmitOnError'])
  if (!ok) throw new Error(`the build failed:\n${output}`)
}

/**
 * Puts the compiled modules together: one file for each entry, and one for each part that several of them share or that
 * is loaded only when it is needed. To find and load a hundred small files takes longer than to run them.
 */
async function joinModules(outDir) {
  const { build: bundle } = await import('esbuild') // nothing is installed yet when this script is read
  const compiled = listFiles(basename(outDir)).filter((file) => file.endsWith('.js'))
  const all = compiled.map((file) => relative(basename(outDir), file))
  const files = all.filter((file) => !file.startsWith('cjs'))
  const { metafile } = await bundle({
    absWorkingDir: outDir,
    entryPoints: files.filter(isEntry),
    outdir: '.',
    outbase: '.',
    allowOverwrite: true,
    chunkNames: 'core/[name]-[hash]', // where core/paths.js finds the rest
    bundle: true,
    splitting: true,
    metafile: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    logLevel: 'warning',
    banner: { js: REQUIRE },
    plugins: [requiredPackages],
  })
  for (const file of files) if (!(file in metafile.outputs)) rmSync(join(outDir, file))
}

const REQUIRE = `import { createRequire as createProgramRequire } from 'node:module'
const require = createProgramRequire(import.meta.url)`

/**
 * CommonJS packages are loaded by `require`: for an `import` Node reads each of their files twice, first to find out what
 * they export, which takes as long again.
 */
const requiredPackages = {
  name: 'required-packages',
  setup(build) {
    build.onResolve({ filter: /^[@a-z]/ }, ({ kind, path, namespace }) => {
      if (path.startsWith('node:') || kind === 'dynamic-import') return undefined
      return namespace === 'required' ? { path, external: true } : { path, namespace: 'required' }
    })
    build.onLoad({ filter: /./, namespace: 'required' }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(path)})`,
    }))
  },
}

/** The compiler leaves `.ts` in the imports of declarations, which not every tool that reads them follows. */
function completeTypes(outDir) {
  for (const file of listFiles(basename(outDir)).filter((name) => name.endsWith('.d.ts'))) {
    const text = readFileSync(join(root, file), 'utf8')
    writeFileSync(join(root, file), text.replace(/(['"])(\.{1,2}\/[^'"]+)\.ts\1/g, '$1$2.js$1'))
  }
}

/**
 * `cjs/`: the same entries for `require`, which on Node 20 takes no ES modules: each in one file, the plugins with the
 * core outside of it, so that there is one core. They find the program's files where the ES modules do.
 */
async function joinForRequire(outDir) {
  const { build: bundle } = await import('esbuild')
  const folder = join(outDir, 'cjs')
  const files = listFiles(basename(outDir)).map((file) => relative(basename(outDir), file))
  await bundle({
    absWorkingDir: outDir,
    entryPoints: files.filter((file) => isEntry(file) && !isProgramEntry(file)),
    outdir: 'cjs',
    outbase: '.',
    bundle: true,
    packages: 'external',
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    logLevel: 'warning',
    define: { 'import.meta.url': 'moduleUrl' },
    banner: { js: MODULE_URL },
    plugins: [oneCore(outDir)],
  })
  writeFileSync(join(folder, 'package.json'), '{ "type": "commonjs" }\n')
  for (const file of files.filter((name) => name.endsWith('.d.ts'))) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    cpSync(join(outDir, file), join(folder, file))
  }
}

const MODULE_URL = `const moduleUrl = (() => {
  const at = __filename.lastIndexOf('/cjs/')
  return require('node:url').pathToFileURL(__filename.slice(0, at) + __filename.slice(at + 4)).href
})();`

const oneCore = (outDir) => ({
  name: 'one-core',
  setup(build) {
    build.onResolve({ filter: /\/core\/index\.js$/ }, ({ kind, importer }) => {
      if (kind === 'entry-point') return undefined
      const from = relative(outDir, dirname(importer))
      if (from.split('/')[0] === 'core') return undefined
      const entryFolder = from.split('/').slice(0, from.startsWith('plugins') ? 2 : 1)
      return { path: relative(entryFolder.join('/'), 'core/index.js'), external: true }
    })
  },
})

const isEntry = (file) => ENTRIES.includes(file) || /^plugins.[^/\\]+.index\.js$/.test(file)

const isProgramEntry = (file) => /^cli\b|\bnode\b/.test(file)

function copyPython(outDir) {
  for (const path of PYTHON) {
    cpSync(join(root, path), join(outDir, path), {
      recursive: true,
      filter: (source) => !isNotShipped(basename(source)),
    })
  }
}

if (isProgram(import.meta.url)) await main(build)
