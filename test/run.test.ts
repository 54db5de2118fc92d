import { execFile, execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const root = fileURLToPath(new URL('..', import.meta.url))
const fixture = (name: string) => `test/fixtures/runner/${name}.ts`

interface Run {
  code: number
  output: string
  lastLine: string | undefined
}

function runFixtures(names: string[], env: NodeJS.ProcessEnv = {}): Promise<Run> {
  const args = ['test/run.mjs', ...names.map(fixture)]
  const options = { cwd: root, env: { ...process.env, CI: 'true', ...env } }
  return new Promise((done) => {
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      const output = stdout + stderr
      const lastLine = output.trimEnd().split('\n').at(-1)
      done({ code: Number(error?.code ?? 0), output, lastLine })
    })
  })
}

// A killed process stays listed as a zombie until its new parent looks.
function isRunning(pid: string): boolean {
  try {
    return !/^Z/.test(execFileSync('ps', ['-o', 'stat=', '-p', pid], { encoding: 'utf8' }))
  } catch {
    return false
  }
}

const runner = suite('test runner')

runner('passes a good file and counts what it skips', async () => {
  const { code, output, lastLine } = await runFixtures(['passes'])
  assert.match(output, /^ok {4}test\/fixtures\/runner\/passes\.ts \(2 passed, 1 skipped, /m)
  assert.is(lastLine, '2 passed, 0 failed, 1 skipped')
  assert.is(code, 0)
})

runner('shows the output of a file that fails, and of no other', async () => {
  const { code, output, lastLine } = await runFixtures(['passes', 'fails'])
  assert.match(output, 'fails.ts: 1 of 2 failed (1 passed, ')
  assert.match(output, 'does not hold')
  assert.not.match(output, 'names')
  assert.is(lastLine, '3 passed, 1 failed, 1 skipped')
  assert.is(code, 1)
})

const TRAPS = [
  ['before-throws', '2 of 2 failed', 2],
  ['breaks', 'exited with 1 before its tests ended', 1],
  ['ends-early', 'exited with 1 before its tests ended', 1],
  ['forgotten-run', 'exited with 0 before its tests ended', 1],
  ['half-forgotten-run', 'never calls second.run()', 1],
  ['leaks-socket', 'did not exit by itself: something is still open', 1],
  ['no-test', 'ran no test', 1],
  ['only', 'has .only', 1],
] as const

for (const [name, problem, failures] of TRAPS) {
  runner(`fails a file that ${problem.replace(/:.*/, '')}: ${name}`, async () => {
    const { code, output, lastLine } = await runFixtures([name])
    assert.ok(output.includes(`FAIL  ${fixture(name)}: ${problem} (`), output)
    assert.match(lastLine ?? '', new RegExp(`^\\d passed, ${failures} failed, \\d skipped$`))
    assert.is(code, 1)
  })
}

runner('ends what a file left behind, and fails the file', async () => {
  const { code, output } = await runFixtures(['leaves-process'])
  assert.match(output, 'leaves-process.ts: left processes behind (1 passed, ')
  assert.is(code, 1)
  const pid = /left: (\d+)/.exec(output)?.[1]
  assert.ok(pid, output)
  assert.is(isRunning(pid), false)
})

runner('fails a file that takes too long', async () => {
  const { code, output } = await runFixtures(['hangs'], { WSGI_CORE_TEST_TIME_LIMIT: '2' })
  assert.match(output, 'hangs.ts: took longer than 2 s')
  assert.is(code, 1)
})

runner('lets .only pass outside of CI', async () => {
  const { code, lastLine } = await runFixtures(['only'], { CI: '' })
  assert.is(lastLine, '1 passed, 0 failed, 1 skipped')
  assert.is(code, 0)
})

runner('refuses a filter that matches no file', async () => {
  const { code, output } = await runFixtures(['no-such-file'])
  assert.is(output, "no test file matches 'test/fixtures/runner/no-such-file.ts'\n")
  assert.is(code, 1)
})

runner.run()
