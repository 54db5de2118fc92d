// JavaScript applications: in the front and in one Node worker, beside a Fastify route on our engine; and what ten plugins
// with empty taps cost, before a route, an application in the front and one in a Python worker. Then the latency of quick requests beside slow ones, in Node and in Python workers.
//
//   npm run build && node bench/javascript.mjs --seconds 1 --rounds 7
//
// Each contender is a process of its own; rounds go from one to the next, and the CPU time of a request is compared within a
// round, then the median. Of a server with workers the process that has more to do counts: it sets the rate; what plugins
// cost a server with a worker is told of its front alone.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { root } from '../scripts/project.mjs'

const OPTIONS = {
  seconds: { type: 'string', default: '1' },
  rounds: { type: 'string', default: '7' },
  mixed: { type: 'boolean', default: false },
  only: { type: 'string', default: 'fastify,front,worker,plain,plugins' },
}
const SELF = fileURLToPath(import.meta.url)
const CONNECTIONS = 32
/** Seconds of load before latencies are measured. */
const WARM_UP = 4
const TICKS = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

const CONTENDERS = {
  fastify: { title: 'Fastify route on our engine', args: [SELF, '--', 'fastify'] },
  front: { title: 'wsgi(app) in the front', args: [SELF, '--', 'front'] },
  worker: { title: './app.mjs:app in one worker', args: [SELF, '--', 'worker'] },
  plain: { title: 'without plugins', args: [SELF, '--', 'plain'] },
  plugins: { title: 'ten plugins, each tapping every hook', args: [SELF, '--', 'plugins'] },
  frontPlugins: {
    title: 'wsgi(app) in the front, ten plugins',
    args: [SELF, '--', 'front', 'plugins'],
  },
  python: { title: 'front of app:app', args: [SELF, '--', 'python'], ofFront: true },
  pythonPlugins: {
    title: 'front of app:app, ten plugins',
    args: [SELF, '--', 'python', 'plugins'],
    ofFront: true,
  },
}
const PAIRS = [
  ['front', 'fastify', 0.85],
  ['worker', 'fastify', 0.4],
  ['plugins', 'plain', 0.9],
  ['frontPlugins', 'front', 0.9],
  ['pythonPlugins', 'python', 0.9],
]

const APP = `import { setTimeout as after } from 'node:timers/promises'
export const app = (environ, startResponse) => {
  startResponse('200 OK', [['Content-Type', 'text/plain']])
  if (environ.PATH_INFO === '/slow') return after(50).then(() => [Buffer.from('slow')])
  return [Buffer.from('hello')]
}`
const PYTHON_APP = `import time
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/slow":
        time.sleep(0.05)
    return [b"hello"]
`

/** One contender, in its own process. */
async function serve(kind, plugins) {
  const { createServer, definePlugin, createHooks } = await import('../dist/core/index.js')
  const { default: wsgi } = await import('../dist/plugins/wsgi/index.js')
  const server = createServer({ bind: ['127.0.0.1:0'], logLevel: 'error' })
  const hello = (_environ, startResponse) => {
    startResponse('200 OK', [['Content-Type', 'text/plain']])
    return [Buffer.from('hello')]
  }
  const route = (fastify) =>
    fastify.get('/', (_request, reply) => {
      reply.header('content-type', 'text/plain').send('hello')
    })
  if (kind === 'front') server.use(wsgi(hello))
  else if (kind === 'worker') server.use(wsgi({ app: join(process.env.APPS, 'app.mjs:app') }))
  else if (kind === 'python') server.use(wsgi({ app: 'app:app', pythonpath: [process.env.APPS] }))
  else server.fastify(route)
  if (kind === 'plugins' || plugins) {
    for (let number = 0; number < 10; number++) {
      const name = `empty-${number}`
      const tapAll = ({ hooks }) => {
        for (const hook of Object.keys(createHooks())) {
          if (hook === 'fastifyOptions' || hook === 'listeners')
            hooks[hook].tap(name, (value) => value)
          else hooks[hook].tap(name, () => undefined)
        }
      }
      server.use(definePlugin({ name, apply: tapAll }))
    }
  }
  await server.listen()
  console.log(server.addresses[0])
}

/** CPU seconds of a process and of all below it, each. */
function cpuOf(pid) {
  const found = []
  const parents = new Map()
  for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    try {
      const fields = readFileSync(`/proc/${name}/stat`, 'latin1').split(') ').at(-1).split(' ')
      parents.set(Number(name), [
        Number(fields[1]),
        (Number(fields[11]) + Number(fields[12])) / TICKS,
      ])
    } catch {
      // gone meanwhile
    }
  }
  const isBelow = (each) => each === pid || (parents.has(each) && isBelow(parents.get(each)[0]))
  for (const [each, [, seconds]] of parents) if (isBelow(each)) found.push([each, seconds])
  return new Map(found)
}

