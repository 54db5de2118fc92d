// What it costs to believe a proxy: forwarded headers with three hops, and the PROXY protocol before each connection.
//
//   node bench/proxy.mjs --seconds 1 --rounds 15 --workers 2
//
// One server has it all, and rounds go from one load to the other: the same request with fields of other names, of the
// same size, and the same connection without a header before it. Requests are of one client, or, as those of a proxy
// that keeps its connections, each of another one. What counts is the median of the rounds' ratios, of
// requests/s and, as a busy machine makes rates worthless, of the front's CPU time for a request.
import { execFile, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs, promisify } from 'node:util'
import { root } from '../scripts/project.mjs'
import { temporary } from './contenders.mjs'

const run = promisify(execFile)
const { values, positionals } = parseArgs({
  options: {
    seconds: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '15' },
    workers: { type: 'string', default: '2' },
  },
  allowPositionals: true,
})
const SECONDS = Number(values.seconds)
/** Connections at once. */
const WIDTH = 32
const CLIENTS = 1000
const FORWARDED = ['X-Forwarded-For', 'X-Forwarded-Proto']
const OTHERS = ['X-Somewhat-For', 'X-Somewhat-Proto']
/** For wrk: requests of so many clients in turn, IPv4 or IPv6. */
const SCRIPT = `
function init(args)
  requests, at = {}, 0
  for i = 1, tonumber(args[4]) do
    local last = (i * 7919) % 65536
    local client = args[3] == '6' and string.format('2001:db8:%x::%x', i, last + 1)
      or string.format('203.%d.%d.%d', i % 200, last / 256, last % 256)
    wrk.headers[args[1]] = client .. ', 10.0.0.3, 10.0.0.2'
    wrk.headers[args[2]] = 'https'
    requests[i] = wrk.format()
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
`
/** PROXY, TCP over IPv4: 203.0.113.9:50123 to 192.0.2.80:443. */
const V2 = Buffer.from('0d0a0d0a000d0a515549540a2111000ccb007109c0000250c3cb01bb', 'hex')
const REQUEST = Buffer.from('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')

if (positionals[0] === 'client')
  await connectAndAsk(Number(positionals[1]), positionals[2] === 'v2')
else await main()

async function main() {
  const server = await startServer()
  const loads = {
    'the same fields by other names': () => requests(server.http, OTHERS, 1),
    'forwarded headers, three hops': () => requests(server.http, FORWARDED, 1),
    'other names, other values each time': () => requests(server.http, OTHERS, CLIENTS),
    'three hops, another client each time': () => requests(server.http, FORWARDED, CLIENTS),
    'other names, other values of IPv6': () => requests(server.http, OTHERS, CLIENTS, '6'),
    'three hops, another client of IPv6': () => requests(server.http, FORWARDED, CLIENTS, '6'),
    connections: () => connections(server.http, 'none'),
    'connections with PROXY v2': () => connections(server.proxied, 'v2'),
  }
  const rounds = []
  for (const load of Object.values(loads)) await load() // warm
  for (let round = 0; round < Number(values.rounds); round++) {
    const results = {}
    const order = Object.entries(loads)
    for (const [name, load] of round % 2 ? order.reverse() : order) {
      const before = cpuOf(server.pid)
      const { rate, count } = await load()
      results[name] = { rate, cpu: (cpuOf(server.pid) - before) / count }
    }
    rounds.push(results)
  }
  server.stop()
  for (const name of Object.keys(loads)) {
    console.log(`${name}: ${Math.round(median(rounds.map((each) => each[name].rate)))}/s`)
  }
  const names = Object.keys(loads)
  for (let at = 0; at < names.length; at += 2) compare(rounds, names[at + 1], names[at])
}

function compare(rounds, name, other) {
  const ratio = (key) => median(rounds.map((each) => each[name][key] / each[other][key]))
  const [rate, cpu] = [ratio('rate'), ratio('cpu')].map((each) => each.toFixed(3))
  const more = median(rounds.map((each) => each[name].cpu - each[other].cpu)) / 1000
  const added = `${more < 0 ? '−' : '+'}${Math.abs(more).toFixed(2)} µs`
  console.log(`${name} ÷ ${other}: rate ${rate}, CPU time of the front ${cpu} (${added})`)
}

function median(list) {
  return [...list].sort((a, b) => a - b)[list.length >> 1]
}

async function startServer() {
  const [http, proxied] = [await freePort(), await freePort()]
  writeFileSync(
    join(temporary, 'hello.py'),
    'def app(environ, start_response):\n' +
      "    start_response('200 OK', [('Content-Length', '6')])\n    return [b'hello\\n']\n",
  )
  const args = [
    join(root, 'bin/wsgi-core.js'), '-b', `127.0.0.1:${http}`, '-b', `127.0.0.1:${proxied}`, '-w', values.workers,
    '--proxy-protocol', 'v2', '--proxy-protocol-binds', `127.0.0.1:${proxied}`,
    '--forwarded-allow-ips', '127.0.0.1,10.0.0.0/8', 'hello:app',
  ] // biome-ignore format: a command line
  const child = spawn(process.execPath, args, {
    cwd: temporary,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const lines = createInterface({ input: child.stderr })
  for await (const line of lines) if (line.includes('Listening at')) break
  return { pid: child.pid, http, proxied, stop: () => child.kill() }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  return port
}

/** Of all threads, in nanoseconds. */
function cpuOf(pid) {
  const tasks = readdirSync(`/proc/${pid}/task`)
  const times = tasks.map((task) => readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8'))
  return times.reduce((sum, text) => sum + Number(text.split(' ')[0]), 0)
}

async function requests(port, names, clients, family = '4') {
  const file = join(temporary, 'clients.lua')
  writeFileSync(file, SCRIPT)
  const load = ['-t1', `-c${WIDTH}`, `-d${SECONDS}`, '-s', file, `http://127.0.0.1:${port}/`]
  const args = [...load, '--', ...names, family, String(clients)]
  const { stdout } = await run('wrk', args)
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(stdout)
  return {
    rate: Number(/Requests\/sec: +([\d.]+)/.exec(stdout)[1]),
    count: Number(/(\d+) requests in/.exec(stdout)[1]),
  }
}

async function connections(port, header) {
  const args = ['--seconds', values.seconds, 'client', port, header]
  const child = fork(process.argv[1], args.map(String))
  const [count] = await once(child, 'message')
  return { rate: count / SECONDS, count }
}

async function connectAndAsk(port, isProxied) {
  const bytes = isProxied ? Buffer.concat([V2, REQUEST]) : REQUEST
  const end = performance.now() + SECONDS * 1000
  let count = 0
  const once = () =>
    new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1')
      let answer = ''
      socket.on('data', (chunk) => {
        answer += chunk
      })
      socket.on('error', reject)
      socket.on('close', () => (answer.includes(' 200 OK') ? resolve() : reject(new Error(answer))))
      socket.write(bytes)
    })
  const loop = async () => {
    for (; performance.now() < end; count++) await once()
  }
  await Promise.all(Array.from({ length: WIDTH }, loop))
  process.send(count)
  process.disconnect()
}
