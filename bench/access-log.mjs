// What an access log costs: the same server and application with and without, side by side.
//
//   node bench/access-log.mjs --seconds 2 --rounds 5 --connections 16 --only file
import { join } from 'node:path'
import { temporary } from './contenders.mjs'
import { compare, readArguments } from './variants.mjs'

const values = readArguments({
  only: { type: 'string', default: 'file,combined,json,stdout' },
})

const file = (name) => ['--access-logfile', join(temporary, `${name}.log`)]
const VARIANTS = {
  off: [],
  file: file('file'),
  combined: [...file('combined'), '--access-logformat', 'combined'],
  json: [...file('json'), '--access-logformat', 'json'],
  stdout: ['--access-logfile', '-'],
}
const names = ['off', ...values.only.split(',')]
const chosen = Object.fromEntries(names.map((name) => [name, VARIANTS[name]]))
await compare('access log', chosen, values)
