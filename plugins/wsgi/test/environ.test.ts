import type { IncomingMessage } from 'node:http'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { buildEnviron, parseEnviron } from '../environ.ts'

const test = suite('the text of an environ')

const socket = { localAddress: '127.0.0.1', localPort: 80, remoteAddress: '::1', remotePort: 9 }

const environOf = (rawHeaders: readonly string[], url = '/') => {
  const request = { method: 'GET', url, httpVersion: '1.1', rawHeaders, socket }
  return parseEnviron(buildEnviron(request as unknown as IncomingMessage, undefined) as string)
}

test('has the values of this request, whatever those before had', () => {
  for (let round = 0; round < 50; round++) {
    const values = ['text/html', 'text/html', '', `*/*;q=0.${round}`, 'é'.repeat(300)]
    for (const value of values) {
      const environ = environOf(['Accept', value, 'Cookie', value, 'X-Round', String(round)])
      assert.is(environ.get('HTTP_ACCEPT'), value)
      assert.is(environ.get('HTTP_COOKIE'), value)
      assert.is(environ.get('HTTP_X_ROUND'), String(round))
    }
  }
})

test('has all fields, however many names there have been', () => {
  for (let number = 0; number < 1100; number++) {
    const name = `X-Name-${number}`
    for (const value of ['a', 'a', 'b']) {
      assert.is(environOf([name, value]).get(`HTTP_X_NAME_${number}`), value)
    }
  }
})

test('joins repeated fields, known or not', () => {
  for (const last of ['1', '1', '2', '1']) {
    const environ = environOf(['X-Two', '1', 'Cookie', 'a', 'x-two', last, 'COOKIE', 'b'])
    assert.is(environ.get('HTTP_X_TWO'), `1,${last}`)
    assert.is(environ.get('HTTP_COOKIE'), 'a; b')
  }
})

test('has the query behind the path', () => {
  for (const [url, path, query] of [
    ['/a', '/a', ''],
    ['/a?', '/a', ''],
    ['/a%20b?c=%20?d', '/a b', 'c=%20?d'],
  ] as const) {
    const environ = environOf([], url)
    const keys = ['PATH_INFO', 'QUERY_STRING', 'RAW_URI', 'REQUEST_URI']
    assert.equal(
      keys.map((key) => environ.get(key)),
      [path, query, url, url],
    )
  }
})

test.run()
