import * as assert from 'uvu/assert'
import { appSuite, fieldOf, readAnswer } from './app-server.ts'

const hooks = appSuite('hooks around an app', 'pep3333:app', ['--plugins', './observer.mjs'])

hooks('environ adds, changes and deletes pairs', async ({ server }) => {
  const headers = { 'X-Tenant': 'blue', 'X-Secret': 'hidden' }
  const seen = JSON.parse((await server.request('/moved/environ', { headers })).body)
  assert.is(seen['shop.tenant'], 'blue')
  assert.is(seen.REMOTE_USER, 'åsa')
  assert.is(seen.PATH_INFO, '/environ')
  assert.is(seen.RAW_URI, '/moved/environ')
  assert.not.ok('HTTP_X_SECRET' in seen)
})

hooks('environ does so with a body too', async ({ server }) => {
  const body = 'b'.repeat(100_000)
  const reply = await server.request('/moved/digest', { method: 'POST', body })
  assert.match(reply.body, /^100000 /)
})

for (const body of ['', 'with a body']) {
  for (const what of ['environ', 'nul', 'response', 'header']) {
    hooks(`that fail are a 500 and end nobody: ${what} ${body}`, async ({ server }) => {
      const before = server.log().length
      const raw = await server.raw(
        `POST /environ HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: ${body.length}\r\nX-Fail: ${what}\r\n\r\n${body}`,
      )
      const answer = readAnswer(raw)
      assert.is(answer.status, '500 Internal Server Error')
      assert.not.match(raw, 'X-Injected')
      await server.line(/hook fails|holds a NUL|[Ii]nvalid character/, before)
      assert.is((await server.request('/environ')).status, 200)
    })
  }
}

hooks('response adds, changes and deletes headers, and the status', async ({ server }) => {
  const raw = await server.raw(
    'GET /headers HTTP/1.1\r\nHost: test\r\nConnection: close\r\nX-Status: 418\r\n\r\n',
  )
  const { status, fields, body } = readAnswer(raw)
  assert.is(status, "418 I'm a Teapot")
  assert.is(fieldOf(fields, 'x-latin'), 'changed')
  assert.is(fieldOf(fields, 'x-empty'), undefined)
  const added = fields.filter(([name]) => name === 'X-Added').map(([, value]) => value)
  assert.equal(added, ['1', '2'])
  assert.is(body, 'ok')
})

hooks('response sees streams, files and error pages of the server', async ({ server }) => {
  for (const path of ['/lazy', '/file?less', '/raise', '/a%00b']) {
    const { headers } = await server.request(path)
    assert.is(headers['x-added'], '1, 2', path)
  }
})

hooks(
  'headers that a plugin set on the reply go along, unless the app says otherwise',
  async ({ server }) => {
    const raw = await server.raw('GET /headers HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n')
    const { fields } = readAnswer(raw)
    assert.is(fieldOf(fields, 'x-frame-options'), 'DENY')
    const types = fields.filter(([name]) => name.toLowerCase() === 'content-type')
    assert.equal(types, [['Content-Type', 'text/plain']])
    const cookies = fields.filter(([name]) => name.toLowerCase() === 'set-cookie')
    assert.equal(
      cookies.map(([, value]) => value),
      ['a=1; Path=/', 'b=2; Path=/', 'p=1', 'q=2'],
    )
  },
)

hooks('headers that a plugin set go along with the server’s error pages', async ({ server }) => {
  const { status, headers } = await server.request('/raise')
  assert.is(status, 500)
  assert.is(headers['x-frame-options'], 'DENY')
  assert.is(headers['content-type'], 'text/html; charset=utf-8')
})

hooks.run()
