import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { type Handler, http2Suite } from './harness.ts'

const echo: Handler = async (request, response) => {
  request.on('error', () => {}) // it is the client's
  const body = await text(request).catch(() => undefined)
  if (body === undefined) return
  if (request.url === '/hints') response.writeEarlyHints({ link: '</a.css>; rel=preload' })
  response.setHeader('content-type', 'text/plain')
  response.end(`${request.method} ${request.url} ${body}`)
}

async function run(program: string, args: readonly string[], input = '') {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.on('error', () => {}) // it does not read what it was given
  child.stdin.end(input)
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { code: await ended, output, errors }
}

const offers = (program: string): boolean => {
  const { status }: SpawnSyncReturns<Buffer> = spawnSync('which', [program])
  if (status !== 0) console.log(`skipped, as there is no ${program}`)
  return status === 0
}

const clients = http2Suite('a client that others have written')

const curl = async (port: number, path: string, args: string[] = [], input = '') => {
  const all = ['-s', '-S', '--http2-prior-knowledge', '--max-time', '60', ...args]
  const { code, output, errors } = await run(
    'curl',
    [...all, `http://127.0.0.1:${port}${path}`],
    input,
  )
  assert.is(code, 0, errors)
  return output
}

clients('curl: gets, sends and asks for heads', async ({ serve }) => {
  if (!offers('curl')) return
  const { port, refusals } = await serve(echo)
  assert.is(await curl(port, '/a'), 'GET /a ')
  assert.is(await curl(port, '/a', ['-d', 'body']), 'POST /a body')
  const large = 'x'.repeat(500_000)
  assert.is(await curl(port, '/', ['--data-binary', '@-'], large), `POST / ${large}`)
  assert.is(await curl(port, '/', ['-T', '-'], large), `PUT / ${large}`)
  const head = await curl(port, '/', ['-I'])
  assert.match(head, /^HTTP\/2 200 \r\n.*content-length: 7\r\n/s)
  assert.match(await curl(port, '/hints', ['-i']), /^HTTP\/2 103 .*HTTP\/2 200 /s)
  assert.equal(refusals, [])
})

clients('nghttp: pads, sends heads in pieces, and has small windows', async ({ serve }) => {
  if (!offers('nghttp')) return
  const { port, refusals } = await serve(echo, { head: 60_000, fieldSize: 50_000 })
  const url = `http://127.0.0.1:${port}/a`
  const asked = async (...args: string[]) => {
    const { code, output, errors } = await run('nghttp', [...args, url])
    assert.is(code, 0, errors)
    return output
  }
  assert.is(await asked('-b', '200'), 'GET /a ')
  assert.is(await asked('--continuation'), 'GET /a ')
  assert.is(await asked('-H', `x-long: ${'y'.repeat(40_000)}`), 'GET /a ')
  const pieces = await asked('-w', '2', '-W', '3', '-m', '20') // of three bytes
  assert.is(pieces.match(/GET/g)?.length, 20)
  assert.is(pieces.length, 'GET /a '.length * 20)
  assert.is(await asked('-p', '200', '--hexdump').then((all) => all.includes('GET /a ')), true)
  assert.is(
    await asked('-H', ':method: POST', '-d', fileURLToPath(import.meta.url)).then((all) =>
      all.startsWith('POST /a '),
    ),
    true,
  )
  assert.equal(refusals, [])
})

clients('h2load: has all of its requests answered', async ({ serve }) => {
  if (!offers('h2load')) return
  const { port, refusals } = await serve(echo)
  for (const args of [
    ['-c10', '-m20'],
    ['-c1', '-m100'],
    ['-c5', '-m5', '-w10', '-W12'],
  ]) {
    const { output } = await run('h2load', ['-n3000', ...args, `http://127.0.0.1:${port}/a`])
    assert.match(output, /3000 succeeded, 0 failed/)
    assert.match(output, /3000 2xx/)
  }
  assert.equal(refusals, [])
})

clients('h2: finds nothing that breaks the rules', async ({ serve }) => {
  const python = process.env.WSGI_CORE_TEST_PYTHON
  const isThere = python && spawnSync(python, ['-c', 'import h2']).status === 0
  if (!isThere) return void console.log('skipped, as Python has no h2')
  const { port, refusals } = await serve(echo)
  const script = fileURLToPath(new URL('./h2-client.py', import.meta.url))
  for (const window of ['1000', '65535', '1000000']) {
    const { output, errors } = await run(python, [script, String(port), window])
    assert.is(output, 'OK\n', errors)
  }
  assert.equal(refusals, [])
})

clients.run()
