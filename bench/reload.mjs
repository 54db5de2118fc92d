// What a reload costs the requests beside it: an app whose import computes for a second, 64 connections.
//
//   node bench/reload.mjs --reloads 10 --workers 2 --connections 64 --import 1 [--preload]
//
// Prints, for each reload, the 99th percentile and the slowest request while it went on, and both before it; then
// the median of the ratios, and what was added to the slowest. Requests that failed would make it exit with 1.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    reloads: { type: 'string', default: '10' },
    workers: { type: 'string', default: '2' },
    connections: { type: 'string', default: '64' },
    import: { type: 'string', default: '1' },
    work: { type: 'string', default: '0' },
    preload: { type: 'boolean', default: false },
  },
})
const BIN = fileURLToPath(new URL('../bin/wsgi-core.js', import.meta.url))
const LOAD = fileURLToPath(new URL('load.mjs', import.meta.url))
/** Seconds of load before the first reload, and between two. */
const CALM = 3

const APP = `
import time

end = time.process_time() + ${Number(values.import)}
while time.process_time() < end:
    pass


def app(environ, start_response):
    end = time.perf_counter() + ${Number(values.work)} / 1000
    while time.perf_counter() < end:
        pass
    start_response("200 OK", [("Content-Length", "6")])
    return [b"hello\\n"]
`

const folder = mkdtempSync(join(tmpdir(), 'wsgi-core-bench-'))

async function startServer() {
  writeFileSync(join(folder, 'slow.py'), APP)
  const args = ['-b', '127.0.0.1:0', '-w', values.workers, ...(values.preload ? ['--preload'] : [])]
  const child = spawn(process.execPath, [BIN, ...args, 'slow:app'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const lines = createInterface({ input: child.stderr })
  const line = (pattern) =>
    new Promise((resolve, reject) => {
      const look = (each) => pattern.test(each) && resolve(each)
      lines.on('line', look).on('close', () => reject(new Error('the server ended')))
    })
  const ready = await line(/Listening at/)
  return { child, line, url: /http:\S+/.exec(ready)[0] }
}

function startLoad(url) {
  const child = spawn(process.execPath, ['--import', 'tsx', LOAD, url, values.connections], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const output = text(child.stdout)
  return async () => {
    child.stdin.end()
    return JSON.parse(await output)
  }
}

async function reloadOnce({ child, line }) {
  await sleep(CALM * 1000)
  const reloaded = line(/Reloaded|reload failed/)
  const begin = Date.now()
  child.kill('SIGHUP')
  if (!/Reloaded/.test(await reloaded)) throw new Error('the reload failed')
  return { begin, end: Date.now() }
}

function quantile(times, share) {
  const sorted = times.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}

/** Requests by when they were under way: their whole time, not only their start. */
function within(answers, begin, end) {
  return answers.filter(([at, took]) => at + took >= begin && at <= end).map(([, took]) => took)
}

const median = (numbers) => quantile(numbers, 0.5)

/** A second more: what the new workers do for the first time belongs to the reload. */
const AFTER = 1000

function measure(answers, { begin, end }) {
  const calm = within(answers, begin - (CALM * 1000 - AFTER), begin - 1)
  const busy = within(answers, begin, end + AFTER)
  const [p99, p99Before] = [quantile(busy, 0.99), quantile(calm, 0.99)]
  const [slowest, slowestBefore] = [quantile(busy, 1), quantile(calm, 1)]
  return { seconds: (end - begin) / 1000, p99Before, p99, slowestBefore, slowest }
}

const COLUMNS = ['seconds', 'p99 before', 'p99 during', 'slowest before', 'slowest during']

function report(rows) {
  const cell = (text, index) => String(text).padStart(COLUMNS[index].length)
  console.log(COLUMNS.join(' | '))
  for (const row of rows) {
    console.log(
      Object.values(row)
        .map((each, index) => cell(each.toFixed(1), index))
        .join(' | '),
    )
  }
  const ratio = median(rows.map(({ p99, p99Before }) => p99 / p99Before))
  const added = median(rows.map(({ slowest, slowestBefore }) => slowest - slowestBefore))
  console.log(
    `p99 during to before: ${ratio.toFixed(2)}; added to the slowest: ${added.toFixed(0)} ms`,
  )
}

const server = await startServer()
try {
  const stopLoad = startLoad(server.url)
  await sleep(2000)
  const reloads = []
  for (let count = 0; count < Number(values.reloads); count++) {
    reloads.push(await reloadOnce(server))
  }
  await sleep(AFTER)
  const { answers, failures } = await stopLoad()
  console.log(
    `${availableParallelism()} cores (${cpus()[0]?.model}), Node ${process.version}, ${values.workers} workers, ` +
      `${values.connections} connections, ${answers.length} requests, ${failures.length} failed`,
  )
  report(reloads.map((reload) => measure(answers, reload)))
  if (failures.length > 0) process.exitCode = 1
} finally {
  server.child.kill('SIGTERM')
  await once(server.child, 'exit')
  rmSync(folder, { recursive: true, force: true })
}
