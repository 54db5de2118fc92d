// Installs what package-lock.json names, if node_modules does not hold it yet.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { capture, root } from './project.mjs'

export function installDependencies() {
  if (isInstalled()) return
  console.log('installing dependencies')
  const flags = ['--include=dev', '--no-audit', '--no-fund', '--loglevel=error']
  const exact = capture('npm', ['ci', ...flags])
  if (exact.ok) return
  // npm ci refuses a lock file that lacks a package for some other platform.
  const isOutOfSync = exact.output.includes('EUSAGE')
  const result = isOutOfSync ? capture('npm', ['install', '--no-save', ...flags]) : exact
  if (!result.ok) throw new Error(`npm could not install:\n${result.output}`)
}

// By content, not by time: `git checkout` and `npm install` touch the lock file without changing it.
function isInstalled() {
  const wanted = readPackages('package-lock.json')
  const present = readPackages(join('node_modules', '.package-lock.json'))
  if (!present) return false
  // Optional packages are for other platforms.
  return Object.entries(wanted ?? {}).every(
    ([path, entry]) => path === '' || entry.optional || present[path]?.version === entry.version,
  )
}

function readPackages(path) {
  try {
    return JSON.parse(readFileSync(join(root, path), 'utf8')).packages
  } catch {
    return undefined // not there, or cut off half-way: install
  }
}
