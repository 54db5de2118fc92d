import type { Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { LeanRequest } from '../../../core/http/lean-request.ts'
import { parseAccepted } from '../../static/codings.ts'
import { environKey } from '../environ.ts'
import type { Base } from '../javascript/environ.ts'
import { createEnviron } from '../javascript/environ.ts'
import { MemoryInput } from '../javascript/input.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const HEAD = 30_000
const COUNT = 200
const NAMES = ['x-tiny', 'X-Upper', 'X-CAPITALS', `x-long-${'a'.repeat(8000)}`]

const headers = (raw: string[]) =>
  new LeanRequest('GET', '/', 1, raw, {} as Socket, undefined).headers

/** Who remembers what clients send. */
const KEEPERS: Record<string, (text: string) => unknown> = {
  'as keys of an environ': environKey,
  'as names of fields': (name) => headers([name, 'a']),
  'as codings that are accepted': parseAccepted,
  'as keys of an environ in a Node worker': (name) =>
    createEnviron(`${name}\0a\0`, {} as Base, new MemoryInput()),
}

const test = suite('what is remembered of what clients send')

for (const [how, keep] of Object.entries(KEEPERS)) {
  test(`does not hold the heads that it came in: ${how}`, () => {
    collect()
    const before = process.memoryUsage().heapUsed
    for (const name of NAMES) {
      for (let index = 0; index < COUNT; index++) {
        const sent = `${name}-of-this-test-${index}`
        const head = Buffer.from(sent.padEnd(HEAD), 'latin1').toString('latin1')
        keep(head.slice(0, sent.length))
      }
    }
    collect()
    collect() // names of properties go with the second
    const kept = process.memoryUsage().heapUsed - before
    assert.ok(kept < (HEAD * COUNT) / 4, `${kept} bytes`)
  })
}

test.run()
