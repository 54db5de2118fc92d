// One server with different options, side by side: what a benchmark of ours compares.
//
// All servers run for the whole time, and the rounds go from one to the next, so that what else the
// machine does falls on each of them. What counts is the ratio to the first, by round, then the median.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { parseArgs, promisify } from 'node:util'
import { CONTENDERS, env, temporary } from './contenders.mjs'

const TICKS = 100 // a second, in /proc/PID/stat on Linux

/** The arguments of such a benchmark. */
export const readArguments = (more = {}) =>
  parseArgs({
    options: {
      seconds: { type: 'string', default: '2' },
      rounds: { type: 'string', default: '5' },
      workers: { type: 'string', default: '2' },
      connections: { type: 'string', default: '16' },
      clients: { type: 'string', default: '1' },
      app: { type: 'string', default: 'hello:app' },
      ...more,
    },
  }).values

/** Measures each variant, options by name; prints a table under `title`. */
export async function compare(title, variants, values) {
  const servers = new Map()
  try {
    for (const [name, options] of Object.entries(variants))
      servers.set(name, await start(options, values))
    await measureAll(title, servers, values)
  } finally {
    for (const { child } of servers.values()) child.kill()
    const ends = [...servers.values()].map(({ child }) => child.exitCode ?? once(child, 'exit'))
    await Promise.all(ends)
    rmSync(temporary, { recursive: true, force: true })
  }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  return port
}

async function start(options, values) {
  const port = await freePort()
  const { commands } = CONTENDERS.find(({ name }) => name === 'wsgi-core')
  const [[command, ...args]] = commands(values.app, port, values.workers)
  args.splice(-1, 0, ...options)
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  child.stdout.resume()
  return { child, url: `http://127.0.0.1:${port}/` }
}

async function untilReady({ child, url }) {
  while (child.exitCode === null) {
    const answer = await fetch(url).catch(() => undefined)
    if (answer?.ok) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`the server ended with ${child.exitCode}`)
}

/** Seconds that this process and those below it have used so far. */
function cpuSeconds(root) {
  const stats = readdirSync('/proc').flatMap((pid) => (/^\d+$/.test(pid) ? statOf(pid) : []))
  const tree = new Set([root])
  for (let size = 0; size !== tree.size; ) {
    size = tree.size
    for (const { pid, parent } of stats) if (tree.has(parent)) tree.add(pid)
  }
  return stats.reduce((sum, { pid, ticks }) => sum + (tree.has(pid) ? ticks : 0), 0) / TICKS
}

function statOf(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1].split(' ')
    return [{ pid: Number(pid), parent: Number(fields[1]), ticks: +fields[11] + +fields[12] }]
  } catch {
    return [] // it has ended
  }
}

const run = promisify(execFile)

async function measure({ child, url }, values) {
  const before = cpuSeconds(child.pid)
  const args = [`-t${values.clients}`, `-c${values.connections}`, `-d${values.seconds}`, url]
  const { stdout: output } = await run('wrk', args)
  if (/Non-2xx|Socket errors/.test(output)) throw new Error(output)
  const rate = Number(/Requests\/sec: +([\d.]+)/.exec(output)[1])
  const requests = Number(/(\d+) requests in/.exec(output)[1])
  return { rate, cpu: ((cpuSeconds(child.pid) - before) / requests) * 1e6 }
}

const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)]

async function measureAll(title, servers, values) {
  const names = [...servers.keys()]
  for (const server of servers.values()) {
    await untilReady(server)
    await measure(server, values)
  }
  const results = Object.fromEntries(names.map((name) => [name, []]))
  for (let round = 0; round < Number(values.rounds); round++) {
    const turn = round % names.length
    for (const name of [...names.slice(turn), ...names.slice(0, turn)]) {
      results[name].push(await measure(servers.get(name), values))
    }
  }
  const [base] = names
  console.log(
    `| ${title} | requests/s | to ${base} | CPU a request | to ${base} |\n|---|--:|--:|--:|--:|`,
  )
  for (const name of names) {
    const ratio = (key) =>
      median(results[name].map((cell, round) => cell[key] / results[base][round][key])).toFixed(2)
    const [rate, cpu] = ['rate', 'cpu'].map((key) => median(results[name].map((c) => c[key])))
    console.log(
      `| ${name} | ${rate.toFixed(0)} | ${ratio('rate')} | ${cpu.toFixed(1)} µs | ${ratio('cpu')} |`,
    )
  }
}