async function start(args, env) {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], env })
  const [url] = await once(createInterface({ input: child.stdout }), 'line')
  return { child, url }
}

function load(url, seconds) {
  const args = ['-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, url]
  const output = execFileSync('wrk', args, { encoding: 'utf8' })
  return Number(/(\d+) requests in/.exec(output)[1])
}

/** Microseconds of CPU for a request, of the process that has most to do, or of the front. */
function measure({ child, url }, seconds, ofFront = false) {
  const before = cpuOf(child.pid)
  const count = load(url, seconds)
  const spent = new Map(
    [...cpuOf(child.pid)].map(([pid, cpu]) => [pid, cpu - (before.get(pid) ?? 0)]),
  )
  return ((ofFront ? spent.get(child.pid) : Math.max(...spent.values())) / count) * 1e6
}

const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)]

async function compare({ seconds, rounds, only }, env) {
  const names = only.split(',')
  const servers = {}
  for (const name of names) servers[name] = await start(CONTENDERS[name].args, env)
  for (const server of Object.values(servers)) load(server.url, seconds)
  const costs = []
  for (let round = 0; round < Number(rounds); round++) {
    const cost = {}
    for (const name of names) cost[name] = measure(servers[name], seconds, CONTENDERS[name].ofFront)
    costs.push(cost)
  }
  for (const { child } of Object.values(servers)) child.kill()
  for (const name of names) {
    const { title } = CONTENDERS[name]
    console.log(
      `${title}: ${median(costs.map((cost) => cost[name])).toFixed(1)} µs of CPU a request`,
    )
  }
  for (const [name, beside, wanted] of PAIRS) {
    if (!names.includes(name) || !names.includes(beside)) continue
    const ratio = median(costs.map((cost) => cost[beside] / cost[name]))
    console.log(
      `${CONTENDERS[name].title} : ${CONTENDERS[beside].title} = ${ratio.toFixed(2)}, wanted ${wanted}`,
    )
  }
}

/** Milliseconds of quick requests, one after the other, while slow ones keep half of the workers busy. */
async function latencies(url, seconds) {
  const slow = spawn('wrk', ['-t1', '-c2', `-d${Number(seconds) + 1}s`, `${url}/slow`], {
    stdio: 'ignore',
  })
  const args = ['-t1', '-c1', `-d${seconds}s`, '--latency', url]
  const output = execFileSync('wrk', args, { encoding: 'utf8' })
  slow.kill()
  await once(slow, 'close')
  const [median, p99] = [50, 99].map((share) => {
    const [, value, unit] = new RegExp(`^ +${share}% +([\\d.]+)(us|ms|s)$`, 'm').exec(output)
    return Number(value) * { us: 0.001, ms: 1, s: 1000 }[unit]
  })
  return { median, p99 }
}

async function compareMixed({ seconds, rounds }, folder) {
  const bin = join(root, 'bin/wsgi-core.js')
  const targets = { node: './app.mjs:app', python: 'app:app' }
  const servers = {}
  for (const [name, target] of Object.entries(targets)) {
    const args = [bin, '-b', '127.0.0.1:0', '-w', '4', target]
    const child = spawn(process.execPath, args, {
      cwd: folder,
      stdio: ['ignore', 'inherit', 'pipe'],
    })
    for await (const line of createInterface({ input: child.stderr })) {
      const url = /Listening at: (\S+)/.exec(line)?.[1]
      if (url) {
        servers[name] = { child, url }
        break
      }
    }
  }
  // JavaScript is compiled while it runs: until then some thousands of requests take longer
  for (const { url } of Object.values(servers)) load(url, WARM_UP)
  const all = { node: [], python: [] }
  for (let round = 0; round < Number(rounds); round++) {
    for (const name of Object.keys(all)) {
      all[name].push(await latencies(servers[name].url, seconds))
    }
  }
  for (const { child } of Object.values(servers)) child.kill()
  for (const [name, found] of Object.entries(all)) {
    const [middle, high] = ['median', 'p99'].map((each) => median(found.map((one) => one[each])))
    console.log(
      `${name}: quick requests beside slow ones: median ${middle.toFixed(2)} ms, p99 ${high.toFixed(2)} ms`,
    )
  }
}

if (process.argv[2] === '--') await serve(process.argv[3], process.argv[4])
else {
  const { values } = parseArgs({ options: OPTIONS })
  const folder = mkdtempSync(join(tmpdir(), 'wsgi-core-bench-'))
  writeFileSync(join(folder, 'app.mjs'), APP)
  writeFileSync(join(folder, 'app.py'), PYTHON_APP)
  try {
    if (values.mixed) await compareMixed(values, folder)
    else await compare(values, { ...process.env, APPS: folder })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
