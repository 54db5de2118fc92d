import { execFile } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { definePlugin } from '../../../core/index.ts'
import { createTestServer } from '../../../testing/index.ts'
import tls from '../index.ts'
import { Authority } from './authority.ts'
import { offers } from './tools.ts'

const page = definePlugin({
  name: 'page',
  apply(core) {
    core.hooks.server.tap('page', (fastify) => {
      fastify.get('/', async (request, reply) => {
        reply.type('text/html')
        const script =
          "fetch('/more').then((r) => r.text()).then((t) => { document.body.append(t) })"
        return `<body>page ${request.raw.httpVersion} <script>${script}</script></body>`
      })
      fastify.get('/more', async (request) => `more ${request.raw.httpVersion}`)
    })
  },
})

const browser = suite('Chromium')

browser('shows a page over HTTP/2', async () => {
  if (!offers('chromium', 'the browser')) return
  const authority = new Authority()
  const { cert, key } = authority.issue('main')
  const server = await createTestServer({
    plugins: [tls({ certfile: [cert], keyfile: [key] }), page],
  })
  const profile = mkdtempSync(join(tmpdir(), 'wsgi-core-browser-'))
  try {
    const url = server.url.replace('127.0.0.1', 'localhost')
    assert.match(await dump(url, profile, authority.read('main.pem')), /page 2\.0 .*more 2\.0/s)
  } finally {
    await server.close()
    authority.remove()
    rmSync(profile, { recursive: true, force: true, maxRetries: 20 })
  }
})

/** What the page has become. Of all certificates in the world this one is trusted. */
async function dump(url: string, profile: string, certificate: string): Promise<string> {
  const { publicKey } = new X509Certificate(certificate)
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const pin = createHash('sha256').update(spki).digest('base64')
  const args = [
    ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run'],
    ...[`--user-data-dir=${profile}`, `--ignore-certificate-errors-spki-list=${pin}`],
    ...['--virtual-time-budget=10000', '--dump-dom', url],
  ]
  const { stdout } = await promisify(execFile)('chromium', args, { timeout: 60_000 })
  return stdout
}

browser.run()
