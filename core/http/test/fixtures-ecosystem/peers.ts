import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

/** A package whose own tests, those that listen, run on the engine as they are. */
export interface Peer {
  readonly name: string
  /** How many tests pass at least; so none of them can be lost without a word. */
  readonly least: number
  /** Beginnings of files that are left out, and why. */
  readonly without?: Readonly<Record<string, string>>
  /** Tests that may fail, and why that is meant to be. */
  readonly failing?: Readonly<Record<string, string>>
}

const here = new URL('.', import.meta.url)
const loader = new URL('engine-as-http.ts', here).href
const modules = join(here.pathname, '../../../../node_modules')
const PROCESSES = 4
const FILES = 15

/** Test files that listen, and whose own needs are installed; relative to the package. */
function filesOf({ name, without = {} }: Peer): string[] {
  const folder = join(modules, name, 'test')
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.js'))
    .filter((file) => !Object.keys(without).some((start) => file.startsWith(start)))
    .map((file) => join(folder, file))
    .filter(isRunnable)
    .sort()
}

function isRunnable(file: string): boolean {
  const text = readFileSync(file, 'utf8')
  if (!text.includes("require('node:test')") || !/\blisten\(/.test(text)) return false
  const { resolve } = createRequire(file)
  const needed = [...text.matchAll(/\brequire\('([^']+)'\)/g)].map(([, name]) => name as string)
  try {
    for (const each of needed) resolve(each)
    return true
  } catch {
    return false
  }
}

interface Outcome {
  readonly passed: number
  readonly failed: readonly string[]
  readonly output: string
}

/** Runs some files of a package in one process: much of the time of each would be its start. */
async function run({ name }: Peer, files: readonly string[]): Promise<Outcome> {
  const load = 'for (const file of process.argv.slice(1)) require(file)'
  const args = ['--import', import.meta.resolve('tsx'), '--import', loader, '--test-reporter=tap']
  const child = spawn(process.execPath, [...args, '-e', load, ...files], {
    cwd: join(modules, name),
    env: { ...process.env, CI: 'true' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  await new Promise((resolve) => child.on('close', resolve))
  return {
    passed: Number(/^# pass (\d+)$/m.exec(output)?.[1] ?? 0),
    failed: failedIn(output),
    output,
  }
}

/** Not those that fail because one within them does. */
function failedIn(tap: string): string[] {
  const failures = tap.matchAll(/^ *not ok \d+ - (.*)\n(?: +.*\n)*? *failureType: '(\w+)'/gm)
  return [...failures]
    .filter(([, , type]) => type !== 'subtestsFailed')
    .map(([, name]) => name as string)
}

async function runAll(peer: Peer): Promise<Outcome> {
  const waiting: string[][] = []
  const files = filesOf(peer)
  for (let at = 0; at < files.length; at += FILES) waiting.push(files.slice(at, at + FILES))
  const outcomes: Outcome[] = []
  const work = async () => {
    for (let some = waiting.shift(); some; some = waiting.shift()) {
      const first = await run(peer, some)
      outcomes.push(isGood(peer, first) ? first : await run(peer, some)) // some go by the clock
    }
  }
  await Promise.all(Array.from({ length: PROCESSES }, work))
  return {
    passed: outcomes.reduce((sum, { passed }) => sum + passed, 0),
    failed: outcomes.flatMap(({ failed }) => failed),
    output: outcomes
      .filter((each) => !isGood(peer, each))
      .map(({ output }) => output)
      .join('\n'),
  }
}

/** One that ends before its time has nothing to say of what passed. */
const isGood = ({ failing = {} }: Peer, { passed, failed }: Outcome) =>
  passed > 0 && failed.every((name) => name in failing)

/** A test for each: what fails unexpectedly is shown. */
export function suiteOfPeers(name: string, peers: readonly Peer[]) {
  const test = suite(name)
  for (const peer of peers) {
    test(peer.name, async () => {
      const { passed, failed, output } = await runAll(peer)
      assert.is(output, '', failed.join(', '))
      assert.ok(passed >= peer.least, `${passed} passed`)
    })
  }
  return test
}
