import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { errors } from '../../core/index.ts'
import { causes, EXIT, exitCodeOf, tracebackOf } from '../exit-codes.ts'

const test = suite('exit codes')

test('an address that cannot be used exits with 1, as in gunicorn', () => {
  const text = "argument --bind: address 'x:99999' is not valid"
  assert.is(exitCodeOf(new errors.BadConfig(text)), EXIT.failure)
  const preset = "argument --bind of GUNICORN_CMD_ARGS: address 'x:99999' is not valid"
  assert.is(exitCodeOf(new errors.BadConfig(preset)), EXIT.failure)
  assert.is(exitCodeOf(new errors.AddressInUse('http://127.0.0.1:80')), EXIT.failure)
})

test('so does a folder that is not there', () => {
  const text = "argument --chdir: there is no folder '/nowhere'"
  assert.is(exitCodeOf(new errors.BadConfig(text)), EXIT.failure)
})

test('any other bad option or value exits with 2, also beside a bad address', () => {
  const address = "argument --bind: address 'x:99999' is not valid"
  const value = 'argument --timeout: must be a number of seconds, 0 or more: value was "abc"'
  assert.is(exitCodeOf(new errors.BadConfig(value)), EXIT.usage)
  assert.is(exitCodeOf(new errors.BadConfig(`${address}\n${value}`)), EXIT.usage)
})

test('a worker that fails to boot passes on its own code, through any wrapping', () => {
  const failed = Object.assign(new Error('boot'), { exitCode: EXIT.target, traceback: 'Traceback' })
  const wrapped = new Error('outer', { cause: new Error('middle', { cause: failed }) })
  assert.is(exitCodeOf(wrapped), EXIT.target)
  assert.is(tracebackOf(wrapped), 'Traceback')
  assert.is(causes(wrapped).length, 3)
})

test('what is not foreseen exits with 1', () => {
  assert.is(exitCodeOf(new Error('x')), EXIT.failure)
  assert.is(exitCodeOf('x'), EXIT.failure)
  assert.is(tracebackOf(new Error('x')), undefined)
})

test.run()
