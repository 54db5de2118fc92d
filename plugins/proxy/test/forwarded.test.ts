import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CASES } from './cases.ts'
import { environOf } from './support.ts'

for (const [group, cases] of CASES) {
  const test = suite(group)
  for (const each of cases) {
    test(each.name, () => {
      const started = performance.now()
      const environ = environOf(each)
      for (const [key, value] of Object.entries(each.sees)) {
        assert.is(environ.get(key) ?? null, value, key)
      }
      assert.ok(performance.now() - started < 2000)
    })
  }
  test.run()
}
