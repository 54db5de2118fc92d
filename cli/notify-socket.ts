import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fstatSync, readdirSync, writeSync } from 'node:fs'

/**
 * systemd listens at a datagram socket, which Node cannot open, and by default believes the service's main process
 * alone. So a small Python process opens it and passes the descriptor to this one, through a channel that Node reads.
 * It stays for as long as the channel does, which holds the descriptor, also where systemd sends its signal to all.
 */
const OPEN = `
import array, os, signal, socket, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
address = sys.argv[1]
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.connect("\\0" + address[1:] if address[0] == "@" else address)
notify.setblocking(False)
channel = socket.socket(fileno=3)
channel.setblocking(True)
inode = os.fstat(notify.fileno()).st_ino
rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [notify.fileno()]))
channel.sendmsg([b'{"inode": %d}\\n' % inode], [rights])
notify.close()
while channel.recv(4096):
    pass
`

/** A datagram socket of systemd's, open in this process. */
export class NotifySocket {
  readonly #helper: ChildProcess
  readonly #descriptor: number
  readonly #inode: number

  private constructor(helper: ChildProcess, descriptor: number, inode: number) {
    this.#helper = helper
    this.#descriptor = descriptor
    this.#inode = inode
  }

  /** Opens it with the first of these Python interpreters that there is. @throws where none can. */
  static async open(address: string, pythons: readonly string[]): Promise<NotifySocket> {
    const reasons: string[] = []
    for (const python of new Set(pythons)) {
      try {
        return await openBy(python, address, (...parts) => new NotifySocket(...parts))
      } catch (error) {
        reasons.push(`${python}: ${(error as Error).message}`)
      }
    }
    throw new Error(reasons.join('; '))
  }

  /** One message. @throws where it cannot be sent. */
  send(text: string): void {
    // Were the helper gone, the number could be that of another file by now.
    if (inodeOf(this.#descriptor) !== this.#inode) throw new Error('the socket is closed')
    writeSync(this.#descriptor, text)
  }

  close(): void {
    this.#helper.disconnect()
  }
}

async function openBy<T>(
  python: string,
  address: string,
  create: (helper: ChildProcess, descriptor: number, inode: number) => T,
): Promise<T> {
  const helper = spawn(python, ['-IS', '-c', OPEN, address], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: {},
    detached: true, // signals of the terminal are for the server
  })
  let errors = ''
  helper.stderr?.setEncoding('utf8').on('data', (text) => {
    errors += text
  })
  const inode = await Promise.race([
    once(helper, 'message').then(([message]) => message.inode as number),
    once(helper, 'close').then(([code]) => {
      throw new Error(errors.trimEnd().split('\n').at(-1) || `exit code ${code}`)
    }),
  ])
  const descriptor = openDescriptors().find((each) => inodeOf(each) === inode)
  if (descriptor === undefined) throw new Error('its descriptor has not arrived')
  helper.unref()
  helper.channel?.unref()
  helper.stderr?.destroy()
  return create(helper, descriptor, inode)
}

const openDescriptors = () => readdirSync('/proc/self/fd').map(Number)

function inodeOf(descriptor: number): number | undefined {
  try {
    return fstatSync(descriptor).ino
  } catch {
    return undefined // closed
  }
}
