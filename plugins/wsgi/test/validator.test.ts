import * as assert from 'uvu/assert'
import { appSuite } from './app-server.ts'

for (const args of [[], ['--no-request-buffering'], ['--threads', '2']]) {
  const silent = appSuite(`wsgiref.validate is silent ${args.join(' ')}`, 'validated:app', args)

  for (const [path, body] of [
    ['/plain', 'plain'],
    ['/stream', 'part 0,part 1,part 2,'],
    ['/written', 'written,returned'],
    ['/file', 'file\n'.repeat(1000)],
    ['/plain?query=%20&x', 'plain'],
  ]) {
    silent(`about GET ${path}`, async ({ server }) => {
      const reply = await server.request(path as string, { headers: { Cookie: 'a=1' } })
      assert.is(reply.status, 200)
      assert.is(reply.body, body)
    })

    silent(`about HEAD ${path}`, async ({ server }) => {
      const reply = await server.request(path as string, { method: 'HEAD' })
      assert.is(reply.status, 200)
      assert.is(reply.bytes.length, 0)
    })
  }

  for (const size of [0, 1, 1000, 60_000, 300_000])
    for (const isChunked of [false, true]) {
      silent(`about POST of ${size} bytes${isChunked ? ' in chunks' : ''}`, async ({ server }) => {
        const body = 'a line of text\n'.repeat(size / 15 + 1).slice(0, size)
        const framing = isChunked ? { 'Transfer-Encoding': 'chunked' } : { 'Content-Length': size }
        const headers = { ...framing, 'Content-Type': 'text/plain' }
        const reply = await server.request('/read', { method: 'POST', headers, body })
        assert.is(reply.status, 200)
        assert.is(reply.body, String(size))
      })
    }

  silent('about an answer without a body', async ({ server }) => {
    assert.is((await server.request('/nothing')).status, 204)
  })

  silent('about an error page of the app', async ({ server }) => {
    assert.is((await server.request('/error')).body, 'error')
    await server.line(/told by the validated app/)
  })

  silent('about an app that raises', async ({ server }) => {
    assert.is((await server.request('/raised')).status, 500)
    await server.line(/RuntimeError: raised by the validated app/)
  })

  silent('in all of that', async ({ server }) => {
    assert.not.match(server.log(), /AssertionError|WSGIWarning/)
  })

  silent.run()
}
