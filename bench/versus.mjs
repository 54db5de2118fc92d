// Compares this server with those installed on this machine; prints a markdown table.
//
//   npm run bench -- --seconds 3 --rounds 3 --workers 2 --connections 16 --only wsgi-core,uwsgi
//
// A busy machine makes single numbers worthless. So rounds are interleaved (A B C, B C A, ...),
// and what counts is the ratio to the base server, by round, then the median of the rounds.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { availableParallelism, cpus } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { APPS, CONTENDERS, env, firstVersion, python, temporary, which } from './contenders.mjs'

const BASES = ['nginx+gunicorn', 'gunicorn', 'uwsgi', 'granian', 'wsgi-core']
const SCENARIOS = { hello: 'hello:app', flask: 'flask_app:app' }

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '3' },
    workers: { type: 'string', default: '2' },
    connections: { type: 'string', default: '16' },
    only: { type: 'string', default: '' },
  },
})
const running = new Set()
const groups = new Set()
const [seconds, rounds] = [Number(values.seconds), Number(values.rounds)]

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  return port
}

// Each leads a process group, so that stopping it stops its workers too.
function start([command, ...args]) {
  const log = openSync(join(temporary, 'log'), 'a')
  const child = spawn(command, args, {
    cwd: APPS,
    env,
    detached: true,
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  running.add(child)
  if (child.pid) groups.add(child.pid)
  child.on('exit', () => running.delete(child)).on('error', () => running.delete(child))
}

async function stopAll() {
  signalAll('SIGTERM')
  for (let waited = 0; running.size > 0 && waited < 5000; waited += 50) await sleep(50)
  signalAll('SIGKILL')
  groups.clear()
}

function signalAll(signal) {
  for (const group of groups) {
    try {
      process.kill(-group, signal)
    } catch (error) {
      if (error.code !== 'ESRCH') throw error
    }
  }
}

async function untilReady(url, started) {
  for (let waited = 0; waited < 15_000 && running.size === started; waited += 100) {
    const body = await fetch(url)
      .then((response) => response.text())
      .catch(() => undefined)
    if (body === 'Hello, world!\n') return
    await sleep(100)
  }
  const log = readFileSync(join(temporary, 'log'), 'utf8').trim()
  throw new Error(`does not answer 'Hello, world!' at ${url}:\n${log.slice(-1000)}`)
}

function wrk(url, duration) {
  const args = ['-t1', `-c${values.connections}`, `-d${duration}`, '--latency', url]
  const output = execFileSync('wrk', args, { encoding: 'utf8', timeout: 60_000 })
  if (/Non-2xx|Socket errors/.test(output))
    throw new Error(/.*(?:Non-2xx|Socket errors).*/.exec(output)[0])
  return {
    rate: Number(/Requests\/sec: +([\d.]+)/.exec(output)[1]),
    p99: /99% +(\S+)/.exec(output)[1],
  }
}

function autocannon(url, duration) {
  const args = `--no autocannon -- -j -c ${values.connections} -d ${duration} ${url}`.split(' ')
  const result = JSON.parse(execFileSync('npx', args, { encoding: 'utf8', timeout: 60_000 }))
  if (result.non2xx + result.errors > 0) throw new Error(`${result.non2xx + result.errors} errors`)
  return { rate: result.requests.average, p99: `${result.latency.p99}ms` }
}

function chooseLoad() {
  if (which('wrk')) return wrk
  if (spawnSync('npx', ['--no', 'autocannon', '--', '--version']).status === 0) return autocannon
  throw new Error('the benchmark needs a load generator; install wrk, or autocannon by npm')
}

async function measure(contender, app, load) {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}/`
  try {
    const commands = contender.commands(app, port, values.workers)
    for (const command of commands) start(command)
    await untilReady(url, commands.length)
    load(url, 1)
    return load(url, seconds)
  } catch (error) {
    console.error(`${contender.name}: ${error.message}`)
    return undefined
  } finally {
    await stopAll()
  }
}

const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)]

function table(contenders, results) {
  const base = BASES.find((name) => results[name]?.some(Boolean))
  const rows = contenders.map(({ name, version }) => {
    const good = results[name].filter(Boolean)
    if (good.length === 0) return `| ${name} | ${version()} | failed | | |`
    const ratios = results[name].flatMap((cell, round) =>
      cell && results[base][round] ? [cell.rate / results[base][round].rate] : [],
    )
    const rate = median(good.map((cell) => cell.rate)).toFixed(0)
    const ratio = ratios.length > 0 ? `${median(ratios).toFixed(2)} ×` : ''
    return `| ${name} | ${version()} | ${rate} | ${ratio} | ${good.at(-1).p99} |`
  })
  return [
    `| server | version | requests/s | to ${base} | p99 |`,
    '|---|---|--:|--:|--:|',
    ...rows,
  ].join('\n')
}

async function main() {
  const load = chooseLoad()
  const only = values.only.split(',').filter(Boolean)
  const contenders = CONTENDERS.filter(
    ({ name, needs }) => needs.every(which) && (only.length === 0 || only.includes(name)),
  )
  const date = new Date().toISOString().slice(0, 10)
  console.log(
    `${date}, ${availableParallelism()} cores (${cpus()[0]?.model}), Node ${process.version}, ` +
      `Python ${firstVersion(python, '--version')}, ${load.name}, ${values.workers} workers, ` +
      `${values.connections} connections, ${rounds} rounds of ${seconds} s`,
  )
  for (const [scenario, app] of Object.entries(SCENARIOS)) {
    if (scenario === 'flask' && spawnSync(python, ['-c', 'import flask'], { env }).status !== 0) {
      console.log(`\nflask: left out, ${python} has no Flask`)
      continue
    }
    const results = Object.fromEntries(contenders.map(({ name }) => [name, []]))
    for (let round = 0; round < rounds; round++) {
      const turn = round % contenders.length
      for (const contender of [...contenders.slice(turn), ...contenders.slice(0, turn)]) {
        results[contender.name][round] = await measure(contender, app, load)
      }
    }
    console.log(`\n${scenario}\n\n${table(contenders, results)}`)
  }
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await stopAll()
    rmSync(temporary, { recursive: true, force: true })
    process.exit(1)
  })
}
try {
  await main()
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
} finally {
  rmSync(temporary, { recursive: true, force: true })
}
