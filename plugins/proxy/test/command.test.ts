// The real command line: options, and applications that believe their proxy themselves.
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  runCommand,
  type ServerProcess,
  startServer,
} from '../../../test/helpers/server-process.ts'

const APPS = fileURLToPath(new URL('apps', import.meta.url))
/** A Python with Flask; `npm test` makes it. */
const python = process.env.WSGI_CORE_TEST_PYTHON

const CLIENT = '203.0.113.9'
const V1 = `PROXY TCP4 ${CLIENT} 192.0.2.80 50123 443\r\n`
const GET = 'GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n'

const bodyOf = (answer: string) => JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4))

async function during<Result>(
  args: readonly string[],
  use: (server: ServerProcess) => Promise<Result>,
  options: Parameters<typeof startServer>[1] = {},
): Promise<Result> {
  const server = await startServer(args, { cwd: APPS, ...options })
  try {
    return await use(server)
  } finally {
    await server.stop()
  }
}

const seenBy = async (server: ServerProcess, headers: Record<string, string>) =>
  JSON.parse((await server.request('/', { headers })).body)

const command = suite('the command line')

command('reads --proxy-protocol without a word, before the application', async () => {
  const seen = await during(['--proxy-protocol', 'seen:app'], async (server) =>
    bodyOf(await server.raw(V1 + GET)),
  )
  assert.is(seen.REMOTE_ADDR, CLIENT)
})

command("reads --proxy-protocol with one, and gunicorn's flags", async () => {
  const args = [
    '--proxy-protocol',
    'v1',
    '--proxy-allow-from',
    '127.0.0.1',
    '--fronts',
    '2',
    'seen:app',
  ]
  const seen = await during(args, async (server) => bodyOf(await server.raw(V1 + GET)))
  assert.is(seen.REMOTE_ADDR, CLIENT)
})

command('takes FORWARDED_ALLOW_IPS as gunicorn does', async () => {
  const headers = { 'X-Forwarded-For': CLIENT }
  const use = (server: ServerProcess) => seenBy(server, headers)
  const none = { env: { FORWARDED_ALLOW_IPS: '192.0.2.1' } }
  assert.is((await during(['seen:app'], use, none)).REMOTE_ADDR, '127.0.0.1')
  const seen = await during(['seen:app', '--forwarded-allow-ips', '127.0.0.1'], use, none)
  assert.is(seen.REMOTE_ADDR, CLIENT)
})

command('names all that is wrong', async () => {
  const args = [
    '--forwarded-allow-ips',
    '10.0.0.1/8',
    '--header-map',
    'dangerous',
    '--proxy-protocol=v3',
    '--forwarder-headers=*',
    'seen:app',
  ]
  const { code, output } = await runCommand(args, { cwd: APPS })
  assert.is(code, 2)
  assert.match(
    output,
    /--forwarded-allow-ips: '10\.0\.0\.1\/8' has bits set behind its prefix length/,
  )
  assert.match(output, /--header-map: must be one of/)
  assert.match(output, /--forwarder-headers: must be a list of names/)
  assert.match(output, /--proxy-protocol: must be one of/)
})

command.run()

const flask = suite('a Flask application with ProxyFix')
const check = python ? flask : flask.skip

const LIES = {
  'X-Forwarded-For': '6.6.6.6',
  'X-Forwarded-Proto': 'https',
  'X-Forwarded-Host': 'evil.example',
  'X-Forwarded-Port': '666',
  'X-Forwarded-Prefix': '/evil',
}

check('cannot be fooled by a client', async () => {
  const args = ['--python', python as string, '--forwarded-allow-ips', '192.0.2.1', 'fixed:app']
  const seen = await during(args, (server) => seenBy(server, { ...LIES, Host: 'shop.example' }))
  assert.equal(seen, {
    address: '127.0.0.1',
    scheme: 'http',
    host: 'shop.example',
    root: '',
    url: 'http://shop.example/',
  })
})

check('cannot be fooled by what a proxy lets through', async () => {
  const lies = { ...LIES, 'X-Forwarded-For': CLIENT, Host: 'shop.example' }
  const seen = await during(['--python', python as string, 'fixed:app'], (server) =>
    seenBy(server, lies),
  )
  assert.equal(seen, {
    address: CLIENT,
    scheme: 'https',
    host: 'shop.example',
    root: '',
    url: 'https://shop.example/',
  })
})

check('sees what its proxy sets, where the options say so', async () => {
  const headers = {
    'X-Forwarded-For': `6.6.6.6, ${CLIENT}`,
    'X-Forwarded-Proto': 'https',
    'X-Forwarded-Host': 'shop.example',
    'X-Forwarded-Prefix': '/shop',
  }
  const parts = ['--forwarded-parts', 'for,proto,host,prefix']
  const args = ['--python', python as string, ...parts, 'fixed:app']
  const seen = await during(args, (server) => seenBy(server, headers))
  assert.equal(seen, {
    address: CLIENT,
    scheme: 'https',
    host: 'shop.example',
    root: '/shop',
    url: 'https://shop.example/shop/',
  })
})

flask.run()
