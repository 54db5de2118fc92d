// Keeps .venv-test: the Python packages that our tests serve (Flask, Django) and tools that they use, pinned.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { capture, root } from './project.mjs'

const FOLDER = join(root, '.venv-test')
const REQUIREMENTS = join(root, 'test', 'python-requirements.txt')
const TOOLS = join(root, 'test', 'python-tools.txt')
const STAMP = join(FOLDER, 'stamp')

/** Makes the environment, or makes it anew when the requirements or the Python changed. */
export function prepareVirtualenv(pythonVersion) {
  const stamp = createHash('sha256')
    .update(pythonVersion)
    .update(readFileSync(REQUIREMENTS))
    .update(readFileSync(TOOLS))
    .digest('hex')
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === stamp) return
  console.log('making the Python environment .venv-test')
  rmSync(FOLDER, { recursive: true, force: true })
  const pip = makeFolder()
  if (!pip) return
  const install = (file) => capture(pip[0], [...pip.slice(1), '--quiet', '-r', file])
  const { ok, output } = install(REQUIREMENTS)
  if (!ok) throw new Error(`pip could not install test/python-requirements.txt:\n${output}`)
  const tools = install(TOOLS)
  if (!tools.ok) console.error(`pip could not install test/python-tools.txt:\n${tools.output}`)
  writeFileSync(STAMP, stamp)
}

/** The interpreter with those packages, or undefined where it could not be made. */
export function virtualenvPython() {
  return existsSync(STAMP) ? join(FOLDER, 'bin', 'python') : undefined
}

// Returns the pip command that installs into the new environment.
function makeFolder() {
  const install = ['-m', 'pip', 'install', '--disable-pip-version-check']
  const python = join(FOLDER, 'bin', 'python')
  if (capture('python3', ['-m', 'venv', FOLDER]).ok) return [python, ...install]
  // Debian without python3-venv: no ensurepip, but often a pip of its own.
  const isMade = capture('python3', ['-m', 'venv', '--without-pip', '--clear', FOLDER]).ok
  if (isMade && capture('python3', ['-m', 'pip', '--version']).ok) {
    const query = 'import sysconfig; print(sysconfig.get_path("purelib"))'
    return ['python3', ...install, '--target', capture(python, ['-c', query]).output.trim()]
  }
  console.error(
    "'python3 -m venv' does not work here, so tests that serve Flask and Django are skipped; " +
      'on Debian and Ubuntu: apt-get install python3-venv',
  )
  return undefined
}
