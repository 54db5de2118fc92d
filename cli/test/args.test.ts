import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { optionTable } from '../../core/index.ts'
import workers from '../../plugins/workers/index.ts'
import wsgi from '../../plugins/wsgi/index.ts'
import { parseArguments } from '../args.ts'

const table = optionTable([workers, wsgi])
const parse = (...argv: string[]) => {
  const { values, faults } = parseArguments(argv, table)
  return { values: Object.fromEntries(values), faults: [...faults] }
}
const reads = (argv: string[], values: Record<string, unknown>) =>
  assert.equal(parse(...argv), { values, faults: [] })

const args = suite('arguments')

const READ: [string[], Record<string, unknown>][] = [
  [[], {}],
  [['hello:app'], { app: 'hello:app' }],
  [['-w4', 'hello:app'], { 'workers.count': '4', app: 'hello:app' }],
  [['-w=4', '-b=:80', '-e=A=1'], { 'workers.count': '4', bind: [':80'], 'wsgi.env': ['A=1'] }],
  [['-k', 'gthread'], { 'workers.workerClass': 'gthread' }],
  [['--no-sendfile'], { 'wsgi.sendfile': false }],
  [['-w', '4'], { 'workers.count': '4' }],
  [['--workers', '4'], { 'workers.count': '4' }],
  [['--workers=4'], { 'workers.count': '4' }],
  [['--workers', '2', '--workers', '4'], { 'workers.count': '4' }],
  [['--bind=:80'], { bind: [':80'] }],
  [['-b:80', '-b', ':81', '--bind', ':82'], { bind: [':80', ':81', ':82'] }],
  [['-b', ':80,:81'], { bind: [':80', ':81'] }],
  [['-bunix:/run/a.sock'], { bind: ['unix:/run/a.sock'] }],
  [['-e', 'A=1,2', '-eB=x=y'], { 'wsgi.env': ['A=1,2', 'B=x=y'] }],
  [['-ehome=1', '-everbose=1'], { 'wsgi.env': ['home=1', 'verbose=1'] }],
  [['--preload'], { 'workers.preload': true }],
  [['--no-preload'], { 'workers.preload': false }],
  [['--preload', '--no-preload'], { 'workers.preload': false }],
  [['--no-request-buffering', 'a:b'], { 'wsgi.requestBuffering': false, app: 'a:b' }],
  [['--log-file', '-'], { errorLogfile: '-' }],
  [['--access-logfile', '-', 'a:b'], { accessLogfile: '-', app: 'a:b' }],
  [['--error-logfile='], { errorLogfile: '' }],
  [['--access-logformat', '-%(h)s'], { accessLogformat: '-%(h)s' }],
  [['--timeout', '-1'], { 'workers.timeout': '-1' }],
  [['-vh'], { version: true, help: true }],
  [['-c', 'a.json', '--check-config'], { config: 'a.json', checkConfig: true }],
  [['a:b', '-w', '4'], { app: 'a:b', 'workers.count': '4' }],
  [['-w', '4', '--', 'a:b'], { 'workers.count': '4', app: 'a:b' }],
  [['--', '-w'], { app: '-w' }],
]

for (const [argv, values] of READ) {
  args(`read ${JSON.stringify(argv.join(' '))}`, () => reads(argv, values))
}

const FAULTY: [string[], string[]][] = [
  [['--wrokers', '4', 'a:b'], ["argument --wrokers: unknown option; did you mean '--workers'?"]],
  [['--wrokers=4', 'a:b'], ["argument --wrokers: unknown option; did you mean '--workers'?"]],
  [['--frobnicate'], ['argument --frobnicate: unknown option; see --help']],
  [['-x', '4', 'a:b'], ['argument -x: unknown option; see --help']],
  [['--w', '4'], ['argument --w: unknown option; see --help']],
  [['--no-workers'], ["argument --no-workers: unknown option; did you mean '--workers'?"]],
  [['--__proto__', 'a:b'], ['argument --__proto__: unknown option; see --help']],
  [['--workers'], ['argument --workers: needs a value']],
  [['-w'], ['argument -w: needs a value']],
  [['--workers', '--preload'], ["argument --workers: needs a value, and '--preload' is an option"]],
  [['-w', '--bind=:80'], ["argument -w: needs a value, and '--bind=:80' is an option"]],
  [['--preload=yes'], ["argument --preload: takes no value, 'yes' was given"]],
  [['--no-preload=1'], ["argument --no-preload: takes no value, '1' was given"]],
  [['a:b', 'c:d'], ["argument 'c:d': one application at most, 'a:b' was given before"]],
  [
    ['--wrokers', '4', '--preload=1', '-w'],
    [
      "argument --wrokers: unknown option; did you mean '--workers'?",
      "argument --preload: takes no value, '1' was given",
      'argument -w: needs a value',
    ],
  ],
]

for (const [argv, faults] of FAULTY) {
  args(`refuse ${JSON.stringify(argv.join(' '))}`, () => {
    assert.equal(parse(...argv).faults, faults)
  })
}

args('do not take the word after an unknown option for the application', () => {
  assert.equal(parse('--wrokers', '4').values, {})
  assert.equal(parse('--wrokers', '4', 'a:b').values, { app: 'a:b' })
  assert.equal(parse('--wrokers=4', 'a:b').values, { app: 'a:b' })
})

args.run()
