import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { definePlugin, optionTable } from '../../core/index.ts'
import workers from '../../plugins/workers/index.ts'
import { help, spelling } from '../help.ts'

const shop = definePlugin({
  name: 'shop',
  config: {
    door: { doc: 'Which door.', format: ['front', 'back'], default: 'front', arg: 'door' },
    hidden: { doc: 'Only in files.', format: 'text', default: 'x' },
    sign: {
      doc: 'Words.',
      format: 'text',
      default: null as string | null,
      arg: 'sign',
      short: 's',
    },
  },
  apply() {},
})
const text = help(optionTable([workers, shop]))

const helping = suite('help')

helping('groups the options by plugin', () => {
  assert.equal(text.match(/^\S.*:$/gm), ['Command:', 'Core:', 'Plugin workers:', 'Plugin shop:'])
  const [, ofWorkers = ''] = text.split('Plugin workers:')
  assert.match(ofWorkers.split('Plugin shop:')[0] ?? '', '-w, --workers N')
})

helping('shows spellings, choices and defaults', () => {
  assert.match(text, /^ {2}-b, --bind ADDRESS +Address to listen at/m)
  assert.match(text, '--error-logfile, --log-file FILE')
  assert.match(text, /--door WORD +Which door\. One of: front, back\. Default: front\./)
  assert.match(text, /-s, --sign TEXT +Words\.$/m)
  assert.match(
    text,
    /-w, --workers N +Worker processes; 'auto' for one per processor core\. Default: 1\./,
  )
})

helping('leaves out what has no option', () => assert.not.match(text, 'Only in files'))

helping('keeps to 100 columns, with no space at the end of a line', () => {
  for (const line of text.split('\n')) {
    assert.ok(line.length <= 100, line)
    assert.not.match(line, / $/)
  }
})

helping('spells an option as it is typed', () => {
  const definition = { doc: '', format: 'flag', default: false, arg: 'quiet', short: 'q' }
  assert.is(spelling(definition), '-q, --quiet')
  assert.is(
    spelling({ ...definition, format: 'seconds', argAliases: ['hush'] }),
    '-q, --quiet, --hush SECONDS',
  )
})

helping.run()
