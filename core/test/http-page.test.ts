import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { coreSchema } from '../config/schema.ts'
import { type Limits, resolveLimits } from '../http/limits.ts'

const page = readFileSync(new URL('../../docs/http.md', import.meta.url), 'utf8')
const rows = [...page.matchAll(/^\| (.*) \|$/gm)].map(([, row]) => (row as string).split(' | '))

/** The limits that have an option, by its key, with what the engine calls them. */
const LIMITS = {
  limitRequestLine: 'requestLine',
  limitRequestFieldSize: 'fieldSize',
  limitRequestFields: 'fields',
  limitRequestHead: 'head',
  limitRequestBody: 'body',
  clientHeaderTimeout: 'headTime',
  minBodyRate: 'bodyRate',
  minReadRate: 'readRate',
  keepaliveRequests: 'requests',
  maxConnections: 'connections',
  maxConnectionsPerAddress: 'connectionsPerAddress',
} as const satisfies Partial<Record<keyof typeof coreSchema, keyof Limits>>

const FIXED = ['trailers', 'chunkExtensions', 'drain', 'lingerTime'] as const

const http = suite('docs/http.md')

http('has each limit with its option, its default and its status', () => {
  for (const key of [...Object.keys(LIMITS), 'keepAlive'] as (keyof typeof LIMITS)[]) {
    const { arg, default: value, doc } = coreSchema[key]
    const row = rows.find(([, option]) => option === `\`--${arg}\``)
    assert.ok(row, `--${arg}`)
    assert.is(row[2], String(value), `--${arg}`)
    for (const status of doc.match(/\b[45]\d\d\b/g) ?? []) assert.match(row[3] ?? '', status)
  }
})

http('has the defaults that the engine has by itself', () => {
  const limits = resolveLimits({})
  for (const [key, name] of Object.entries(LIMITS)) {
    const { default: value } = coreSchema[key as keyof typeof LIMITS]
    assert.is(limits[name], name === 'headTime' ? value * 1000 : value, key)
  }
  const shown = rows.filter((row) => row.length === 3).map(([, value]) => Number(value))
  const values = FIXED.map((name) => limits[name] / (name === 'lingerTime' ? 1000 : 1))
  for (const value of values) assert.ok(shown.includes(value), String(value))
  const known = [...Object.values(LIMITS), ...FIXED, 'rateTime']
  assert.equal(Object.keys(limits).sort(), known.sort(), 'each limit is on the page')
  assert.match(page, `over ${limits.rateTime / 1000} seconds`)
})

http.run()
