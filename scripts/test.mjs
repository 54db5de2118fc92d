// `npm test`: everything, from a fresh clone. The last line is the sum of all that was tested;
// a step that fails counts as one failure.
import { build } from './build.mjs'
import { installDependencies } from './install.mjs'
import { capture, localBin, main } from './project.mjs'
import { requirePython } from './python.mjs'
import { runPythonTests } from './python-tests.mjs'
import { prepareVirtualenv } from './virtualenv.mjs'

const totals = { passed: 0, failed: 0, skipped: 0 }

await main(async () => {
  const python = requirePython()
  await step('install', installDependencies)
  if (totals.failed === 0) await runSteps(python)
  console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`)
  return totals.failed > 0 ? 1 : 0
})

async function runSteps(python) {
  await step('python environment', () => prepareVirtualenv(python.text))
  await step('lint', () => check(localBin('biome'), ['check', '--error-on-warnings']))
  await step('types', () => check(localBin('tsc'), ['-p', 'tsconfig.check.json']))
  await step('build', build)
  await step('generated docs', () => check(process.execPath, ['scripts/docs.mjs', '--check']))
  await Promise.all([
    step('python tests', async () => add(await runPythonTests())),
    step('tests', async () => {
      // Imported late: a broken test runner is a failed step like any other.
      const { runTests } = await import('../test/run.mjs')
      add(await runTests())
    }),
  ])
}

async function step(name, run) {
  const started = performance.now()
  try {
    await run()
    console.log(`--    ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`)
  } catch (error) {
    totals.failed++
    console.log(`\nFAIL  ${name}: ${error.message}\n`)
  }
}

function check(command, args) {
  const { ok, output } = capture(command, args)
  if (!ok) throw new Error(`\n${output.trimEnd()}`)
}

function add(sums) {
  for (const key of Object.keys(totals)) totals[key] += sums[key]
}
