import assert from 'node:assert/strict'
import type { CheckDefinition } from './conformance.ts'
import { FRAME } from './frame.ts'
import { KIND } from './slot.ts'

const SIGTERM = 15

/** What a worker cannot do without. */
export const CORE: readonly CheckDefinition[] = [
  {
    name: 'tells that it has started, spawned a worker, and that this is ready, in that order',
    workers: 0,
    async run(front) {
      await front.open()
      front.command({ command: 'spawn', worker: 3 })
      const { pid } = await front.event('spawned', { worker: 3 })
      await front.event('ready', { worker: 3, pid })
      const names = front.events.map(({ event }) => event).filter((event) => event !== 'log')
      assert.deepEqual(names, [])
      assert.equal(front.board(3).pid, pid)
      assert.equal(front.board(3).state, 2)
    },
  },
  {
    name: 'answers a request by one RESPONSE frame in the pipe',
    async run(front) {
      const frame = await front.ask('/hello')
      assert.equal(frame.type, FRAME.response)
      assert.equal(frame.way, 'answers')
      assert.equal(frame.status, '200 OK')
      assert.equal(frame.body, 'hello')
      assert.equal(fieldOf(frame, 'content-length'), '5')
      assert.equal(fieldOf(frame, 'content-type'), 'text/plain')
    },
  },
  {
    name: 'gives the app the environ, byte by byte',
    async run(front) {
      const environ = { HTTP_X_TEST: 'caf\xe9' }
      const frame = await front.ask('/environ?a=b', { method: 'DELETE', environ })
      assert.equal(frame.body, 'DELETE /environ a=b http caf\xe9 test/1')
    },
  },
  {
    name: 'gives the app a body that stands in the slot',
    async run(front) {
      const frame = await front.ask('/echo', { method: 'POST', body: 'tea \x00\xff' })
      assert.equal(frame.body, 'tea \x00\xff')
    },
  },
  {
    name: 'answers HEAD without a body, and with its length',
    async run(front) {
      const frame = await front.ask('/hello', { method: 'HEAD' })
      assert.equal(frame.body, '')
      assert.equal(fieldOf(frame, 'content-length'), '5')
    },
  },
  {
    name: 'tells that an app has failed before its head, and goes on',
    async run(front) {
      const frame = await front.ask('/fail')
      assert.equal(frame.type, FRAME.response)
      assert.equal(frame.flags, 1)
      assert.match(frame.status, /^500/)
      await front.event('log', { level: 'error' })
      assert.equal((await front.ask('/hello')).body, 'hello')
    },
  },
  {
    name: 'notes on the scoreboard what it executes, and what it has served',
    async run(front) {
      const request = front.send('/sleep')
      await front.boardShows('the request', ({ busy }) => busy)
      const { request: noted, began } = front.board()
      assert.equal(noted, request)
      const age = Number(process.hrtime.bigint() - began) / 1e9
      assert.ok(age >= 0 && age < 5, `it began ${age} seconds ago`)
      await front.frame(request)
      await front.boardShows('nothing executed', ({ busy, served }) => !busy && served === 1)
    },
  },
  {
    name: 'answers a mark, and passes over a wake slot',
    async run(front) {
      front.control(KIND.wake)
      front.control(KIND.mark, 77)
      const frame = await front.frame(77)
      assert.equal(frame.type, FRAME.mark)
      assert.equal(frame.way, 'answers')
      assert.equal((await front.ask('/hello')).body, 'hello')
    },
  },
  {
    name: 'shares the queue with others: no request is lost or answered twice',
    workers: 2,
    configuration: { workers: 2 },
    async run(front) {
      const requests: number[] = []
      for (let round = 0; round < 20; round++) {
        const batch = Array.from({ length: 10 }, () => front.send('/hello'))
        for (const request of batch) assert.equal((await front.frame(request)).body, 'hello')
        requests.push(...batch)
      }
      front.control(KIND.mark, 1_000_000)
      await front.frame(1_000_000)
      assert.deepEqual(front.frames, [])
    },
  },
  {
    name: 'leaves by a stop slot: its worker ends with 0, and says so',
    async run(front) {
      front.command({ command: 'stop' })
      front.control(KIND.stop)
      await front.event('leaving', { reason: 'stop' })
      await front.event('exited', { worker: 0, code: 0, signal: null })
      assert.equal(await front.ended(), 0)
    },
  },
  {
    name: 'leaves by SIGTERM once it has answered what it executes',
    async run(front) {
      const request = front.send('/sleep')
      await front.boardShows('the request', ({ busy }) => busy)
      const { pid } = front.board()
      front.command({ command: 'kill', pid, signal: SIGTERM })
      assert.equal((await front.frame(request)).status, '200 OK')
      await front.event('leaving', { reason: 'signal', pid })
      front.control(KIND.wake)
      await front.event('exited', { pid, code: 0 })
    },
  },
  {
    name: 'tells of a worker that was killed, and starts another with its number',
    async run(front) {
      const { pid } = front.board()
      front.command({ command: 'kill', pid, signal: 9 })
      await front.event('exited', { pid, worker: 0, code: null, signal: 9 })
      front.command({ command: 'spawn', worker: 0 })
      await front.event('ready', { worker: 0 })
      assert.equal((await front.ask('/hello')).body, 'hello')
    },
  },
  {
    name: 'ends with all its workers when the front is gone',
    workers: 2,
    async run(front) {
      const pids = [front.board(0).pid, front.board(1).pid]
      front.die()
      await front.ended()
      await front.until('the workers are gone', () => !pids.some(isAlive))
    },
  },
  {
    name: 'refuses a version of the protocol that it does not know',
    workers: 0,
    configuration: { version: 99 },
    async run(front) {
      const { reason } = await front.event('failed', { worker: null })
      assert.match(String(reason), /99/)
      assert.notEqual(await front.ended(), 0)
    },
  },
]

export const fieldOf = (
  { headers }: { headers: readonly (readonly [string, string])[] },
  name: string,
) => headers.find(([known]) => known.toLowerCase() === name)?.[1]

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false // as ESRCH says it
  }
}
