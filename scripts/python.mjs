// Which Pythons this machine has.
import { existsSync, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { capture } from './project.mjs'

const OLDEST_MINOR = 9
const NEWEST_TESTED_MINOR = 13

/** Throws an error of one line unless `python3` is new enough. */
export function requirePython() {
  const need = `wsgi-core needs Python 3.${OLDEST_MINOR} or newer`
  const version = readVersion('python3')
  if (!version) throw new Error(`${need}, and there is no 'python3' on PATH; install one first`)
  if (version.major === 3 && version.minor >= OLDEST_MINOR) return version
  throw new Error(`${need}, and 'python3' is ${version.text}; put a newer one first on PATH`)
}

/** One interpreter for each supported minor version that is installed: on PATH or by pyenv. */
export function findPythons() {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...pyenvFolders()]
  const found = []
  for (let minor = OLDEST_MINOR; minor <= NEWEST_TESTED_MINOR; minor++) {
    const command = folders
      .map((folder) => join(folder, `python3.${minor}`))
      // pyenv's shims exist for versions that are not switched on: ask each.
      .find((path) => existsSync(path) && readVersion(path)?.minor === minor)
    if (command) found.push({ name: `python3.${minor}`, command })
  }
  return found.length > 0 ? found : [{ name: 'python3', command: 'python3' }]
}

function pyenvFolders() {
  const versions = join(process.env.PYENV_ROOT ?? join(homedir(), '.pyenv'), 'versions')
  if (!existsSync(versions)) return []
  return readdirSync(versions).map((version) => join(versions, version, 'bin'))
}

function readVersion(command) {
  const { output } = capture(command, ['--version'])
  const match = /^Python (\d+)\.(\d+)\S*/m.exec(output)
  return match && { text: match[0], major: Number(match[1]), minor: Number(match[2]) }
}
