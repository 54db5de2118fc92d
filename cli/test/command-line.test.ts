import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { optionTable } from '../../core/index.ts'
import workers from '../../plugins/workers/index.ts'
import wsgi from '../../plugins/wsgi/index.ts'
import { commandLine } from '../command-line.ts'

const table = optionTable([workers, wsgi])
const read = (variable: string, ...argv: string[]) => {
  const { values, places, ...rest } = commandLine(argv, { GUNICORN_CMD_ARGS: variable })(table)
  return { values: Object.fromEntries(values), places: [...(places?.keys() ?? [])], ...rest }
}

const lines = suite('GUNICORN_CMD_ARGS')

lines('is a command line, weaker than the one that is typed', () => {
  const { values, places } = read("-w 2 -t 5 -e 'A=a b'", '-w', '3', 'a:b')
  assert.equal(values, {
    'workers.count': '3',
    'workers.timeout': '5',
    'wsgi.env': ['A=a b'],
    app: 'a:b',
  })
  assert.equal(places, ['workers.timeout', 'wsgi.env'])
})

lines('gives way with a whole list', () => {
  assert.equal(read('-b :1 -b :2', '-b', ':3').values, { bind: [':3'] })
  assert.equal(read('-b :1 -b :2').values, { bind: [':1', ':2'] })
})

lines('sets flags, which the command line can take back', () => {
  assert.equal(read('--preload').values, { 'workers.preload': true })
  assert.equal(read('--preload', '--no-preload').values, { 'workers.preload': false })
})

lines('names a config file, and so does the command line', () => {
  assert.equal(read('-c a.yaml').values, { config: 'a.yaml' })
  assert.equal(read('-c a.yaml', '-c', 'b.yaml').values, { config: 'b.yaml' })
})

lines('names no application: said, and not read', () => {
  const { values, warnings } = read('a:b -w 2', 'c:d')
  assert.equal(values, { 'workers.count': '2', app: 'c:d' })
  assert.equal(warnings, ["variable GUNICORN_CMD_ARGS: the application 'a:b' is not read there"])
})

lines('has its name before its faults', () => {
  assert.equal(read("-w 2 'x").faults, ["variable GUNICORN_CMD_ARGS: no closing '"])
  assert.equal(read('--wrokers 4 -w 2', '--frobnicate').faults, [
    "variable GUNICORN_CMD_ARGS: argument --wrokers: unknown option; did you mean '--workers'?",
    'argument --frobnicate: unknown option; see --help',
  ])
})

lines.run()
