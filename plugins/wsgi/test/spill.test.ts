import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

type Done = (error: Error | null, count: number, bytes: Buffer) => void

/** What the file system is asked, and does not answer before the test says so. */
const asked: { what: 'read' | 'write'; done: Done; length: number; bytes: Buffer }[] = []
const closed: number[] = []
const original = { read: fs.read, write: fs.write, closeSync: fs.closeSync }
for (const what of ['read', 'write'] as const) {
  const slow = (
    _fd: number,
    bytes: Buffer,
    _from: number,
    length: number,
    _at: number,
    done: Done,
  ) => void asked.push({ what, done, length, bytes })
  fs[what] = slow as never
}
fs.closeSync = (fd) => {
  closed.push(fd)
  original.closeSync(fd)
}
syncBuiltinESMExports()
const { Spill } = await import('../spill.ts')

const test = suite('the file for a slow client')
test.before.each(() => {
  asked.length = 0
  closed.length = 0
})
test.after(() => {
  Object.assign(fs, original)
  syncBuiltinESMExports()
})

/** One that has some bytes, of which some are read, and some are written. */
function busy(failures: Error[]) {
  const sink = { write: () => true, end() {}, fail: (error: Error) => void failures.push(error) }
  const spill = new Spill(tmpdir(), 1_000_000, sink)
  spill.write(Buffer.alloc(100), () => {})
  answer('write')
  spill.resume()
  spill.write(Buffer.alloc(100), () => {})
  assert.equal(
    asked.map(({ what }) => what),
    ['read', 'write'],
  )
  return spill
}

function answer(what: 'read' | 'write', error: Error | null = null): void {
  const at = asked.findIndex((each) => each.what === what)
  const [{ done, length, bytes }] = asked.splice(at, 1) as [(typeof asked)[number]]
  done(error, error ? 0 : length, bytes)
}

test('needs what it was given until it has copied it', () => {
  const spill = busy([])
  assert.ok(spill.hasCopied)
  spill.write(Buffer.alloc(100), () => {})
  assert.not.ok(spill.hasCopied)
  answer('write')
  assert.ok(spill.hasCopied)
  spill.write(Buffer.alloc(100), () => {})
  spill.close()
  assert.ok(spill.hasCopied, 'nor where its client has left')
  answer('write')
  answer('read')
})

for (const [first, second] of [
  ['write', 'read'],
  ['read', 'write'],
] as const) {
  test(`is closed once where a ${first} fails while a ${second} is under way`, () => {
    const failures: Error[] = []
    busy(failures)
    answer(first, new Error('no room'))
    assert.is(closed.length, 0)
    answer(second)
    assert.is(closed.length, 1)
    assert.equal(
      failures.map(({ message }) => message),
      ['no room'],
    )
  })

  test(`is closed once where the client leaves and a ${first} fails before a ${second} does`, () => {
    const failures: Error[] = []
    busy(failures).close()
    answer(first, new Error('no room'))
    assert.is(closed.length, 0)
    answer(second, new Error('no room'))
    assert.is(closed.length, 1)
    assert.equal(failures, [])
  })
}

test.run()
