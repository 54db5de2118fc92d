import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { findConfigFile, loadConfigFile } from '../file.ts'

interface Context {
  folder: string
}

const withFolder = (name: string) => {
  const test = suite<Context>(name)
  test.before.each((context) => {
    context.folder = mkdtempSync(join(tmpdir(), 'wsgi-core-config-'))
  })
  test.after.each(({ folder }) => rmSync(folder, { recursive: true }))
  return test
}

const load = async (folder: string, name: string, text: string | Uint8Array) => {
  writeFileSync(join(folder, name), text)
  const { path, values } = await loadConfigFile(name, folder)
  assert.is(path, join(folder, name))
  return values
}

/** Loads and expects an error with that code and, after the file's path, that text. */
const fails = async (folder: string, name: string, code: string, text: RegExp) => {
  try {
    await loadConfigFile(name, folder)
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error
    const { code: actual, message } = error
    assert.is(actual, `WSGI_CORE_CONFIG_FILE_${code}`)
    assert.ok(message.startsWith(`config file '${join(folder, name)}' `), message)
    assert.match(message.replaceAll(`${folder}/`, ''), text)
    return error
  }
  throw new Error(`${name} was loaded`)
}
const refuses = async (
  folder: string,
  name: string,
  text: string,
  code: string,
  reason: RegExp,
) => {
  writeFileSync(join(folder, name), text)
  return fails(folder, name, code, reason)
}

const formats = withFolder('loadConfigFile')
const expected = { workers: 2, tls: { cert: 'a.pem' }, plugins: ['static'] }

const valid: [string, string][] = [
  ['c.json', '{"workers":2,"tls":{"cert":"a.pem"},"plugins":["static"]}'],
  ['c.yaml', 'workers: 2\ntls:\n  cert: a.pem\nplugins: [static]\n'],
  ['c.yml', 'workers: 2 # two\ntls: {cert: a.pem}\nplugins:\n- static\n'],
  ['C.TOML', 'workers = 2\nplugins = ["static"]\n[tls]\ncert = "a.pem"\n'],
  ['c.js', "module.exports = { workers: 2, tls: { cert: 'a.pem' }, plugins: ['static'] }"],
  ['c.mjs', "export default { workers: 2, tls: { cert: 'a.pem' }, plugins: ['static'] }"],
  ['c.cjs', "exports.workers = 2\nexports.tls = { cert: 'a.pem' }\nexports.plugins = ['static']"],
  [
    'c.ts',
    "const n: number = 2\nexport default { workers: n, tls: { cert: 'a.pem' }, plugins: ['static'] }",
  ],
  ['c.mts', "export default { workers: 2 as number, tls: { cert: 'a.pem' }, plugins: ['static'] }"],
]
for (const [name, text] of valid) {
  formats(`reads ${name}`, async ({ folder }) => {
    const values = await load(folder, name, text)
    assert.equal(JSON.parse(JSON.stringify(values)), expected)
  })
}

formats('takes an absolute path and one with folders', async ({ folder }) => {
  mkdirSync(join(folder, 'a b#%'))
  writeFileSync(join(folder, 'a b#%', 'c.mjs'), 'export default { a: 1 }')
  const path = join(folder, 'a b#%', 'c.mjs')
  assert.equal(await loadConfigFile(path, '/nowhere'), { path, values: { a: 1 } })
  assert.equal(await loadConfigFile('a b#%/c.mjs', folder), { path, values: { a: 1 } })
})

formats('takes a file with a byte order mark', async ({ folder }) => {
  assert.equal(await load(folder, 'c.json', '\ufeff{"a":1}'), { a: 1 })
})

formats('takes a YAML or TOML file with comments only as no settings', async ({ folder }) => {
  assert.equal(await load(folder, 'c.yaml', '# workers: 2\n'), {})
  assert.equal(await load(folder, 'c.toml', '# workers = 2\n'), {})
  assert.equal(await load(folder, 'd.yaml', ''), {})
})

formats('gives TOML tables that have the methods of objects', async ({ folder }) => {
  const values = await load(folder, 'c.toml', '[a]\nb = 1\n')
  assert.instance(values, Object)
  assert.instance(values.a, Object)
})

