import * as assert from 'uvu/assert'
import { appSuite, onTheWire } from './app-server.ts'

const EVIL = [
  ...['value-crlf', 'value-cr', 'value-lf', 'value-nul', 'value-wide', 'value-bytes', 'value-int'],
  ...['name-crlf', 'name-lf', 'name-nul', 'name-space', 'name-colon', 'name-empty'],
  ...['status-crlf', 'status-lf', 'status-nul', 'status-bytes', 'status-short', 'status-text'],
  ...['headers-tuple', 'headers-dict', 'headers-lists', 'headers-triple'],
  ...['length-text', 'length-negative', 'length-twice', 'hop-crlf'],
]
const BODIES = ['str', 'strs', 'bare', 'int', 'bytearray', 'stream', 'nothing']

const heads = appSuite('a head that breaks PEP 3333', 'pep3333:app')

for (const what of EVIL) {
  heads(`is a 500 and a log line, and never reaches the wire: ${what}`, async (context) => {
    const before = context.server.log().length
    const answer = await onTheWire(context, `/evil?${what}`)
    assert.is(answer.status, '500 Internal Server Error')
    assert.ok(answer.whole)
    const text = JSON.stringify(answer)
    assert.not.match(text, /X-Injected|X-Evil/i)
    await context.server.line(/Error handling request/, before)
  })
}

heads.run()

const bodies = appSuite('a body that is not made of bytes (PEP 3333)', 'pep3333:app')

for (const what of BODIES) {
  bodies(`is a 500 and a log line, and never reaches the wire: ${what}`, async (context) => {
    const before = context.server.log().length
    const answer = await onTheWire(context, `/body?${what}`)
    assert.is(answer.status, '500 Internal Server Error')
    assert.not.match(answer.body, 'X-Injected')
    await context.server.line(/Error handling request/, before)
  })
}

bodies('is refused by write() too', async (context) => {
  const answer = await onTheWire(context, '/writestr')
  assert.is(answer.status, '500 Internal Server Error')
  assert.not.match(answer.body, 'X-Injected')
  await context.server.line(/must be made of bytes, not str/)
})

bodies.run()
