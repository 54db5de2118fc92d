// The Python worker's own unittests, on every supported Python that is installed.
import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { capture, isProgram, listFiles, main, root } from './project.mjs'
import { findPythons } from './python.mjs'

const WORKER = join('plugins', 'wsgi', 'python')
const TIME_LIMIT = 300_000

/** Runs them all; returns the sums. */
export function runPythonTests() {
  const totals = { passed: 0, failed: 0, skipped: 0 }
  for (const folder of findFolders()) {
    for (const python of findPythons()) {
      const result = runFolder(python.command, folder)
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

function runFolder(command, folder) {
  const env = { ...process.env, PYTHONPATH: join(root, WORKER), PYTHONDONTWRITEBYTECODE: '1' }
  const args = ['-W', 'default', join('scripts', 'unittests.py'), folder]
  const { output } = capture(command, args, { env, timeout: TIME_LIMIT, killSignal: 'SIGKILL' })
  const line = /^\{"passed": \d+, "failed": \d+, "skipped": \d+\}$/m.exec(output)?.[0]
  const counts = line ? JSON.parse(line) : { passed: 0, failed: 0, skipped: 0 }
  // No counts: it crashed, or took too long. No test: the discovery went wrong.
  const isEmpty = counts.passed + counts.failed + counts.skipped === 0
  return { ...counts, failed: isEmpty ? 1 : counts.failed, output }
}

function report(name, folder, { passed, failed, skipped, output }) {
  const counts = `${passed} passed${skipped ? `, ${skipped} skipped` : ''}`
  if (failed === 0) return console.log(`ok    ${folder} on ${name} (${counts})`)
  console.log(`\nFAIL  ${folder} on ${name}: ${failed} failed (${counts})\n${output.trimEnd()}\n`)
}

if (isProgram(import.meta.url)) await main(() => (runPythonTests().failed > 0 ? 1 : 0))
