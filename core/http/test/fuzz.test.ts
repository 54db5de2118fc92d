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

const isCI = !['', '0', 'false'].includes(process.env.CI ?? '')

fuzzer('finds no difference between the engine and node:http', () => {
  const amount = isCI ? ['--seconds', '60'] : ['--iterations', '10000']
  const { status, output } = fuzz('--seed', '1', ...amount)
  assert.is(status, 0, output)
  const [, cases = 0] = /(\d+) cases/.exec(output) ?? []
  const [, accepted = 0] = /(\d+) accepted/.exec(output) ?? []
  assert.ok(Number(cases) >= 10_000, output)
  assert.ok(Number(accepted) > Number(cases) / 5, output)
})

fuzzer('makes the same cases from the same seed, beginning anywhere', () => {
  const sums = (...args: string[]) => fuzz('--seed', '2', ...args).output
  assert.is(sums('--iterations', '200'), sums('--iterations', '200'))
  assert.is.not(sums('--iterations', '200'), sums('--from', '200', '--iterations', '200'))
})
fuzzer.run()
