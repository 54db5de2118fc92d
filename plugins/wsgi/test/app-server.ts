// The real server with an app of apps/, for the suites here.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import { type ServerProcess, startServer } from '../../../test/helpers/server-process.ts'

export const APPS = fileURLToPath(new URL('apps', import.meta.url))

/** What a suite's tests work with. One server serves them all. */
export interface AppServer {
  server: ServerProcess
  /** TEST_FOLDER of the app: by files in it, tests and app tell each other how far they are. */
  folder: string
  /** Whether the app, or a test, has left this file. */
  has(name: string): boolean
  /** Leaves a file for which the app waits. */
  open(name: string): void
}

/** A suite over one server that runs `target` with these arguments. */
export function appSuite(name: string, target: string, args: readonly string[] = []) {
  const test = suite<AppServer>(name)
  test.before(async (context) => {
    Object.assign(context, await startApp(target, args))
  })
  test.after((context) => stopApp(context))
  return test
}

/** Starts the server with an app of apps/; `stopApp` undoes it. */
export async function startApp(
  target: string,
  args: readonly string[] = [],
  bindIn = (_folder: string) => '127.0.0.1:0',
): Promise<AppServer> {
  const folder = mkdtempSync(join(tmpdir(), 'wsgi-core-app-'))
  try {
    const server = await startServer([...args, target], {
      cwd: APPS,
      env: { TEST_FOLDER: folder },
      bind: bindIn(folder),
    })
    return {
      server,
      folder,
      has: (file) => existsSync(join(folder, file)),
      open: (file) => writeFileSync(join(folder, file), ''),
    }
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
}

export async function stopApp({ server, folder }: AppServer): Promise<void> {
  await server?.stop()
  if (folder) rmSync(folder, { recursive: true, force: true })
}

/** An answer as it stood on the wire. */
export interface WireAnswer {
  /** `200 OK` */
  readonly status: string
  readonly fields: readonly (readonly [name: string, value: string])[]
  /** Without its chunked framing. */
  readonly body: string
  /** Whether all of the body came, by Content-Length or the last chunk; true where the end alone tells. */
  readonly whole: boolean
}

/** Takes apart what a connection gave up to its end, which is one answer to a request with this method. */
export function readAnswer(raw: string, method = 'GET'): WireAnswer {
  const end = raw.indexOf('\r\n\r\n')
  if (end < 0) return { status: '', fields: [], body: raw, whole: false }
  const [first = '', ...lines] = raw.slice(0, end).split('\r\n')
  const fields = lines.map((line) => splitOnce(line, ': '))
  const status = first.slice('HTTP/1.1 '.length)
  const rest = raw.slice(end + 4)
  if (method === 'HEAD' || /^(1..|204|304) /.test(status))
    return { status, fields, body: rest, whole: true }
  if (fieldOf(fields, 'transfer-encoding') === 'chunked')
    return { status, fields, ...unchunk(rest) }
  const length = fieldOf(fields, 'content-length')
  const whole = length === undefined || rest.length === Number(length)
  return { status, fields, body: rest, whole }
}

export const fieldOf = (fields: WireAnswer['fields'], name: string) =>
  fields.find(([known]) => known.toLowerCase() === name)?.[1]

function unchunk(text: string): { body: string; whole: boolean } {
  let body = ''
  let at = 0
  for (;;) {
    const line = /^([0-9a-f]+)\r\n/i.exec(text.slice(at, at + 20))
    if (!line) return { body, whole: false }
    const size = Number.parseInt(line[1] as string, 16)
    const start = at + line[0].length
    if (size === 0) return { body, whole: text.slice(start) === '\r\n' }
    body += text.slice(start, start + size)
    if (text.slice(start + size, start + size + 2) !== '\r\n') return { body, whole: false }
    at = start + size + 2
  }
}

function splitOnce(line: string, by: string): readonly [string, string] {
  const at = line.indexOf(by)
  return at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + by.length)]
}

/** The bytes of a request without a body; the connection ends with its answer. */
export const requestText = (target: string, { method = 'GET', version = '1.1' } = {}) =>
  `${method} ${target} HTTP/${version}\r\nHost: test\r\nConnection: close\r\n\r\n`

/** One request over a connection of its own, answered as it stood on the wire. */
export async function onTheWire(
  { server }: AppServer,
  target: string,
  { method = 'GET', version = '1.1' } = {},
): Promise<WireAnswer> {
  return readAnswer(await server.raw(requestText(target, { method, version })), method)
}
