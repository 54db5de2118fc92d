// Several fronts beside one, with the same workers.
//
//   node bench/fronts.mjs --seconds 3 --rounds 5 --connections 64 --clients 2 --fronts 2
import { compare, readArguments } from './variants.mjs'

const values = readArguments({
  fronts: { type: 'string', default: '2' },
  connections: { type: 'string', default: '64' },
  clients: { type: 'string', default: '2' },
})
const counts = ['1', ...values.fronts.split(',')]
const variants = Object.fromEntries(counts.map((count) => [count, ['--fronts', count]]))
await compare('fronts', variants, values)
