import { pino } from 'pino'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { LineCutter, printedBy } from '../output.ts'

const cutter = suite('output cut into lines')

const cut = (...pieces: (string | Uint8Array)[]) => {
  const lines: string[] = []
  const cutter = new LineCutter((line) => lines.push(line))
  for (const piece of pieces) cutter.feed(Buffer.from(piece as string))
  cutter.end()
  return lines
}

cutter('joins what comes in pieces, also within a character', () => {
  const euro = Buffer.from('€')
  assert.equal(cut('a', 'b\nc', '\nd'), ['ab', 'c', 'd'])
  assert.equal(cut(euro.subarray(0, 1), euro.subarray(1), '\n'), ['€'])
})

cutter('leaves out empty lines and white space at the end', () => {
  assert.equal(cut('\n\na\r\n \nb  '), ['a', 'b'])
})

cutter('keeps a line of 8192 characters, shortens one that is longer', () => {
  assert.equal(cut('x'.repeat(8192), '\ny'), ['x'.repeat(8192), 'y'])
  const shortened = `${'x'.repeat(8192)} ... [shortened]`
  assert.equal(cut(`${'x'.repeat(8193)}\ny`), [shortened, 'y'])
  assert.equal(cut('x'.repeat(9000), 'x'.repeat(9000), 'x\ny'), [shortened, 'y'])
  assert.equal(cut('x'.repeat(9000), 'x'.repeat(9000)), [shortened])
})
cutter.run()

const printed = suite('output in the log')

printed('is shown whatever the level of the log', () => {
  const written: string[] = []
  const log = pino({ level: 'fatal' }, { write: (line) => written.push(line) })
  const lines = printedBy(log, () => 7)
  lines.feed(Buffer.from('hello\n'))
  log.info('not shown')
  assert.is(written.length, 1)
  const { level, worker, msg } = JSON.parse(written[0] as string)
  assert.equal([level, worker, msg], [30, 7, 'hello'])
})
printed.run()