formats('reads YAML 1.2: no is a word, << is a key', async ({ folder }) => {
  assert.equal(await load(folder, 'c.yaml', 'a: no\nb: 010\n<<: {c: 1}\n'), {
    a: 'no',
    b: 10,
    '<<': { c: 1 },
  })
})

formats('refuses a missing file, a folder and bytes that are not UTF-8', async ({ folder }) => {
  await fails(folder, 'none.json', 'MISSING', /does not exist; create it, or correct --config/)
  mkdirSync(join(folder, 'dir.json'))
  await fails(folder, 'dir.json', 'UNREADABLE', /EISDIR/)
  writeFileSync(join(folder, 'c.json'), Uint8Array.of(0x22, 0xff, 0x22))
  await fails(folder, 'c.json', 'UNREADABLE', /utf-8/)
})

formats('refuses a file that may not be read', async ({ folder }) => {
  if (process.getuid?.() === 0) return // root may read all
  writeFileSync(join(folder, 'c.json'), '{}')
  chmodSync(join(folder, 'c.json'), 0)
  await fails(folder, 'c.json', 'UNREADABLE', /EACCES/)
})

formats('refuses an unknown ending and lists those that are allowed', async ({ folder }) => {
  const allowed =
    /give a file that ends in \.json, \.yaml, \.yml, \.toml, \.js, \.mjs, \.cjs, \.ts, \.mts$/
  await refuses(folder, 'c.ini', '', 'UNKNOWN_TYPE', allowed)
  await refuses(folder, 'config', '', 'UNKNOWN_TYPE', allowed)
})

formats("says of Python that gunicorn's file is not read", async ({ folder }) => {
  const reason = /Python configs are not read; write the settings into a file that ends in/
  await refuses(folder, 'gunicorn.conf.py', 'workers = 2', 'UNKNOWN_TYPE', reason)
})

const notObjects: [string, string, string][] = [
  ['c.json', '[1]', 'an array'],
  ['c.json', 'null', 'null'],
  ['c.json', '"x"', 'a string'],
  ['c.yaml', '- 1', 'an array'],
  ['c.yaml', 'word', 'a string'],
  ['c.mjs', 'export default 5', 'a number'],
  ['c.mjs', 'export default new Map()', 'a Map'],
  ['c.mjs', 'export default async () => undefined', 'undefined'],
  ['c.mjs', 'export default () => () => ({})', 'a function'],
]
for (const [name, text, kind] of notObjects) {
  formats(`refuses ${name} with ${text}, for it is not an object`, async ({ folder }) => {
    await refuses(folder, name, text, 'BAD_VALUE', new RegExp(`holds ${kind}, not an object`))
  })
}

const polluting: [string, string, string][] = [
  ['c.json', '{"a":[{"__proto__":{"x":1}}]}', 'a.0.__proto__'],
  ['c.json', '{"constructor":{"prototype":{}}}', 'constructor'],
  ['c.yaml', 'a:\n  __proto__: {x: 1}\n', 'a.__proto__'],
  ['c.toml', '[__proto__]\nx = 1\n', '__proto__'],
  ['c.toml', '[[a]]\nprototype = 1\n', 'a.0.prototype'],
  ['c.mjs', "export default { a: { ['__proto__']: { x: 1 } } }", 'a.__proto__'],
]
for (const [name, text, key] of polluting) {
  formats(`refuses the key ${key} in ${name}`, async ({ folder }) => {
    await refuses(folder, name, text, 'BAD_VALUE', new RegExp(`has the key '${key}'`))
    assert.is(Reflect.get({}, 'x'), undefined)
  })
}

formats('leaves objects of classes and circles in modules alone', async ({ folder }) => {
  const text =
    'class A { constructor() { this.prototype = 1 } }\nconst a = { b: new A() }\na.a = a\nexport default a'
  const values = await load(folder, 'c.mjs', text)
  assert.is(values.a, values)
})
formats.run()

const syntax = withFolder('syntax errors of config files')

