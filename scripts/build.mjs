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
import { basename, join } from 'node:path'
import { capture, isProgram, listFiles, localBin, main, root } from './project.mjs'

const DIST = join(root, 'dist')
const STAMP = '.build'
const PYTHON = [
  join('plugins', 'wsgi', 'python'),
  join('core', 'logging', 'syslog', 'unix_datagrams.py'),
]
const FOLDERS = ['core', 'cli', 'plugins', 'testing']
const FILES = ['tsconfig.json', 'package-lock.json', join('scripts', 'build.mjs')]

const isNotShipped = (name) => ['test', 'tests', '__pycache__', 'node_modules'].includes(name)

/** Brings dist/ up to date; does nothing when no source changed since the last build. */
export function build() {
  const stamp = describeSources()
  if (readStamp() === stamp) return
  // Built aside and swapped in, so that a failed build leaves the last good one and no file
  // of a removed source stays behind.
  const fresh = join(root, `dist.tmp-${process.pid}`)
  try {
    compile(fresh)
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

function copyPython(outDir) {
  for (const path of PYTHON) {
    cpSync(join(root, path), join(outDir, path), {
      recursive: true,
      filter: (source) => !isNotShipped(basename(source)),
    })
  }
}

if (isProgram(import.meta.url)) await main(build)
