import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { findGroup, findUser } from '../accounts.ts'

const accounts = suite('accounts')

accounts('are found by name and by number', () => {
  assert.equal(findUser('root'), { name: 'root', uid: 0, gid: 0 })
  assert.equal(findUser('0'), findUser('root'))
  assert.is(findGroup('0'), 0)
})

accounts('are numbers where nobody has them', () => {
  assert.equal(findUser('3999999999'), { name: undefined, uid: 3_999_999_999, gid: undefined })
  assert.is(findGroup('3999999999'), 3_999_999_999)
})

for (const name of ['', 'nobody-has-this', 'root:x', 'root\n', '-1', '1.5', '0x0', '--help']) {
  accounts(`are not found by '${JSON.stringify(name)}'`, () => {
    assert.is(findUser(name), undefined)
    assert.is(findGroup(name), undefined)
  })
}

accounts('have no number that means "leave it"', () => {
  assert.is(findUser('4294967295'), undefined)
  assert.is(findGroup('4294967295'), undefined)
})

accounts.run()
