import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { isZombie } from './signals.ts'

/** How the names of our private folders begin; mkdtemp adds six characters. */
export const PREFIX = 'wsgi-core-'
const NAME = /^wsgi-core-[A-Za-z0-9]{6}$/
const OWNER = 'owner'
/** Fields of /proc/PID/stat behind the name; the 20th is when the process started, in ticks since the machine did. */
const STARTED = 19

/** What tells a process from all others that there have been on this machine. */
interface Owner {
  readonly pid: number
  readonly started: string
  /** The name space of its number. */
  readonly space: string
  /** The run of the machine. */
  readonly boot: string
}

/** Notes in a folder which process it belongs to: this one. */
export function markOwner(folder: string): void {
  const owner = describeSelf()
  if (owner) writeFileSync(join(folder, OWNER), JSON.stringify(owner), { mode: 0o600 })
}

/** Removes the folders of servers that were killed: those that are ours, whose owner is gone, and that nobody uses. */
export function removeLeftovers(parent: string): void {
  const self = describeSelf()
  if (!self) return // not Linux: nothing could be proved
  for (const name of namesIn(parent).filter((each) => NAME.test(each))) {
    const folder = join(parent, name)
    if (isAbandoned(folder, self)) removeQuietly(folder)
  }
}

function namesIn(parent: string): string[] {
  try {
    return readdirSync(parent)
  } catch {
    return [] // who may make a folder there need not be allowed to look around
  }
}

function isAbandoned(folder: string, self: Owner): boolean {
  if (!isPrivate(folder)) return false
  const owner = readOwner(folder)
  if (owner?.boot !== self.boot) return false // another machine's, perhaps, in a folder that both see
  const isRead = isQueueRead(join(folder, 'queue'))
  if (isRead) return false
  if (owner.space === self.space) return startOf(owner.pid) !== owner.started
  return isRead === false // the number says nothing here; a pool without any process on its queue is over
}

/** A folder that this user alone can have made and filled. */
function isPrivate(folder: string): boolean {
  const stat = lstatSync(folder, { throwIfNoEntry: false })
  return (
    stat?.isDirectory() === true && stat.uid === process.geteuid?.() && (stat.mode & 0o77) === 0
  )
}

/** Whether any process has the pipe open; the server and each worker has. undefined: there is none. */
function isQueueRead(path: string): boolean | undefined {
  try {
    closeSync(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK))
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENXIO' ? false : undefined
  }
}

function readOwner(folder: string): Owner | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, OWNER), 'utf8')) as Owner
  } catch {
    return undefined // being made at this moment, or not one of these
  }
}

function describeSelf(): Owner | undefined {
  try {
    return {
      pid: process.pid,
      started: startOf(process.pid) as string,
      space: readlinkSync('/proc/self/ns/pid'),
      boot: readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim(),
    }
  } catch {
    return undefined
  }
}

/** undefined: there is no such process, or it is dead. */
function startOf(pid: number): string | undefined {
  if (isZombie(pid)) return undefined
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(') ') + 2).split(' ')[STARTED]
  } catch {
    return undefined
  }
}

function removeQuietly(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true })
  } catch {
    // another server that starts may be at it
  }
}
