import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const script = fileURLToPath(new URL('../../../scripts/fuzz.mjs', import.meta.url))

function fuzz(...args: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', script, ...args],
    { encoding: 'utf8' },
  )
  return { status, output: stdout + stderr }
}

const fuzzer = suite('fuzzer')

fuzzer('finds no difference between the engine and node:http', () => {
  const { status, output } = fuzz('--seed', '1', '--iterations', '10000')
  assert.is(status, 0, output)
  assert.match(output, '10000 cases')
  const [, accepted = 0] = /(\d+) accepted/.exec(output) ?? []
  assert.ok(Number(accepted) > 2000, output)
})

fuzzer('makes the same cases from the same seed, beginning anywhere', () => {
  const sums = (...args: string[]) => fuzz('--seed', '2', ...args).output
  assert.is(sums('--iterations', '200'), sums('--iterations', '200'))
  assert.is.not(sums('--iterations', '200'), sums('--from', '200', '--iterations', '200'))
})
fuzzer.run()
