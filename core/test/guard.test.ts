import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { HookFailed } from '../errors.ts'
import { guardHooks } from '../guard.ts'
import { createHooks, type Hooks } from '../hooks.ts'

const test = suite('taps within their guard')

function guarded(): Hooks {
  const hooks = createHooks()
  guardHooks(hooks)
  return hooks
}

const boom = new Error('no luck')
const fail = () => {
  throw boom
}

function thrown(call: () => unknown): Error {
  try {
    call()
  } catch (error) {
    return error as Error
  }
  throw new Error('nothing was thrown')
}

/** Others may look in on a hook: its taps run by another call then. */
const WAYS: [string, (hooks: Hooks) => void][] = [
  ['alone', () => {}],
  ['intercepted', ({ resize, ready }) => [resize, ready].map((hook) => hook.intercept({}))],
]

for (const [way, prepare] of WAYS) {
  test(`run in order, also those that come later: ${way}`, () => {
    const hooks = guarded()
    prepare(hooks)
    const seen: string[] = []
    const note = (name: string) => (delta: number) => void seen.push(`${name} ${delta}`)
    hooks.resize.tap('one', note('one'))
    hooks.resize.tap({ name: 'first', stage: -1 }, note('first'))
    hooks.resize.call(1)
    hooks.resize.tap('two', note('two'))
    hooks.resize.tap({ name: 'zero', before: 'one' }, note('zero'))
    hooks.resize.call(2)
    assert.equal(seen, ['first 1', 'one 1', 'first 2', 'zero 2', 'one 2', 'two 2'])
  })

  test(`end where one throws, and the error names that one: ${way}`, () => {
    const hooks = guarded()
    prepare(hooks)
    const seen: string[] = []
    hooks.resize.tap('one', () => void seen.push('one'))
    hooks.resize.tap('two', fail)
    hooks.resize.tap('three', () => void seen.push('three'))
    const error = thrown(() => hooks.resize.call(1))
    assert.instance(error, HookFailed)
    assert.is(error.message, "plugin 'two' failed in hook 'resize': no luck")
    assert.is(error.cause, boom)
    assert.equal(seen, ['one'])
  })

  test(`that call another hook keep the first name: ${way}`, () => {
    const hooks = guarded()
    prepare(hooks)
    hooks.beforeClose.tap('inner', fail)
    hooks.resize.tap('outer', () => hooks.beforeClose.call())
    const { message } = thrown(() => hooks.resize.call(1))
    assert.is(message, "plugin 'inner' failed in hook 'beforeClose': no luck")
  })

  test(`of a hook that bails end at the first answer, or name who threw: ${way}`, () => {
    const hooks = guarded()
    prepare(hooks)
    const head = { method: 'GET', url: '/', fields: [], dropped: undefined }
    const seen: string[] = []
    hooks.ready.tap('silent', ({ url }) => void seen.push(url))
    assert.is(hooks.ready.call(head), undefined)
    hooks.ready.tap('refusing', ({ url }) => (url === '/' ? false : undefined))
    hooks.ready.tap('last', fail)
    assert.is(hooks.ready.call(head), false)
    const { message } = thrown(() => hooks.ready.call({ ...head, url: '/other' }))
    assert.is(message, "plugin 'last' failed in hook 'ready': no luck")
    assert.equal(seen, ['/', '/', '/other'])
  })
}

test('are as tapped for who intercepts the hook later', () => {
  const hooks = guarded()
  const seen: string[] = []
  hooks.resize.tap('one', () => void seen.push('one'))
  hooks.resize.call(1)
  hooks.resize.intercept({
    call: (delta) => void seen.push(`call ${delta}`),
    tap: ({ name }) => void seen.push(`tap ${name}`),
    register: (tap) => ({ ...tap, fn: () => void seen.push('in its place') }),
  })
  hooks.resize.call(2)
  assert.equal(seen, ['one', 'call 2', 'tap one', 'in its place'])
})

test.run()
