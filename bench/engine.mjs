// The HTTP engine alone, beside node:http, beside a server that only writes one fixed answer (net), and under Fastify.
//
//   node bench/engine.mjs --seconds 1 --rounds 7 --connections 64 --idle 10000 --only many,new
//   node bench/engine.mjs --against ../before     beside the engine of another checkout: what a change costs
//
// Each contender is a process of its own and runs for the whole time; rounds go from one to the next. A busy machine makes
// rates worthless, so the CPU time of the server for a request is what counts, as a ratio within a round; then the median.
import { execFile, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { build } from 'esbuild'
import { root } from '../scripts/project.mjs'
import { temporary, which } from './contenders.mjs'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '7' },
    connections: { type: 'string', default: '64' },
    idle: { type: 'string', default: '10000' },
    only: { type: 'string', default: 'kept,many,new,idle' },
    against: { type: 'string' },
  },
})
const FEW = Number(values.connections)
const MANY = 1024
const run = promisify(execFile)
const client = join(root, 'bench/engine-client.mjs')

const LOADS = {
  kept: { title: `${FEW} connections`, connections: FEW },
  many: { title: '1,024 connections', connections: MANY },
  new: { title: 'a connection for each request', connections: FEW, close: true },
}
const engineHere = await buildEngine(root, 'here')
let contenders = {
  net: { title: 'net, a fixed answer', args: ['net', engineHere], loads: ['kept', 'many', 'new'] },
  engine: { title: 'engine', args: ['engine', engineHere], loads: ['kept', 'many', 'new'] },
  node: { title: 'node:http', args: ['node', engineHere], loads: ['kept', 'many', 'new'] },
  fastifyEngine: {
    title: 'Fastify on the engine',
    args: ['fastify-engine', engineHere],
    loads: ['kept'],
  },
  fastifyNode: {
    title: 'Fastify on node:http',
    args: ['fastify-node', engineHere],
    loads: ['kept'],
  },
}
/** What is compared with what. */
let pairs = [
  ['engine', 'node', 'kept'],
  ['engine', 'net', 'kept'],
  ['fastifyEngine', 'fastifyNode', 'kept'],
  ['engine', 'node', 'new'],
  ['engine', 'node', 'many'],
  ['engine', 'engine', 'many', 'kept'],
  ['node', 'node', 'many', 'kept'],
  ['net', 'net', 'many', 'kept'],
]
if (values.against) compareWith(await buildEngine(resolve(values.against), 'other'))

/** The engine alone, as one file. */
async function buildEngine(checkout, name) {
  const outfile = join(temporary, `engine-${name}.mjs`)
  const entryPoints = [join(checkout, 'core/http/engine.ts')]
  await build({ entryPoints, outfile, bundle: true, platform: 'node', format: 'esm' })
  return outfile
}

function compareWith(other) {
  const { engine, fastifyEngine } = contenders
  const before = { ...engine, title: 'the other engine', args: ['engine', other] }
  const fastifyBefore = { ...before, args: ['fastify-engine', other], loads: ['kept'] }
  contenders = { engine, before, fastifyEngine, fastifyBefore }
  pairs = engine.loads.map((kind) => ['engine', 'before', kind])
  pairs.push(['fastifyEngine', 'fastifyBefore', 'kept'])
}

async function start({ args }) {
  const child = fork(join(root, 'bench/engine-server.mjs'), args, { execArgv: ['--expose-gc'] })
  children.push(child)
  const [{ port }] = await once(child, 'message')
  return { child, port }
}

async function usage({ child }) {
  child.send('usage')
  const [used] = await once(child, 'message')
  return used
}

/** Sends requests for that long. @returns the requests/s */
async function load({ port }, { connections, close }, seconds) {
  if (!which('wrk')) {
    const args = [client, 'load', port, connections, seconds, ...(close ? ['close'] : [])]
    return Number((await run(process.execPath, args)).stdout)
  }
  const headers = close ? ['-H', 'Connection: close'] : []
  const args = ['-t1', `-c${connections}`, `-d${seconds}`, ...headers]
  const { stdout } = await run('wrk', [...args, `http://127.0.0.1:${port}/`])
  if (/Non-2xx|Socket errors: connect [^0]/.test(stdout)) throw new Error(stdout)
  return Number(/Requests\/sec: +([\d.]+)/.exec(stdout)[1])
}

