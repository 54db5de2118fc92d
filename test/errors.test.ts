import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (file: string) => readFileSync(join(root, file), 'utf8')

const sources = ['core', 'cli', 'plugins'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((file) => join(folder, file))
    .filter((file) => file.endsWith('.ts') && !/(^|\/)(test|node_modules)\//.test(file)),
)
const codes = sources.flatMap((file) =>
  [...read(file).matchAll(/createError(?:<[^>]*>)?\(\s*'([A-Z_0-9]+)'/g)].map(([, code]) => code),
)
const usageCodes = [...read('cli/exit-codes.ts').matchAll(/'(WSGI_CORE_\w+)'/g)].map(
  ([, code]) => code,
)
const rows = read('docs/errors.md')
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => line.split('|').map((cell) => cell.trim()))
const documented = rows.map(([, cell]) => /^`(\w+)`/.exec(cell ?? '')?.[1])

const missing = (from: readonly unknown[], list: readonly unknown[]) =>
  list.filter((one) => !from.includes(one))

const errors = suite('error codes')

errors('are all in docs/errors.md', () => {
  assert.ok(codes.length > 30)
  assert.equal(missing(documented, codes), [])
})

errors('in docs/errors.md all exist', () => assert.equal(missing(codes, documented), []))

errors('are unique, in the sources and in the list', () => {
  assert.equal(new Set(codes).size, codes.length)
  assert.equal(new Set(documented).size, documented.length)
})

errors('begin with WSGI_CORE_', () => {
  assert.equal(
    codes.filter((code) => !code?.startsWith('WSGI_CORE_')),
    [],
  )
})

errors('have a cause and a cure', () => {
  for (const [, code, cause = '', cure = ''] of rows) {
    assert.match(cause, /\w.*\.$/, code)
    assert.match(cure, /\w.*\.$/, code)
  }
})

errors('of exit code 2 are marked in docs/errors.md', () => {
  const marked = rows
    .filter(([, cell]) => cell?.endsWith('²'))
    .map(([, cell]) => cell?.slice(1, -3))
  assert.equal(marked.sort(), usageCodes.sort())
})

errors.run()
