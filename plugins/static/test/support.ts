// A server with the plugin, over a folder of its own, for the suites here.
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { suite } from 'uvu'
import { type Core, definePlugin } from '../../../core/index.ts'
import { createTestServer, type TestServer } from '../../../testing/index.ts'
import staticFiles from '../index.ts'

export interface Context {
  /** Not what is served: that is `site` in it. */
  folder: string
  undo: (() => unknown)[]
}

export const withFolder = (name: string) => {
  const test = suite<Context>(name)
  test.before.each((context) => {
    const folder = mkdtempSync(join(tmpdir(), 'wsgi-core-static-'))
    context.folder = folder
    context.undo = [() => rmSync(folder, { recursive: true })]
    mkdirSync(join(folder, 'site'))
  })
  test.after.each(async ({ undo }) => {
    for (const step of undo.reverse()) await step()
  })
  return test
}

/** Long enough ago for tags to be strong. */
export const PAST = new Date('2024-05-06T07:08:09.250Z')
export const PAST_TEXT = 'Mon, 06 May 2024 07:08:09 GMT'

/** Writes files below `site`, as they were in the past. */
export function write({ folder }: Context, files: Readonly<Record<string, string | Buffer>>): void {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, 'site', name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content)
    utimesSync(path, PAST, PAST)
  }
}

/** Descriptors of this process that are open below the folder. */
export const openFiles = ({ folder }: Context) =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder)
    } catch {
      return false // closed in between
    }
  }).length

export interface Answer {
  readonly status: number
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** As latin-1. */
  readonly body: string
}

export interface Site extends TestServer {
  /** One request with a path that is sent as it is. */
  ask(path: string, options?: AskOptions): Promise<Answer>
}

export interface AskOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** What the stand-in for an application answers. */
export const APP = 'the application'

type Apply = (core: Core) => void
const standIn: Apply = ({ hooks }) => {
  hooks.handle.tap('app', (_request, reply) => {
    reply.send(APP)
    return true
  })
}

/** Starts a server; `apply` is that of a plugin behind the one under test, which plays the application. */
export async function start(
  { folder, undo }: Context,
  options: Record<string, unknown>,
  apply: Apply | undefined = standIn,
  config: Record<string, unknown> = {},
): Promise<Site> {
  const app = definePlugin({ name: 'app', dependencies: ['static'], apply })
  const plugins = [staticFiles(options as never), app]
  const server = await createTestServer({ plugins, config: { chdir: folder, ...config } })
  undo.push(() => server.close())
  return Object.assign(server, {
    async ask(path: string, options: AskOptions = {}) {
      return parse(await server.raw(requestText(path, options)))
    },
  })
}

/** Without any application. */
export const startAlone = (context: Context, options: Record<string, unknown>) =>
  start(context, options, () => {})

/** Sends these bytes, and makes a change when the answer has begun, of which no more is read before. @returns all that comes. */
export async function changeAmid(site: Site, bytes: string, change: () => void): Promise<string> {
  const connection = await site.connect()
  connection.socket.pause()
  connection.send(bytes)
  await new Promise((resolve) => connection.socket.once('readable', resolve))
  change()
  connection.socket.resume()
  return connection.rest()
}

export function requestText(path: string, { method = 'GET', headers = {} }: AskOptions = {}) {
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n${fields.join('')}\r\n`
}

export function parse(raw: string): Answer {
  const end = raw.indexOf('\r\n\r\n')
  const [first = '', ...lines] = raw.slice(0, end).split('\r\n')
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const at = line.indexOf(': ')
    const name = line.slice(0, at).toLowerCase()
    headers[name] = name in headers ? `${headers[name]}, ${line.slice(at + 2)}` : line.slice(at + 2)
  }
  return { status: Number(first.split(' ')[1]), headers, body: raw.slice(end + 4) }
}