async function measure(server, kind, seconds) {
  const before = await usage(server)
  const rate = await load(server, LOADS[kind], seconds)
  const after = await usage(server)
  return { rate, cpu: (after.cpu - before.cpu) / (after.served - before.served) }
}

/** Bytes for each idle connection on which a request was answered, in a process that has had few before. */
async function memoryOfIdle(contender) {
  const server = await start(contender)
  await load(server, LOADS.kept, 1)
  const before = await usage(server)
  const holder = spawn(process.execPath, [client, 'idle', server.port, values.idle], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const [count] = await once(holder.stdout, 'data')
  const after = await usage(server)
  holder.stdin.end()
  await once(holder, 'exit')
  return { count: Number(count), bytes: (after.memory - before.memory) / Number(count) }
}

const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)]

async function rounds(servers) {
  const names = Object.keys(contenders)
  const kinds = Object.keys(LOADS).filter((kind) => values.only.includes(kind))
  const cells = kinds.flatMap((kind) =>
    names.filter((name) => contenders[name].loads.includes(kind)).map((name) => [name, kind]),
  )
  const results = Object.fromEntries(cells.map((cell) => [cell, []]))
  for (const [name, kind] of cells) await measure(servers[name], kind, 1)
  for (let round = 0; round < Number(values.rounds); round++) {
    const turn = round % cells.length
    for (const cell of [...cells.slice(turn), ...cells.slice(0, turn)]) {
      const [name, kind] = cell
      results[cell].push(await measure(servers[name], kind, values.seconds))
    }
  }
  return results
}

function print(results) {
  console.log('\n| server | load | requests/s | CPU a request |\n|---|---|--:|--:|')
  for (const [cell, found] of Object.entries(results)) {
    const [name, kind] = cell.split(',')
    const rate = median(found.map((each) => each.rate)).toFixed(0)
    const cpu = median(found.map((each) => each.cpu)).toFixed(1)
    console.log(`| ${contenders[name].title} | ${LOADS[kind].title} | ${rate} | ${cpu} µs |`)
  }
  console.log('\n| so many times as quick | by CPU time | by requests/s |\n|---|--:|--:|')
  for (const [name, other, kind, than = kind] of pairs) {
    const [mine, theirs] = [results[[name, kind]], results[[other, than]]]
    if (!mine || !theirs) continue
    const cpu = median(mine.map((each, round) => theirs[round].cpu / each.cpu)).toFixed(2)
    const rate = median(mine.map((each, round) => each.rate / theirs[round].rate)).toFixed(2)
    const what = `${contenders[name].title} : ${contenders[other].title}`
    const loads =
      than === kind ? LOADS[kind].title : `${LOADS[kind].title} : ${LOADS[than].connections}`
    console.log(`| ${what}, ${loads} | ${cpu} | ${rate} |`)
  }
}

async function printMemory() {
  console.log('\n| idle connections, each used once | memory of each |\n|---|--:|')
  for (const contender of Object.values(contenders).filter(({ loads }) => loads.includes('many'))) {
    const { count, bytes } = await memoryOfIdle(contender)
    console.log(`| ${contender.title}, ${count} connections | ${(bytes / 1024).toFixed(1)} KiB |`)
  }
}

const children = []
try {
  const servers = {}
  for (const [name, contender] of Object.entries(contenders)) {
    servers[name] = await start(contender)
  }
  console.log(`node ${process.version}, ${availableParallelism()} cores`)
  print(await rounds(servers))
  if (values.only.includes('idle')) await printMemory()
} finally {
  for (const child of children) child.disconnect()
  rmSync(temporary, { recursive: true, force: true })
}
