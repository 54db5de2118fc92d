import { closeSync, constants, fchownSync, fstatSync, lchownSync, openSync } from 'node:fs'
import { resolve } from 'node:path'
import { findGroup, findUser } from './accounts.ts'
import type { Configuration } from './config/load.ts'
import { CannotChangeUser } from './errors.ts'

interface Identity {
  readonly uid: number
  readonly gid: number
  /** Undefined: no further groups. */
  readonly initgroups: string | undefined
}

/** Not among Node's types. */
interface Initgroups {
  initgroups(user: string, group: number): void
}

/** Whether `--user` or `--group` ask for another identity than the process has. */
export function wantsOtherUser({ core }: Configuration): boolean {
  if (core.user === null && core.group === null) return false
  const { uid, gid } = identityOf(core)
  return uid !== process.geteuid?.() || gid !== process.getegid?.()
}

/** Gives Unix sockets and logs, which are open, to the user that the server is about to become. */
export function giveFiles({ core, cwd, binds }: Configuration): void {
  if (process.geteuid?.() !== 0) return // `changeUser` says so
  const { uid, gid } = identityOf(core)
  for (const address of binds) if (address.kind === 'unix') lchownSync(address.path, uid, gid)
  for (const file of [core.errorLogfile, core.accessLogfile]) {
    if (file !== null && file !== '-') giveLog(resolve(cwd, file), uid, gid)
  }
}

/**
 * Gives up the rights of root for good, in the whole process; whatever it starts from now on has the new user.
 * @throws WSGI_CORE_CANNOT_CHANGE_USER
 */
export function changeUser({ core }: Configuration): void {
  const { uid, gid, initgroups } = identityOf(core)
  if (process.geteuid?.() !== 0) throw new CannotChangeUser(nameOf(core), NOT_ROOT)
  try {
    if (initgroups === undefined) process.setgroups?.([gid])
    else (process as unknown as Initgroups).initgroups(initgroups, gid)
    process.setgid?.(gid)
    process.setuid?.(uid)
  } catch (cause) {
    throw new CannotChangeUser(nameOf(core), `the system says ${(cause as Error).message}`, {
      cause,
    })
  }
  if (process.getuid?.() !== uid) throw new CannotChangeUser(nameOf(core), 'it had no effect')
}

const NOT_ROOT =
  'only root may; start the server as root, or as that user without --user and --group'

const nameOf = ({ user, group }: Configuration['core']) => [user, group].filter(Boolean).join(':')

function identityOf(core: Configuration['core']): Identity {
  const account = core.user === null ? undefined : findUser(String(core.user))
  const group = core.group === null ? undefined : findGroup(String(core.group))
  const gid = group ?? account?.gid
  if (gid === undefined) {
    throw new CannotChangeUser(nameOf(core), 'the number has no group; name one by --group')
  }
  const uid = account?.uid ?? (process.getuid?.() as number)
  return { uid, gid, initgroups: core.initgroups ? account?.name : undefined }
}

/** Not what a link leads to, nor what is root's by another name: who may write in the folder chose that. */
function giveLog(path: string, uid: number, gid: number): void {
  let descriptor: number
  try {
    descriptor = openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch {
    return // a link, such as to /dev/stdout: it stays as it is
  }
  const file = fstatSync(descriptor)
  if (file.isFile() && file.nlink === 1) fchownSync(descriptor, uid, gid)
  closeSync(descriptor)
}
