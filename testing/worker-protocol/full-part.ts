import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import type { CheckDefinition } from './conformance.ts'
import { fieldOf } from './core-part.ts'
import type { FakeFront } from './fake-front.ts'
import { FRAME, type Frame } from './frame.ts'
import { BODY } from './slot.ts'

const LAST = 1
const GONE = 2
const text = (frames: readonly Frame[]) => frames.map(({ body }) => body).join('')

const echoes =
  (kind: number, size: number, more: object = {}) =>
  async (front: FakeFront) => {
    const body = 'x'.repeat(size)
    const frames = await front.askAll('/echo', { method: 'POST', body, kind, ...more })
    assert.equal(text(frames).length, size)
  }

/** What the rest of the protocol asks. */
export const FULL: readonly CheckDefinition[] = [
  { name: 'reads a body from its block', run: echoes(BODY.block, 60_000) },
  {
    name: 'reads the environ from the block, and the body behind it',
    run: echoes(BODY.inline, 2000, { inBlock: true, environ: { HTTP_COOKIE: 'c'.repeat(8000) } }),
  },
  {
    name: 'reads a body from its file, and removes that when it opens it',
    async run(front) {
      const request = front.send('/echo', { method: 'POST', body: 'file', kind: BODY.file })
      assert.equal((await front.frame(request)).body, 'file')
      assert.ok(!existsSync(front.path(`body-0-${request}`)))
    },
  },
  {
    name: 'asks for a body on demand, and answers over the socket then',
    async run(front) {
      const request = front.send('/echo', {
        method: 'POST',
        body: 'on demand',
        kind: BODY.onDemand,
      })
      await front.hello()
      const first = await front.frame(request, FRAME.pull)
      front.reply(first, FRAME.body, Buffer.from('on '))
      const second = await front.frame(request, FRAME.pull)
      front.reply(second, FRAME.body, Buffer.from('demand'), LAST)
      const answer = await front.frame(request)
      assert.equal(answer.body, 'on demand')
      assert.notEqual(answer.way, 'answers')
    },
  },
  {
    name: 'ends a request whose client leaves while its body is asked for',
    async run(front) {
      const request = front.send('/echo', { method: 'POST', body: 'x', kind: BODY.onDemand })
      front.reply(await front.frame(request, FRAME.pull), FRAME.body, Buffer.alloc(0), GONE | LAST)
      const end = await front.frame(request)
      assert.ok(end.type === FRAME.abort || end.flags === 1, `type ${end.type}`)
      assert.equal((await front.ask('/hello')).body, 'hello')
    },
  },
  {
    name: 'answers over the socket what the pipe does not take at once; HELLO comes first',
    async run(front) {
      const frames = await front.askAll('/big')
      assert.equal(text(frames), 'x'.repeat(100_000))
      assert.ok(frames.every(({ way }) => way !== 'answers'))
      assert.equal(fieldOf(frames[0] as Frame, 'content-length'), '100000')
      const hello = await front.hello()
      assert.equal(hello.payload.readUInt32LE(0), 1)
      assert.equal(hello.payload.readUInt32LE(4), front.board().pid)
    },
  },
  {
    name: 'sends a stream as it comes: HEAD, DATA, END',
    async run(front) {
      const frames = await front.askAll('/stream')
      const [head] = frames as [Frame]
      assert.equal(head.type, FRAME.head)
      assert.equal(head.status, '200 OK')
      assert.equal(fieldOf(head, 'content-length'), undefined)
      assert.equal(text(frames), 'one\ntwo\nthree\n')
      const end = frames.at(-1) as Frame
      assert.equal(end.type, FRAME.end)
      assert.ok(end.pace > 0)
    },
  },
  {
    name: 'breaks off where the app fails after its head',
    async run(front) {
      const frames = await front.askAll('/fail-late')
      assert.equal(frames[0]?.type, FRAME.head)
      assert.equal(frames.at(-1)?.type, FRAME.abort)
      await front.event('log', { level: 'error' })
    },
  },
  {
    name: 'stops the app whose client has left',
    async run(front) {
      const request = front.send('/endless')
      await front.frame(request, FRAME.head)
      front.leaveClient(request)
      await front.frame(request, FRAME.abort)
      front.frames.length = 0
      assert.equal((await front.ask('/hello')).body, 'hello')
    },
  },
  {
    name: 'gives no body with 204',
    async run(front) {
      const frame = await front.ask('/empty')
      assert.equal(frame.status, '204 No Content')
      assert.equal(frame.body, '')
      assert.equal(fieldOf(frame, 'content-length'), undefined)
    },
  },
  {
    name: 'tells how long the app took',
    async run(front) {
      assert.ok((await front.ask('/sleep')).pace > (await front.ask('/hello')).pace)
    },
  },
  {
    name: 'executes as many requests at a time as it has threads, each with its entry',
    configuration: { threads: 2 },
    async run(front) {
      const requests = [front.send('/sleep'), front.send('/sleep')]
      await front.until('both are executed', () => front.board(0).busy && front.board(1).busy)
      const noted = [front.board(0).request, front.board(1).request]
      assert.deepEqual(noted.sort(), requests)
      const entries = await Promise.all(requests.map(async (id) => (await front.frame(id)).entry))
      assert.deepEqual(entries.sort(), [0, 1])
    },
  },
  {
    name: 'asks for its replacement after max_requests, and serves on',
    configuration: { max_requests: 3 },
    async run(front) {
      for (let count = 0; count < 3; count++) await front.ask('/hello')
      await front.event('leaving', { reason: 'max_requests' })
      assert.equal((await front.ask('/hello')).body, 'hello')
    },
  },
  {
    name: 'prints to its pipe where output is captured',
    configuration: { capture_output: true },
    async run(front) {
      await front.ask('/print')
      const command = `head -c 8 < ${front.path('output-0')}`
      assert.equal(execFileSync('sh', ['-c', command], { encoding: 'utf8' }), 'printed\n')
    },
  },
  {
    name: 'makes the pipe of a front that comes in later',
    async run(front) {
      front.command({ command: 'front', front: 3 })
      await front.event('front', { front: 3 })
      assert.ok(existsSync(front.path('answers-3')))
    },
  },
  {
    name: 'tells why an app cannot be loaded, and ends with 3',
    workers: 0,
    configuration: { app: 'broken' },
    async run(front) {
      await front.open()
      front.command({ command: 'spawn', worker: 0 })
      const { traceback } = await front.event('failed', { worker: 0, exit: 3 })
      assert.match(String(traceback), /\S/)
      await front.event('exited', { worker: 0, code: 3 })
    },
  },
  {
    name: 'leaves nothing of a killed worker to the next one with its number',
    async run(front) {
      front.send('/sleep')
      await front.boardShows('the request', ({ busy }) => busy)
      const { pid } = front.board()
      front.command({ command: 'kill', pid, signal: 9 })
      await front.event('exited', { pid })
      assert.ok(front.board().busy)
      front.command({ command: 'spawn', worker: 0 })
      await front.event('ready', { worker: 0 })
      assert.ok(!front.board().busy)
      assert.match(readFileSync(`/proc/${front.board().pid}/cmdline`, 'latin1'), /\S/)
    },
  },
]
