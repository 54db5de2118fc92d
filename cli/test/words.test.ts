import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { splitWords } from '../words.ts'

const words = suite('words of a text')

/** What Python's shlex.split gives, which gunicorn uses. */
const SPLIT: [string, string[]][] = [
  ['', []],
  ['  \t\r\n ', []],
  ['-w 4 --preload', ['-w', '4', '--preload']],
  ["-e 'A=a b'", ['-e', 'A=a b']],
  ['-e "A=a b"', ['-e', 'A=a b']],
  ["-e A='a b'c", ['-e', 'A=a bc']],
  ["''", ['']],
  ['a "" b', ['a', '', 'b']],
  ['a\\ b', ['a b']],
  ["'a\\b'", ['a\\b']],
  ['"a\\"b\\\\c\\d"', ['a"b\\c\\d']],
  [`"it's" 'say "x"'`, ["it's", 'say "x"']],
  ['# no comment', ['#', 'no', 'comment']],
  ['--access-logformat=\'%(h)s "%(r)s"\'', ['--access-logformat=%(h)s "%(r)s"']],
  ['a\\\nb', ['a\nb']],
]

for (const [text, expected] of SPLIT) {
  words(`of ${JSON.stringify(text)}`, () => assert.equal(splitWords(text), { words: expected }))
}

for (const [text, fault] of [
  ["-e 'A", "no closing '"],
  ['-e "A\\"', 'no closing "'],
  ['-e A\\', 'nothing follows the last backslash'],
] as const) {
  words(`refuse ${text}`, () => assert.is(splitWords(text).fault, fault))
}

words.run()
