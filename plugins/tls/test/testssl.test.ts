import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { definePlugin } from '../../../core/index.ts'
import { createTestServer } from '../../../testing/index.ts'
import tls from '../index.ts'
import { Authority } from './authority.ts'
import { needs } from './tools.ts'

const SCRIPT = fileURLToPath(new URL('../../../test/testssl.mjs', import.meta.url))

const hello = definePlugin({
  name: 'hello',
  apply(core) {
    core.hooks.server.tap('hello', (fastify) => {
      fastify.get('/', async () => 'hello')
    })
  },
})

const testssl = suite('testssl.sh')

testssl('finds no weakness above low in what is the default', async () => {
  if (!process.env.WSGI_CORE_TESTSSL) {
    console.log('skipped, as it takes minutes on a busy machine: set WSGI_CORE_TESTSSL to run it')
    return
  }
  needs('testssl')
  const authority = new Authority()
  const names = ['localhost', '127.0.0.1']
  const ecdsa = authority.issue('main', { names, days: 90 })
  const rsa = authority.issue('rsa', { names, days: 90, kind: 'rsa' })
  const pairs = { certfile: [ecdsa.cert, rsa.cert], keyfile: [ecdsa.key, rsa.key] }
  const server = await createTestServer({ plugins: [tls(pairs), hello] })
  try {
    const { host } = new URL(server.url)
    const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT, host, authority.ca])
    assert.match(stdout, /^\d+ findings, 0 above low$/m)
  } catch (error) {
    throw new Error((error as { stdout?: string }).stdout || String(error))
  } finally {
    await server.close()
    authority.remove()
  }
})

testssl.run()
