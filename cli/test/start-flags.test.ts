import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startServer, until } from '../../test/helpers/server-process.ts'

const APP = `def app(environ, start_response):
    start_response("204 No Content", [])
    return []
`
const TRACED = fileURLToPath(new URL('fixtures/traced.mjs', import.meta.url))
const OPTIMIZING = /\[compiling method .*TURBOFAN/
const REQUEST = 'GET / HTTP/1.1\r\nHost: a\r\n'
const REQUESTS = `${`${REQUEST}\r\n`.repeat(99)}${REQUEST}Connection: close\r\n\r\n`

const test = suite<{ folder: string }>('flags of the start')

test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'wsgi-core-start-flags-'))
  writeFileSync(join(context.folder, 'hello.py'), APP)
})
test.after.each(({ folder }) => rmSync(folder, { recursive: true }))

for (const fronts of ['1', '2']) {
  test(`V8 optimizes once the server serves, not before: fronts=${fronts}`, async ({
    folder: cwd,
  }) => {
    const server = await startServer(['--fronts', fronts, 'hello:app'], { cwd, bin: TRACED })
    try {
      const [start = ''] = server.log().split('Listening at')
      assert.not.match(start, OPTIMIZING)
      await until('code is optimized', async () => {
        assert.match(await server.raw(REQUESTS), '204 No Content')
        return OPTIMIZING.test(server.log())
      })
    } finally {
      await server.kill()
    }
  })
}

test('V8 is left alone where Node was given options', async ({ folder: cwd }) => {
  const env = { NODE_OPTIONS: '--no-deprecation', FLAGS: '--no-opt' }
  const server = await startServer(['hello:app'], { cwd, bin: TRACED, env })
  try {
    for (let round = 0; round < 30; round++)
      assert.match(await server.raw(REQUESTS), '204 No Content')
    assert.not.match(server.log(), OPTIMIZING)
  } finally {
    await server.kill()
  }
})

test.run()
