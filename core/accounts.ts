import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** A user of the system. A number without an entry has neither name nor group. */
export interface Account {
  readonly uid: number
  readonly gid: number | undefined
  readonly name: string | undefined
}

/** By name or number; undefined: there is no such user. */
export function findUser(user: string): Account | undefined {
  const entry = find('passwd', user)
  if (entry) return { name: entry[0], uid: Number(entry[2]), gid: Number(entry[3]) }
  return isNumber(user) ? { name: undefined, uid: Number(user), gid: undefined } : undefined
}

/** Its number, by name or number; undefined: there is no such group. */
export function findGroup(group: string): number | undefined {
  const entry = find('group', group)
  if (entry) return Number(entry[2])
  return isNumber(group) ? Number(group) : undefined
}

/** (uid_t)-1 means "leave as it is" to the system, and is nobody's. */
const isNumber = (text: string) => /^\d{1,10}$/.test(text) && Number(text) < 0xffffffff

/** The fields of the first entry with this name or number, from the file or from what else the system asks (LDAP). */
function find(database: 'passwd' | 'group', key: string): string[] | undefined {
  if (key === '' || /[:\n]/.test(key)) return undefined
  const entries = readEntries(`/etc/${database}`)
  const found = entries.find(([name]) => name === key) ?? entries.find((entry) => entry[2] === key)
  if (found) return found
  const { stdout } = spawnSync('getent', ['--', database, key], { encoding: 'utf8' })
  return stdout ? stdout.trimEnd().split(':') : undefined
}

function readEntries(path: string): string[][] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
      .filter((entry) => entry.length > 2)
  } catch {
    return [] // a container without the file
  }
}
