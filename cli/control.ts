import { lstatSync, unlinkSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { ControlFailed } from './errors.ts'
import type { Pidfile } from './pidfile.ts'

/** What is said over the control socket: JSON, a line each. The server's first line is its `Greeting`. */
export interface Greeting {
  readonly pid: number
}
export type Request = { readonly command: 'reload' }
export type Outcome =
  | { readonly ok: true }
  | {
      readonly ok: false
      readonly reason: string
      readonly exitCode: number
      readonly traceback?: string | undefined
    }

/** What those who may reach the socket can ask for. */
export interface Commands {
  reload(): Promise<Outcome>
}

/** `sun_path` holds 108 bytes with its end; a longer path would be cut off without a word. */
const LONGEST_PATH = 107
/** Of one request. */
const LONGEST_LINE = 1024
/** For the request to come, in milliseconds; the answer may take any time. */
const PATIENCE = 10_000
const MOST_CONNECTIONS = 16

/** Where the server of a pid file is asked. */
export const controlPath = (pidfile: string): string => `${pidfile}.ctl`

export const TOO_LONG = 'the path of the control socket beside it is longer than the system allows'

export const isTooLong = (path: string): boolean => Buffer.byteLength(path) > LONGEST_PATH

/**
 * Opens the socket beside the pid file, for the owner alone; it goes where the pid file goes. `failed` is told what
 * keeps it from being opened: then nobody can ask, and all else works.
 */
export function withControl(
  pidfile: Pidfile,
  commands: Commands,
  failed: (error: Error) => void,
): Pidfile {
  const open = () => {
    const path = controlPath(pidfile.path)
    const fail = (cause: Error) => failed(new ControlFailed(path, cause.message, { cause }))
    try {
      return openSocket(path, (socket) => converse(socket, commands), fail)
    } catch (cause) {
      fail(cause as Error)
      return { close() {} }
    }
  }
  let control = open()
  return {
    get path() {
      return pidfile.path
    },
    unlink: () => {
      control.close()
      pidfile.unlink()
    },
    rename: (path) => {
      pidfile.rename(path)
      control.close()
      control = open()
    },
  }
}

function openSocket(
  path: string,
  connected: (socket: Socket) => void,
  failed: (error: Error) => void,
): { close(): void } {
  if (isTooLong(path)) throw new Error(TOO_LONG)
  removeStale(path)
  const server = createServer(connected).unref()
  server.maxConnections = MOST_CONNECTIONS
  server.on('error', failed)
  const umask = process.umask(0o177) // from its first moment nobody else may connect
  server.listen(path) // binds before it returns
  process.umask(umask)
  const inode = inodeOf(path)
  return {
    close() {
      // It removes the file, which must still be its own.
      if (inode !== undefined && inodeOf(path) === inode) server.close()
    },
  }
}

const inodeOf = (path: string) => lstatSync(path, { throwIfNoEntry: false })?.ino

/** What a killed server left: the pid file is ours already. */
function removeStale(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found && !found.isSocket()) throw new Error('the file exists and is no socket')
  if (found) unlinkSync(path)
}

function converse(socket: Socket, commands: Commands): void {
  let text = ''
  socket.setEncoding('utf8').setTimeout(PATIENCE, () => socket.destroy())
  socket.on('error', () => socket.destroy()) // who asked is gone
  socket.on('data', (chunk) => {
    text += chunk
    const end = text.indexOf('\n')
    if (end < 0 && text.length <= LONGEST_LINE) return
    socket.removeAllListeners('data').setTimeout(0)
    void answer(text.slice(0, end), commands).then((outcome) => say(socket, outcome).end())
  })
  say(socket, { pid: process.pid } satisfies Greeting)
}

function say(socket: Socket, message: unknown): Socket {
  socket.write(`${JSON.stringify(message)}\n`)
  return socket
}

async function answer(line: string, commands: Commands): Promise<Outcome> {
  if (isReload(line)) return commands.reload()
  return { ok: false, reason: 'the server does not know this command', exitCode: 2 }
}

function isReload(line: string): boolean {
  try {
    return (JSON.parse(line) as Partial<Request> | null)?.command === 'reload'
  } catch {
    return false // no JSON
  }
}
