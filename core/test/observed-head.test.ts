import { inspect } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { ResponseHead } from '../hooks.ts'
import { ObservedHead } from '../observed-head.ts'

const test = suite('the head that taps see')

const FIELDS = ['A', '1', 'B', '2']
const PAIRS = [
  ['A', '1'],
  ['B', '2'],
]

const changedBy = (tap: (head: ResponseHead) => unknown) => {
  const head = new ObservedHead(200, FIELDS)
  tap(head)
  return ObservedHead.changed(head)
}

test('has the pairs, the same ones each time', () => {
  const head = new ObservedHead(200, FIELDS)
  assert.equal(head.headers, PAIRS)
  assert.is(head.headers, head.headers)
})

test('asks nothing of a reply that nobody looks into', () => {
  const reply = { raw: {}, getHeaders: () => assert.unreachable() }
  const head = new ObservedHead(200, reply as never)
  head.statusCode = 203
  assert.is(ObservedHead.changed(head), undefined)
})

test('is unchanged where taps have only looked, or put the same in its place', () => {
  assert.is(
    changedBy((head) => head.headers.length),
    undefined,
  )
  assert.is(
    changedBy((head) => {
      head.headers = head.headers.filter(() => true)
    }),
    undefined,
  )
})

const CHANGES: Record<string, [(head: ResponseHead) => unknown, string[]]> = {
  added: [(head) => head.headers.push(['C', '3']), [...FIELDS, 'C', '3']],
  removed: [(head) => head.headers.pop(), ['A', '1']],
  'changed in place': [
    ({ headers: [first] }) => {
      if (first) first[1] = '9'
    },
    ['A', '9', 'B', '2'],
  ],
  replaced: [
    (head) => {
      head.headers = [['C', '3']]
    },
    ['C', '3'],
  ],
}
for (const [what, [tap, left]] of Object.entries(CHANGES)) {
  test(`tells what is ${what}`, () => assert.equal(changedBy(tap), left))
}

test('shows as an object with both members', () => {
  const plain = { statusCode: 200, headers: PAIRS }
  assert.is(inspect(new ObservedHead(200, FIELDS)), inspect(plain))
  assert.is(JSON.stringify(new ObservedHead(200, FIELDS)), JSON.stringify(plain))
})

test.run()
