import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { suite } from 'uvu'
import { type Check, type WorkerUnderTest, workerConformance } from '../../../testing/index.ts'

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const pythonApps = at('../python/test/apps')
const nodeApps = at('../node/test/apps')

const python: WorkerUnderTest = {
  command: 'python3',
  args: [at('../python/spawner.py')],
  app: { target: 'conformance:app', chdir: pythonApps, pythonpath: [] },
  brokenApp: { target: 'broken:app', chdir: pythonApps, pythonpath: [] },
}

/** The worker put together: thirty times through tsx takes long. */
const bundle = mkdtempSync(join(tmpdir(), 'wsgi-core-node-worker-'))
await build({
  entryPoints: ['spawner', 'worker'].map((name) => at(`../node/${name}.ts`)),
  outdir: bundle,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  packages: 'external',
  format: 'esm',
  platform: 'node',
  logLevel: 'warning',
})
process.on('exit', () => rmSync(bundle, { recursive: true, force: true }))

const nodeApp = (target: string) => ({ target, chdir: nodeApps, interface: 'auto', loader: null })
const node: WorkerUnderTest = {
  command: process.execPath,
  args: [join(bundle, 'spawner.mjs')],
  app: nodeApp('./conformance.mjs:app'),
  brokenApp: nodeApp('./broken.mjs:app'),
}

const perl: WorkerUnderTest = {
  command: 'perl',
  args: [at('../../../examples/workers/hello.pl')],
  app: {},
}

const AT_ONCE = 6

/** Most of a check is waiting for processes: several run at a time. @returns each one's outcome. */
function runAhead(checks: readonly Check[]): Map<Check, Promise<void>> {
  const outcomes = new Map<Check, Promise<void>>()
  const lanes: Promise<void>[] = new Array(AT_ONCE).fill(Promise.resolve())
  checks.forEach((check, index) => {
    const outcome = (lanes[index % AT_ONCE] as Promise<void>).then(() => check.run())
    lanes[index % AT_ONCE] = outcome.catch(() => {}) // told by its test
    outcomes.set(check, outcome)
  })
  return outcomes
}

function conformance(name: string, checks: readonly Check[]): void {
  const test = suite<{ outcomes: Map<Check, Promise<void>> }>(name)
  test.before((context) => {
    context.outcomes = runAhead(checks)
  })
  for (const check of checks) test(check.name, ({ outcomes }) => outcomes.get(check))
  test.run()
}

conformance('the worker in Python keeps to the protocol', workerConformance(python))
conformance('the worker in Node keeps to the protocol', workerConformance(node))
const core = workerConformance(perl).filter(({ part }) => part === 'core')
const hasPerl = spawnSync('perl', ['-MJSON::PP', '-e', '1']).status === 0
const name = 'the example of a worker in Perl keeps to the core of the protocol'
if (hasPerl || process.env.CI) conformance(name, core)
else {
  const skipped = suite(name)
  skipped.skip('perl with JSON::PP is not installed')
  skipped.run()
}
