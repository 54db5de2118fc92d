// Builds dist/: TypeScript compiled by tsc, and the Python worker as it is.
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, join, relative } from 'node:path'
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
  join('cli', 'main.js'),
  join('cli', 'args.js'), // these two are for scripts/docs.mjs
  join('cli', 'help.js'),
  join('testing', 'index.js'),
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
  const files = compiled.map((file) => relative(basename(outDir), file))
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
  })
  for (const file of files) if (!(file in metafile.outputs)) rmSync(join(outDir, file))
}

const isEntry = (file) => ENTRIES.includes(file) || /^plugins.[^/\\]+.index\.js$/.test(file)

function copyPython(outDir) {
  for (const path of PYTHON) {
    cpSync(join(root, path), join(outDir, path), {
      recursive: true,
      filter: (source) => !isNotShipped(basename(source)),
    })
  }
}

if (isProgram(import.meta.url)) await main(build)