const broken: [string, string, string][] = [
  ['c.json', '{"a": x}', "c.json:1:7: Unexpected token 'x'"],
  [
    'c.json',
    `{"${'long'.repeat(20)}": 1,\n "b": x, "c": "${'long'.repeat(20)}"}`,
    "c.json:2:7: Unexpected token 'x'",
  ],
  ['c.json', '{\n  "a": 1,\n}', 'c.json:3:1: Expected double-quoted property name'],
  ['c.json', '{\n  "a": 1\n', 'c.json:2:9: '],
  ['c.json', '', 'c.json:1:1: Unexpected end of JSON input'],
  ['c.json', '{"a": 1} x', 'c.json:1:10: Unexpected non-whitespace character after JSON'],
  ['c.yaml', 'a: 1\nb: 2\na: 3\n', 'c.yaml:3:1: Map keys must be unique'],
  ['c.yaml', 'a:\n\tb: 1\n', 'c.yaml:2:1: Tabs are not allowed as indentation'],
  ['c.yaml', 'a: b: c', 'c.yaml:1:4: Nested mappings are not allowed in compact mappings'],
  ['c.yaml', 'a: !!python/object x', 'c.yaml:1:4: Unresolved tag'],
  ['c.yaml', 'a: 1\n---\nb: 2\n', 'c.yaml:2:1: Source contains multiple documents'],
  ['c.yaml', 'a: *b', 'Unresolved alias'],
  ['c.toml', 'a = 1\nb =\n', 'c.toml:2:4: '],
  ['c.toml', 'a = 1\na = 2\n', 'c.toml:2:1: trying to redefine'],
  ['c.cjs', 'module.exports = {\n  a: 1,,\n}', 'c.cjs:2:'],
  ['c.mjs', 'export default {\n  a: 1,,\n}', 'c.mjs:2:'],
  ['c.ts', 'const a: number = 1\nexport default {{ a }', 'c.ts:2:'],
]
for (const [name, text, reason] of broken) {
  syntax(`has the place and the reason: ${JSON.stringify(reason)}`, async ({ folder }) => {
    const error = await refuses(
      folder,
      name,
      text,
      'SYNTAX',
      /has a syntax error: .*; correct it there$/,
    )
    assert.match(error.message.replaceAll(`${folder}/`, ''), `has a syntax error: ${reason}`)
    assert.instance(error.cause, Error)
  })
}

syntax('include YAML aliases that multiply', async ({ folder }) => {
  const rows = Array.from({ length: 9 }, (_, row) =>
    row === 0 ? 'a0: &a0 [x,x,x,x,x,x,x,x,x]' : `a${row}: &a${row} [${`*a${row - 1},`.repeat(9)}]`,
  )
  await refuses(folder, 'c.yaml', rows.join('\n'), 'SYNTAX', /Excessive alias count/)
})
syntax.run()

const modules = withFolder('config modules')

modules('may export a function, also an async one', async ({ folder }) => {
  assert.equal(await load(folder, 'a.mjs', 'export default () => ({ a: 1 })'), { a: 1 })
  assert.equal(await load(folder, 'b.cjs', 'module.exports = async () => ({ b: 1 })'), { b: 1 })
})

for (const name of ['c.mjs', 'c.cjs', 'c.js', 'c.ts']) {
  modules(`are read again from ${name} at each load`, async ({ folder }) => {
    const text = (n: number) =>
      /cjs|\.js/.test(name) ? `module.exports = { n: ${n} }` : `export default { n: ${n} }`
    for (const n of [1, 2, 3]) assert.equal(await load(folder, name, text(n)), { n })
  })
}

modules('without a default export are refused', async ({ folder }) => {
  const reason = /has no default export; write: export default \{ \.\.\. \}/
  await refuses(folder, 'c.mjs', 'export const a = 1', 'BAD_VALUE', reason)
})

modules('that throw are named with place and cause', async ({ folder }) => {
  const error = await refuses(
    folder,
    'c.mjs',
    '\nexport default { a: nope }',
    'FAILED',
    /nope is not defined/,
  )
  assert.match(error.message, /c\.mjs:\d+:\d+: nope/)
  assert.instance(error.cause, ReferenceError)
  const text = "export default async () => {\n  throw new Error('no secret')\n}"
  await refuses(folder, 'd.mjs', text, 'FAILED', /d\.mjs:\d+:\d+: no secret$/)
  await refuses(folder, 'e.mjs', "throw 'text'", 'FAILED', /failed to run: text$/)
})

modules('that import what is missing are named with the cause', async ({ folder }) => {
  await refuses(folder, 'c.mjs', "import './gone.mjs'\nexport default {}", 'FAILED', /gone\.mjs/)
})
modules.run()

