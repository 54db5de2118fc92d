import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { runCommand } from '../../../test/helpers/server-process.ts'
import { APPS, startApp, stopApp } from './app-server.ts'

const targets = suite('targets')

for (const [target, answer] of [
  ['targets', 'application'],
  ['targets:app', 'app'],
  ['targets:holder.inner', 'obj.attr'],
  ['targets:holder.deep.er', 'deeper'],
  ['targets:factory()', 'factory () {}'],
  ['targets:factory("arg", k=1)', "factory ('arg',) {'k': 1}"],
  ['targets:factory([1, None], {"a": (True, -2.5)}, k=b"x")', null],
] as const) {
  targets(`are served: ${target}`, async () => {
    const app = await startApp(target)
    try {
      const { body } = await app.server.request('/')
      assert.is(body, answer ?? "factory ([1, None], {'a': (True, -2.5)}) {'k': b'x'}")
    } finally {
      await stopApp(app)
    }
  })
}

for (const [target, code, message] of [
  ['missing_module:app', 3, /no module named 'missing_module'/],
  ['targets:missing', 4, /no attribute 'missing' in 'targets'/],
  ['targets:number', 4, /'targets:number' is a int, which is not callable/],
  ['targets:nothing', 4, /'targets:nothing' is None/],
  ['targets:empty_factory()', 4, /is None/],
  ['targets:failing_factory()', 3, /LookupError: no such factory/],
  ['targets:factory(number)', 4, /literal arguments/],
  ['targets:factory(__import__("os").getcwd())', 4, /literal arguments/],
  ['targets:factory(', 4, /is not understood/],
  ['targets.py', 3, /names a file; write the module instead/],
] as const) {
  targets(`that cannot be loaded end the server with ${code}: ${target}`, async () => {
    const { code: actual, output } = await runCommand(['--chdir', APPS, target])
    assert.is(actual, code, output)
    assert.match(output, message)
    assert.not.match(output, /Listening at/)
  })
}

targets.run()
