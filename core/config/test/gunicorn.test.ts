import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseArguments } from '../../../cli/args.ts'
import { builtInPlugins, resolvePlugin } from '../../resolve.ts'
import { gunicornSettings, judge, judgeKeys, optionFor, placeGunicornKeys } from '../gunicorn.ts'
import { optionTable } from '../schema.ts'

const plugins = await Promise.all(builtInPlugins().map((name) => resolvePlugin(name, '.')))
const table = optionTable(plugins)
const COMMAND = ['config', 'check_config', 'print_config']
const works = gunicornSettings.filter((each) => optionFor(each, table))
const others = gunicornSettings.filter(
  (each) => !works.includes(each) && !COMMAND.includes(each.name),
)
const parse = (...argv: string[]) => parseArguments([...argv, 'hello:app'], table)

const settings = suite("gunicorn's settings")

settings('are all there, each once', () => {
  assert.is(gunicornSettings.length, 120)
  assert.is(new Set(gunicornSettings.map(({ name }) => name)).size, 120)
  const flags = gunicornSettings.flatMap((each) => each.flags)
  assert.is(new Set(flags).size, flags.length)
})

settings('that are options here need no words, and all others have some', () => {
  const silent = others.filter(({ unneeded, refused }) => !unneeded && !refused)
  const stale = works.filter(({ unneeded, refused }) => unneeded || refused)
  assert.equal(
    [silent, stale].map((list) => list.map(({ name }) => name)),
    [[], []],
  )
})

for (const { name, flags, bare, unneeded } of others) {
  for (const flag of flags) {
    settings(
      `${flag} is ${unneeded ? 'warned of' : 'refused'}, and its value is not the app`,
      () => {
        const { values, faults, warnings } = parse(flag, ...(bare ? [] : ['some/value']))
        assert.is(values.get('app'), 'hello:app')
        const [said, silent] = unneeded ? [warnings, faults] : [faults, warnings]
        assert.equal(silent, [])
        assert.is(said.length, 1)
        assert.ok(said[0]?.startsWith(`argument ${flag}`), said[0])
      },
    )
  }
  settings(`'${name}' in a file is ${unneeded ? 'warned of' : 'refused'}`, () => {
    const { values, verdicts } = judgeKeys({ [name]: 'some value', bind: ':80' }, table)
    assert.equal(values, { bind: ':80' })
    assert.is(verdicts.length, 1)
    const said = unneeded ? verdicts[0]?.warning : verdicts[0]?.fault
    assert.ok(said?.startsWith(`setting '${name}'`), said)
  })
}

for (const setting of works) {
  const { name, flags, bare } = setting
  const option = optionFor(setting, table)
  const path = option?.path as string
  const value = option?.definition.bare ?? 'some/value'
  for (const flag of flags) {
    settings(`${flag} sets ${path}`, () => {
      const { values, faults, warnings } = parse(flag, ...(bare ? [] : [value]))
      assert.equal([faults, warnings], [[], []])
      assert.ok(values.has(path))
      assert.is(values.get('app'), 'hello:app')
    })
  }
  settings(`'${name}' in a file sets ${path}`, () => {
    const { values, faults } = placeGunicornKeys({ [name]: 'a' }, table)
    assert.equal(faults, [])
    const [head, key] = path.split('.') as [string, string?]
    assert.equal(values, { [head]: key === undefined ? 'a' : { [key]: 'a' } })
  })
}

settings('are warned of once, however often they are given', () => {
  assert.is(parse('--http-parser', 'fast', '--http-parser=python').warnings.length, 1)
  assert.is(parse('-R', '-R').warnings.length, 1)
})

settings('that ask for what is the case are taken in silence', () => {
  const taken = ['--header-map', 'drop', '--protocol=http', '--http-protocols', 'h1']
  const { faults, warnings } = parse(...taken, '--proxy-protocol', 'off', '--cert-reqs=0')
  assert.equal([faults, warnings], [[], []])
  const off = { spew: false, keyfile: null, dirty_apps: [], secure_scheme_headers: {}, paste: '' }
  const { values, verdicts } = judgeKeys({ ...off, dirty_workers: 0 }, table)
  assert.equal([values, verdicts.flatMap((each) => Object.values(each))], [{}, []])
})

settings('are told from the sections of plugins with such a name', () => {
  const { values, verdicts } = judgeKeys({ spew: { depth: 1 }, post_fork: { a: 1 } }, table)
  assert.equal(values, { spew: { depth: 1 }, post_fork: { a: 1 } })
  assert.equal(verdicts, [])
})

settings('in a file may be written in any case', () => {
  for (const key of ['max_requests', 'maxRequests', 'max-requests']) {
    assert.equal(placeGunicornKeys({ [key]: 3 }, table).values, { workers: { maxRequests: 3 } })
  }
})

settings('join the section that is there', () => {
  const both = { timeout: 5, workers: { count: 2 }, threads: 3 }
  const { values, faults } = placeGunicornKeys(both, table)
  assert.equal(faults, [])
  assert.equal(values, { workers: { timeout: 5, count: 2, threads: 3 } })
})

settings('that stand beside ours are a fault', () => {
  const twice = { timeout: 5, workers: { timeout: 6 }, accesslog: '-', accessLogfile: 'a.log' }
  assert.equal(placeGunicornKeys(twice, table).faults, [
    "setting 'timeout' is the same as 'workers.timeout'; remove one of them",
    "setting 'accesslog' is the same as 'accessLogfile'; remove one of them",
  ])
})

settings('of the command line do not belong into a file', () => {
  for (const name of COMMAND) {
    const [verdict] = judgeKeys({ [name]: 'x' }, table).verdicts
    assert.is(verdict?.fault, `setting '${name}': belongs on the command line`)
  }
})

settings('say what they are for where no plugin has them', () => {
  const setting = gunicornSettings.find(({ name }) => name === 'workers')
  assert.ok(setting)
  assert.match(judge(setting, 'argument -w', '4').fault ?? '', /^argument -w: no plugin that is/)
})

settings.run()
