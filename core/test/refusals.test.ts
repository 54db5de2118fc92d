import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Refusals } from '../refusals.ts'

const test = suite('the log of refusals')

function logged(sockets: Partial<Socket>[], reason = 'bare LF') {
  const lines: { from: string; repeated?: number }[] = []
  const log = { warn: (line: (typeof lines)[0]) => lines.push(line) } as unknown as Logger
  const refusals = new Refusals()
  for (const socket of sockets) refusals.log(log, 400, reason, socket as Socket)
  return lines
}

test('says whom it was', () => {
  const from = (socket: Partial<Socket>) => logged([socket])[0]?.from
  assert.is(from({ remoteAddress: '192.0.2.1', localAddress: '192.0.2.9' }), '192.0.2.1')
  assert.is(from({ destroyed: false }), 'a Unix socket')
  assert.is(from({ localAddress: '192.0.2.9', destroyed: false }), 'who has left')
  assert.is(from({ destroyed: true }), 'who has left')
})

test('has a line for a reason, not for each that was refused', () => {
  const sockets = Array.from({ length: 5 }, (_, index) => ({ remoteAddress: `192.0.2.${index}` }))
  assert.equal(logged(sockets), [{ status: 400, reason: 'bare LF', from: '192.0.2.0' }])
})

test.run()