const plain = withFolder('config modules under Node without tsx')
const root = fileURLToPath(new URL('../../..', import.meta.url))

/** Compiles the loader and returns what loading that file prints under plain Node. */
const compile = (folder: string) => {
  const config = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: {
      rootDir: root,
      outDir: join(folder, 'dist'),
      typeRoots: [join(root, 'node_modules/@types')],
    },
    include: [],
    files: [join(root, 'core/config/file.ts')],
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  writeFileSync(
    join(folder, 'dist.mjs'),
    `import { loadConfigFile } from './dist/core/config/file.js'
    for (const name of process.argv.slice(3)) {
      console.log(await loadConfigFile(name, process.argv[2]).then((f) => JSON.stringify(f.values), (e) => e.message))
    }`,
  )
  mkdirSync(join(folder, 'dist'))
  writeFileSync(join(folder, 'dist', 'package.json'), '{"type":"module"}')
  symlinkSync(join(root, 'node_modules'), join(folder, 'dist', 'node_modules'))
  execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', folder], { stdio: 'inherit' })
  return (cwd: string, ...names: string[]) => {
    const args = [join(folder, 'dist.mjs'), cwd, ...names]
    // c8 12.0.0 cannot read the coverage of the data: URLs that tsx makes of CommonJS.
    const env = { NODE_V8_COVERAGE: '' }
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env })
    return `${stdout}${stderr}`.replaceAll(`${folder}/`, '')
  }
}

plain(
  'load, tell where syntax is wrong, and take tsx from the project or ask for it',
  ({ folder }) => {
    const run = compile(folder)
    const project = join(folder, 'project')
    mkdirSync(project)
    const write = (name: string, text: string) => writeFileSync(join(project, name), text)
    write('good.mjs', 'export default { a: 1 }')
    write('good.cjs', 'module.exports = { a: 1 }')
    write('bad.mjs', 'export default {\n  a: 1,,\n}')
    write('bad.cjs', 'module.exports = {\n  a: 1,,\n}')
    write('throws.mjs', '\n\nexport default nope')
    write('good.ts', 'const a: number = 1\nexport default { a }')
    write('bad.ts', 'const a: number = 1\nexport default {{ a }')
    assert.is(run(project, 'good.mjs', 'good.cjs'), '{"a":1}\n{"a":1}\n')
    assert.match(run(project, 'bad.mjs'), "syntax error: project/bad.mjs:2:8: Unexpected token ','")
    assert.match(run(project, 'bad.cjs'), "syntax error: project/bad.cjs:2:8: Unexpected token ','")
    assert.match(
      run(project, 'throws.mjs'),
      'failed to run: project/throws.mjs:3:16: nope is not defined',
    )
    if (Reflect.get(process.features, 'typescript')) return // then Node runs it itself
    assert.match(run(project, 'good.ts'), 'does not run TypeScript; add tsx, or write .js')
    symlinkSync(join(root, 'node_modules'), join(project, 'node_modules'))
    assert.is(run(project, 'good.ts', 'good.ts'), '{"a":1}\n{"a":1}\n')
    assert.match(run(project, 'bad.ts'), /syntax error: project\/bad\.ts:2:\d+: /)
  },
)
plain.run()

const finding = withFolder('findConfigFile')
const NAMES = ['js', 'mjs', 'ts', 'json', 'yaml', 'yml', 'toml'].map(
  (ending) => `wsgi-core.config.${ending}`,
)

finding('is null where there is none', ({ folder }) => {
  writeFileSync(join(folder, 'wsgi-core.config.py'), '')
  assert.is(findConfigFile(folder), null)
  assert.is(findConfigFile(join(folder, 'none')), null)
})

for (const name of NAMES) {
  finding(`finds ${name}`, ({ folder }) => {
    writeFileSync(join(folder, name), '')
    assert.is(findConfigFile(folder), join(folder, name))
  })
}

finding('refuses several and names them', ({ folder }) => {
  for (const name of NAMES.toReversed()) writeFileSync(join(folder, name), '')
  assert.throws(
    () => findConfigFile(folder),
    `folder '${folder}' has several config files: ${NAMES.join(', ')}; keep one, or name it`,
  )
})
finding.run()
