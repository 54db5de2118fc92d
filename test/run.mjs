// Runs every *.test.ts in a process of its own. uvu alone would let pass: a suite whose `before`
// throws, a forgotten `.run()`, a stray `.only`, a file that hangs, a pattern that matches nothing.
//
//   node test/run.mjs            all of them
//   node test/run.mjs static     those whose path contains "static", or that one file
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { isProgram, listFiles, main, root } from '../scripts/project.mjs'
import { virtualenvPython } from '../scripts/virtualenv.mjs'

const FOLDERS = ['core', 'cli', 'plugins', 'testing', 'test', 'examples']
const AT_ONCE = 2
const TIME_LIMIT = Number(process.env.WSGI_CORE_TEST_TIME_LIMIT ?? 240) * 1000
const EXIT_GRACE = 3000

const isSkipped = (name) => ['node_modules', 'dist', 'fixtures', '.venv'].includes(name)
const isCI = () => !['', '0', 'false'].includes(process.env.CI ?? '')
const running = new Set()

/** Runs the test files that the filters name (all without any); resolves to the sums. */
export async function runTests(filters = []) {
  const waiting = findFiles(filters)
  const totals = { passed: 0, failed: 0, skipped: 0 }
  const work = async () => {
    for (let file = waiting.shift(); file; file = waiting.shift()) {
      const result = await runFile(file)
      report(result)
      for (const key of Object.keys(totals)) totals[key] += result[key]
    }
  }
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, stopAll)
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return totals
}

export const closingLine = ({ passed, failed, skipped }) =>
  `${passed} passed, ${failed} failed, ${skipped} skipped`

function findFiles(filters) {
  const all = FOLDERS.filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) => listFiles(folder, isSkipped))
    .filter((file) => file.endsWith('.test.ts'))
  const matches = (filter) =>
    existsSync(resolve(root, filter)) && filter.endsWith('.ts')
      ? [filter]
      : all.filter((file) => file.includes(filter))
  for (const filter of filters) {
    if (matches(filter).length === 0) throw new Error(`no test file matches '${filter}'`)
  }
  return filters.length === 0 ? all : [...new Set(filters.flatMap(matches))]
}

async function runFile(file) {
  const started = performance.now()
  const end = await watch(file)
  const count = (label) =>
    [...end.output.matchAll(new RegExp(`^  ${label}: +(\\d+)$`, 'gm'))].reduce(
      (sum, [, number]) => sum + Number(number),
      0,
    )
  const [total, passed, skipped] = ['Total', 'Passed', 'Skipped'].map(count)
  const problem = findProblem({ ...end, file, total, passed, skipped })
  const failed = Math.max(total - passed, problem ? 1 : 0)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  return { file, passed, failed, skipped, problem, seconds, output: end.output }
}

// Resolves when the process is gone, by itself or not. It leads a process group, so that
// whatever it leaves behind goes with it.
function watch(file) {
  const child = spawn(process.execPath, ['--import', 'tsx', file], {
    cwd: root,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1', WSGI_CORE_TEST_PYTHON: virtualenvPython() ?? '' },
  })
  running.add(child)
  return new Promise((done) => {
    let output = ''
    let killed
    const kill = (reason) => {
      killed ??= reason
      killGroup(child)
    }
    const timers = [setTimeout(kill, TIME_LIMIT, `took longer than ${TIME_LIMIT / 1000} s`)]
    const read = (chunk) => {
      output += stripVTControlCharacters(chunk)
      if (timers.length === 1 && /^ {2}Duration: /m.test(output)) {
        timers.push(setTimeout(kill, EXIT_GRACE, 'did not exit by itself: something is still open'))
      }
    }
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', read)
    child.on('exit', () => {
      for (const timer of timers) clearTimeout(timer)
      timers.push(setTimeout(kill, EXIT_GRACE, 'left processes behind'))
    })
    // Later than 'exit' when a process that it left behind holds its output open.
    child.on('close', (code, signal) => {
      for (const timer of timers) clearTimeout(timer)
      killGroup(child)
      running.delete(child)
      done({ output, killed, code, signal })
    })
  })
}

function findProblem({ file, output, killed, code, signal, total, passed, skipped }) {
  if (killed) return killed
  if (signal) return `was ended by ${signal}`
  if (!/^ {2}Total: /m.test(output)) return `exited with ${code} before its tests ended`
  if (total + skipped === 0) return 'ran no test'
  if (passed < total) return `${total - passed} of ${total} failed`
  if (code !== 0) return `exited with ${code}`
  return findSlip(readFileSync(resolve(root, file), 'utf8'))
}

// What only the source shows.
function findSlip(source) {
  if (isCI() && /^\s*\w+\.only\(/m.test(source)) return 'has .only'
  const suites = [...source.matchAll(/^const (\w+) = suite\b/gm)].map(([, name]) => name)
  if (/^test\(/m.test(source)) suites.push('test')
  const forgotten = suites.find((name) => !new RegExp(`^\\s*${name}\\.run\\(`, 'm').test(source))
  return forgotten && `never calls ${forgotten}.run()`
}

function report({ file, passed, failed, skipped, problem, seconds, output }) {
  const counts = `${passed} passed${skipped ? `, ${skipped} skipped` : ''}`
  if (failed === 0) return console.log(`ok    ${file} (${counts}, ${seconds} s)`)
  console.log(`\nFAIL  ${file}: ${problem} (${counts}, ${seconds} s)\n${output.trimEnd()}\n`)
}

function killGroup(child) {
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}

function stopAll(signal) {
  for (const child of running) killGroup(child)
  process.exit(signal === 'SIGINT' ? 130 : 143)
}

if (isProgram(import.meta.url)) {
  await main(async () => {
    const totals = await runTests(process.argv.slice(2))
    console.log(closingLine(totals))
    return totals.failed > 0 ? 1 : 0
  })
}
