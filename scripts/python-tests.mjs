// The Python worker's own unittests, on every supported Python that is installed.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { isProgram, listFiles, main, root } from './project.mjs'
import { findPythons } from './python.mjs'

const WORKER = join('plugins', 'wsgi', 'python')
const TIME_LIMIT = 300_000

/** Runs them all; resolves to the sums. */
export async function runPythonTests() {
  const totals = { passed: 0, failed: 0, skipped: 0 }
  const pythons = findPythons()
  for (const folder of findFolders()) {
    for (const python of pythons) {
      const result = await runFolder(python.command, folder)
      report(python.name, folder, result)
      for (const key of Object.keys(totals)) totals[key] += result[key]
    }
  }
  return totals
}

function findFolders() {
  if (!existsSync(join(root, WORKER))) return []
  const isTest = (file) => /^test_.*\.py$/.test(basename(file))
  const skip = (name) => name === '__pycache__'
  return [
    ...new Set(
      listFiles(dirname(WORKER), skip)
        .filter(isTest)
        .map((file) => dirname(file)),
    ),
  ]
}

async function runFolder(command, folder) {
  const env = { ...process.env, PYTHONPATH: join(root, WORKER), PYTHONDONTWRITEBYTECODE: '1' }
  const args = ['-W', 'default', join('scripts', 'unittests.py'), folder]
  const output = await outputOf(command, args, env)
  const line = /^\{"passed": \d+, "failed": \d+, "skipped": \d+\}$/m.exec(output)?.[0]
  const counts = line ? JSON.parse(line) : { passed: 0, failed: 0, skipped: 0 }
  // No counts: it crashed, or took too long. No test: the discovery went wrong.
  const isEmpty = counts.passed + counts.failed + counts.skipped === 0
  return { ...counts, failed: isEmpty ? 1 : counts.failed, output }
}

/** What it printed, both streams, however it ended. */
async function outputOf(command, args, env) {
  const child = spawn(command, args, {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: TIME_LIMIT,
    killSignal: 'SIGKILL',
  })
  let output = ''
  child.on('error', (error) => {
    output += error.message
  })
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text
    })
  }
  await new Promise((resolve) => child.on('close', resolve))
  return output
}

function report(name, folder, { passed, failed, skipped, output }) {
  const counts = `${passed} passed${skipped ? `, ${skipped} skipped` : ''}`
  if (failed === 0) return console.log(`ok    ${folder} on ${name} (${counts})`)
  console.log(`\nFAIL  ${folder} on ${name}: ${failed} failed (${counts})\n${output.trimEnd()}\n`)
}

if (isProgram(import.meta.url))
  await main(async () => ((await runPythonTests()).failed > 0 ? 1 : 0))
