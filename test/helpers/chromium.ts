// Debian's Chromium without a window, driven over the DevTools protocol.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WebSocket } from 'ws'

/** Where it is; undefined where it is not installed. */
export function findChromium(): string | undefined {
  try {
    return execFileSync('sh', ['-c', 'command -v chromium || command -v chromium-browser'], {
      encoding: 'utf8',
    }).trim()
  } catch {
    return undefined // the shell says that there is none
  }
}

type Parameters = Record<string, unknown>

/** One page. */
export class Browser {
  readonly #process: ChildProcess
  readonly #folder: string
  #socket!: WebSocket
  #session: string | undefined
  #count = 0
  readonly #waiting = new Map<number, (message: { result?: never; error?: unknown }) => void>()
  /** What happened, by name. */
  readonly #events: { method: string; params: Parameters }[] = []
  #heard: () => void = () => {}

  private constructor(process: ChildProcess, folder: string) {
    this.#process = process
    this.#folder = folder
  }

  static async start(program: string): Promise<Browser> {
    const folder = mkdtempSync(join(tmpdir(), 'wsgi-core-chromium-'))
    const options = ['--headless=new', '--no-sandbox', '--disable-gpu', '--no-first-run']
    const quiet = [
      '--disable-dev-shm-usage',
      '--disable-background-networking',
      '--disable-extensions',
    ]
    const args = [...options, ...quiet, '--remote-debugging-port=0', `--user-data-dir=${folder}`]
    // it leads a process group, so that all of it can be ended
    const child = spawn(program, [...args, 'about:blank'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    })
    const browser = new Browser(child, folder)
    await browser.#connect()
    return browser
  }

  async #connect(): Promise<void> {
    this.#socket = new WebSocket(await endpointOf(this.#process))
    await once(this.#socket, 'open')
    this.#socket.on('message', (data) => this.#receive(String(data)))
    const { targetInfos } = await this.send<{ targetInfos: { type: string; targetId: string }[] }>(
      'Target.getTargets',
    )
    const { targetId } = targetInfos.find(({ type }) => type === 'page') as { targetId: string }
    const attached = await this.send<{ sessionId: string }>('Target.attachToTarget', {
      targetId,
      flatten: true,
    })
    this.#session = attached.sessionId
    await this.send('Page.enable')
    await this.send('Runtime.enable')
  }

  send<T = unknown>(method: string, params: Parameters = {}): Promise<T> {
    const id = ++this.#count
    this.#socket.send(JSON.stringify({ id, method, params, sessionId: this.#session }))
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ result, error }) => {
        if (error) reject(new Error(`${method}: ${JSON.stringify(error)}`))
        else resolve(result as T)
      })
    })
  }

  /** Opens an address, and waits until it is loaded. */
  open(url: string): Promise<void> {
    return this.#navigate(() => this.send('Page.navigate', { url }))
  }

  /** Clicks with the mouse on what a selector finds, and waits for the page that comes. */
  click(selector: string): Promise<void> {
    return this.#navigate(async () => {
      const place = await this.evaluate<{ x: number; y: number }>(`(() => {
        const element = document.querySelector(${JSON.stringify(selector)})
        element.scrollIntoView()
        const { x, y, width, height } = element.getBoundingClientRect()
        return { x: x + width / 2, y: y + height / 2 }
      })()`)
      const mouse = { ...place, button: 'left', clickCount: 1 }
      await this.send('Input.dispatchMouseEvent', { type: 'mousePressed', ...mouse })
      await this.send('Input.dispatchMouseEvent', { type: 'mouseReleased', ...mouse })
    })
  }

  /** The value of an expression in the page. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result } = await this.send<{ result: { value: T } }>('Runtime.evaluate', {
      expression,
      returnByValue: true,
    })
    return result.value
  }

  /** How often something has happened since the start. */
  count(method: string): number {
    return this.#events.filter((event) => event.method === method).length
  }

  async close(): Promise<void> {
    const ended = once(this.#process, 'exit')
    this.#socket.close()
    process.kill(-(this.#process.pid as number), 'SIGKILL')
    await ended
    // its helpers may write for a moment more
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 20 })
  }

  async #navigate(begin: () => Promise<unknown>): Promise<void> {
    const before = this.count('Page.loadEventFired')
    await begin()
    await this.#until(() => this.count('Page.loadEventFired') > before)
  }

  #until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#heard = () => {
        if (holds()) resolve()
      }
      this.#heard()
    })
  }

  #receive(text: string): void {
    const message = JSON.parse(text)
    if (message.id !== undefined) {
      this.#waiting.get(message.id)?.(message)
      this.#waiting.delete(message.id)
    } else {
      this.#events.push(message)
      this.#heard()
    }
  }
}

function endpointOf({ stderr }: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      const [, endpoint] = /DevTools listening on (ws:\S+)/.exec(text) ?? []
      if (endpoint) resolve(endpoint)
    })
    stderr?.on('close', () => reject(new Error(`chromium ended: ${text}`)))
  })
}
