import { inspect } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ObservedEnviron } from '../observed-environ.ts'

const test = suite('the environ that taps see')

const TEXT = 'REQUEST_METHOD\0GET\0PATH_INFO\0/a\0EMPTY\0\0'
const PAIRS = [
  ['REQUEST_METHOD', 'GET'],
  ['PATH_INFO', '/a'],
  ['EMPTY', ''],
]

const observed = () => new ObservedEnviron(() => TEXT)

const LOOKS: Record<string, (environ: Map<string, string>) => unknown> = {
  get: (environ) => assert.is(environ.get('PATH_INFO'), '/a'),
  has: (environ) => assert.ok(environ.has('EMPTY')),
  size: (environ) => assert.is(environ.size, 3),
  keys: (environ) => assert.is([...environ.keys()].length, 3),
  values: (environ) => assert.equal([...environ.values()], ['GET', '/a', '']),
  entries: (environ) => assert.equal([...environ.entries()], PAIRS),
  spread: (environ) => assert.equal([...environ], PAIRS),
  copy: (environ) => assert.is(new Map(environ).size, 3),
  inspect: (environ) => assert.match(inspect(environ), /^Map\(3\) \{/),
  equality: (environ) => assert.equal(environ, new Map(PAIRS as [string, string][])),
}
for (const [name, look] of Object.entries(LOOKS)) {
  test(`holds all pairs for ${name}, and is a Map then`, () => {
    const environ = observed()
    assert.instance(environ, Map)
    look(environ)
    assert.is(Object.getPrototypeOf(environ), Map.prototype)
    assert.is(ObservedEnviron.changed(environ), TEXT)
  })
}

test('takes changes as the first thing that is done to it', () => {
  const [set, deleted, cleared] = [observed(), observed(), observed()]
  assert.is(set.set('NEW', '1'), set)
  deleted.delete('REQUEST_METHOD')
  cleared.clear()
  assert.is(ObservedEnviron.changed(set), `${TEXT}NEW\x001\0`)
  assert.is(ObservedEnviron.changed(deleted), 'PATH_INFO\0/a\0EMPTY\0\0')
  assert.is(ObservedEnviron.changed(cleared), '')
})

test('is not even made where nobody looks', () => {
  const environ = new ObservedEnviron(() => {
    throw new Error('asked')
  })
  assert.is(ObservedEnviron.changed(environ), undefined)
})

test.run()
