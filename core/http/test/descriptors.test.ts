import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Descriptors } from '../descriptors.ts'

const test = suite('descriptors in use')

/** The numbers that the kernel gives to `count` connections, when `used` are taken. */
function* numbers(used: number, count: number): Iterable<number> {
  for (let number = used; number < used + count; number++) yield number
}

test('are enough until connections have all but the share of others: at it, and one past it', () => {
  const descriptors = new Descriptors(128) // 16 of them for others
  const taken = [...numbers(20, 128 - 16 - 20)].map((number) => descriptors.taken(number))
  assert.ok(taken.every((isTooMany) => !isTooMany))
  assert.is(descriptors.taken(112), true)
})

test('stay scarce where a place that was given up is taken at once', () => {
  const descriptors = new Descriptors(128)
  for (const number of numbers(20, 92)) descriptors.taken(number)
  assert.is(descriptors.taken(112), true)
  descriptors.freed() // number 40, say
  assert.is(descriptors.taken(40), true, 'its number is low, yet as many are in use')
  for (let count = 0; count < 10; count++) descriptors.freed()
  assert.is(descriptors.taken(41), false)
})

test('that others have closed are noticed', () => {
  const descriptors = new Descriptors(128)
  for (const number of numbers(107, 5)) assert.is(descriptors.taken(number), false)
  assert.is(descriptors.taken(112), true)
  descriptors.forget()
  assert.is(descriptors.taken(30), false)
})

test('have a share for others that grows with the limit, up to 512', () => {
  for (const [limit, share] of [
    [64, 16],
    [1024, 128],
    [1_048_576, 512],
  ] as const) {
    const descriptors = new Descriptors(limit)
    const last = limit - share - 1
    for (const number of numbers(last - 9, 10)) assert.is(descriptors.taken(number), false)
    assert.is(descriptors.taken(last + 1), true)
  }
})

test('leave room for a few connections in any case', () => {
  const descriptors = new Descriptors(40)
  const taken = [...numbers(30, 5)].map((number) => descriptors.taken(number))
  assert.equal(taken, [false, false, false, false, true])
})

test.run()
