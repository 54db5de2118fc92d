// Real proxies, from the system's packages.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { until } from '../../../test/helpers/server-process.ts'

const FOLDERS = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']

const isCI = !['', '0', 'false'].includes(process.env.CI ?? '')

/** Where it is; undefined where it is not installed, which CI takes for a failure. */
export function findProgram(name: string): string | undefined {
  const found = FOLDERS.map((folder) => join(folder, name)).find((path) => existsSync(path))
  if (found === undefined && isCI) throw new Error(`${name} is not installed`)
  if (found === undefined) console.log(`skipped: ${name} is not installed`)
  return found
}

/** A proxy that runs. */
export interface Program {
  stop(): Promise<void>
}

/** Starts it, and waits until it accepts at this port. */
export async function startProgram(
  path: string,
  args: readonly string[],
  port: number,
): Promise<Program> {
  const child = spawn(path, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const ended = once(child, 'close')
  await until(`${path} accepts`, async () => {
    if (child.exitCode !== null) throw new Error(`${path} ended:\n${output}`)
    return accepts(port)
  })
  return { stop: () => stop(child, ended) }
}

async function stop(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  child.kill('SIGTERM')
  await ended
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })
}

/** One that nobody has at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
