import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseBind } from '../address.ts'
import type { CoreOptions } from '../config/schema.ts'
import { frontCount } from '../fronts/count.ts'
import { hold } from '../fronts/handles.ts'
import { fromPlain, toPlain } from '../fronts/messages.ts'
import type { Door } from '../http/door.ts'

const counting = suite('the number of fronts')

counting('auto is one for each four cores, at least one and at most 64', () => {
  const counts = [1, 2, 4, 7, 8, 16, 1000].map((cores) => frontCount('auto', cores))
  assert.equal(counts, [1, 1, 1, 1, 2, 4, 64])
})

counting('a number is that number', () => {
  assert.is(frontCount(3, 1), 3)
})

counting.run()

const errors = suite('an error between processes')

errors('keeps its text, its stack, its cause and what the exit code comes from', () => {
  const cause = Object.assign(new TypeError('the cause'), { exitCode: 4, traceback: 'Traceback' })
  const error = Object.assign(new Error('the error', { cause }), { code: 'WSGI_CORE_X' })
  const copy = fromPlain(JSON.parse(JSON.stringify(toPlain(error)))) as typeof error
  assert.ok(copy instanceof Error)
  assert.is(copy.message, 'the error')
  assert.is(copy.stack, error.stack)
  assert.is(copy.code, 'WSGI_CORE_X')
  const { name, message, exitCode, traceback } = copy.cause as typeof cause
  assert.equal([name, message, exitCode, traceback], ['TypeError', 'the cause', 4, 'Traceback'])
})

errors('may be anything that was thrown', () => {
  assert.is(fromPlain(toPlain('text')).message, 'text')
})

errors.run()

const holding = suite('a held listener')

const open = (bind: string) =>
  hold({ address: parseBind(bind), scheme: 'http' }, {} as Door, { umask: 0 } as CoreOptions)

holding('knows the port that it was given', async () => {
  const listener = await open('127.0.0.1:0')
  const address = listener.address() as { address: string; port: number }
  assert.is(address.address, '127.0.0.1')
  assert.ok(address.port > 0)
  listener.close()
})

holding('is refused where another listens', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const error = await open(`127.0.0.1:${port}`).catch((reason) => reason)
  assert.is(error.code, 'WSGI_CORE_ADDRESS_IN_USE')
  server.close()
})

holding('is refused at an address that is not this machine', async () => {
  const error = await open('192.0.2.1:0').catch((reason) => reason)
  assert.is(error.code, 'WSGI_CORE_CANNOT_LISTEN')
})

holding(
  'leaves its Unix socket, and no other name, to those who know whether another server has it',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'wsgi-core-test-'))
    const path = join(folder, 'socket')
    const listener = await open(`unix:${path}`)
    assert.ok(existsSync(path))
    listener.close()
    assert.equal(readdirSync(folder), ['socket'])
    rmSync(folder, { recursive: true })
  },
)

holding.run()
