import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseArguments } from '../../cli/args.ts'
import { commandLine } from '../../cli/command-line.ts'
import { definePlugin, loadConfiguration, type Plugin, type Sources } from '../index.ts'

interface Context {
  folder: string
  load(sources?: Partial<Sources> & { argv?: string; json?: unknown }): Promise<Loaded>
  faults(sources: Parameters<Context['load']>[0]): Promise<string[]>
}
type Loaded = Awaited<ReturnType<typeof loadConfiguration>>

const shop = definePlugin({
  name: 'shop',
  config: {
    size: { doc: 'Size.', format: 'natural', default: 1, arg: 'shop-size' },
    items: { doc: 'Items.', format: 'texts', default: [] as string[], arg: 'item' },
    prices: { doc: 'Prices.', format: 'texts', default: [] as string[] },
    openAt: { doc: 'Opens.', format: ['day', 'night'], default: 'day', arg: 'open-at' },
    code: { doc: 'Code.', format: 'text', default: '', arg: 'code', sensitive: true },
    digits: { doc: 'Digits.', format: 'natural', default: 0, arg: 'digits', sensitive: true },
  },
  apply() {},
})
const bare = definePlugin({ name: 'bare', apply() {} })
const use = (plugin: Plugin, options = {}) => ({ plugin, options })

const withFolder = (name: string) => {
  const test = suite<Context>(name)
  test.before.each((context) => {
    context.folder = mkdtempSync(join(tmpdir(), 'wsgi-core-config-'))
    context.load = ({ argv, json, ...sources } = {}) => {
      if (json !== undefined) {
        writeFileSync(join(context.folder, 'wsgi-core.config.json'), JSON.stringify(json))
      }
      const words = argv?.split(' ').filter(Boolean)
      return loadConfiguration({
        cwd: context.folder,
        env: {},
        uses: [use(shop)],
        ...(words && {
          parseArguments: (table) => parseArguments(words, table),
          target: { plugin: 'wsgi', option: 'app' },
        }),
        ...sources,
      })
    }
    context.faults = async (sources) => {
      try {
        await context.load(sources)
      } catch (error) {
        assert.is((error as { code?: string }).code, 'WSGI_CORE_BAD_CONFIG', String(error))
        return (error as Error).message.split('\n')
      }
      throw new Error('nothing is wrong with it')
    }
  })
  test.after.each(({ folder }) => rmSync(folder, { recursive: true }))
  return test
}

const optionsOf = (loaded: Loaded, name: string) =>
  loaded.plugins.find(({ plugin }) => plugin.name === name)?.options as Record<string, unknown>

const precedence = withFolder('precedence')

precedence('goes default, file, code, environment, arguments', async ({ load }) => {
  const json = { keepAlive: 2, shop: { size: 2 } }
  const values = { keepAlive: 3, shop: { size: 3 } }
  const env = { WSGI_CORE_KEEP_ALIVE: '4', WSGI_CORE_SHOP_SIZE: '4' }
  const argv = '--keep-alive 5 --shop-size 5'
  const both = (loaded: Loaded) => [loaded.core.keepAlive, optionsOf(loaded, 'shop').size]
  assert.equal(both(await load()), [75, 1])
  assert.equal(both(await load({ json })), [2, 2])
  assert.equal(both(await load({ values })), [3, 3])
  assert.equal(both(await load({ values, env })), [4, 4])
  assert.equal(both(await load({ values, env, argv })), [5, 5])
})

precedence('goes variable of others, file, own variable, GUNICORN_CMD_ARGS', async ({ load }) => {
  const count = async (
    env: Record<string, string>,
    json: object = {},
    words: readonly string[] = [],
  ) => {
    const parse = commandLine([...words, 'hello:app'], env)
    const sources = { env, json, parseArguments: parse, target: { plugin: 'wsgi', option: 'app' } }
    return optionsOf(await load(sources), 'workers').count
  }
  const file = { workers: { count: 3 } }
  const others = { WEB_CONCURRENCY: '2' }
  const own = { ...others, WSGI_CORE_WORKERS: '4' }
  const preset = { ...own, GUNICORN_CMD_ARGS: '-w 5' }
  assert.is(await count({}), 1)
  assert.is(await count(others), 2)
  assert.is(await count(others, file), 3)
  assert.is(await count(own, file), 4)
  assert.is(await count(preset, file), 5)
  assert.is(await count(preset, file, ['-w', '6']), 6)
})

precedence("of code over others' variables", async ({ load }) => {
  const env = { PORT: '9000' }
  assert.equal((await load({ env })).core.bind, ['0.0.0.0:9000'])
  assert.equal((await load({ env, values: { bind: [':1'] } })).core.bind, [':1'])
  assert.equal((await load({ env, json: { bind: ':2' } })).core.bind, [':2'])
})

precedence('is by option, also within a section', async ({ load }) => {
  const json = { shop: { size: 2, items: ['file'] } }
  const loaded = await load({ json, values: { shop: { size: 3 } } })
  assert.equal(optionsOf(loaded, 'shop').items, ['file'])
  assert.is(optionsOf(loaded, 'shop').size, 3)
})

precedence("of use(plugin(options)) is code's", async ({ load }) => {
  const uses = [use(shop, { size: 3 })]
  assert.is(optionsOf(await load({ json: { shop: { size: 2 } }, uses }), 'shop').size, 3)
  const env = { WSGI_CORE_SHOP_SIZE: '4' }
  assert.is(optionsOf(await load({ env, uses }), 'shop').size, 4)
})

precedence('of --plugins over its variable over the file', async ({ folder, load }) => {
  for (const name of ['a', 'b', 'c']) {
    const source = `export default { name: '${name}', config: {}, dependencies: [], apply() {} }`
    writeFileSync(join(folder, `${name}.mjs`), source)
  }
  const names = (loaded: Loaded) => loaded.plugins.map(({ plugin }) => plugin.name)
  const json = { plugins: ['./a.mjs'] }
  const env = { WSGI_CORE_PLUGINS: './a.mjs, ./b.mjs' }
  assert.equal(names(await load({ uses: [] })), ['a'].slice(1))
  assert.equal(names(await load({ uses: [], json })), ['a'])
  assert.equal(names(await load({ uses: [], env })), ['a', 'b'])
  assert.equal(names(await load({ uses: [], env, argv: '--plugins ./c.mjs' })), ['c'])
  assert.equal(names(await load({ uses: [], argv: '--plugins ./c.mjs,./a.mjs' })), ['c', 'a'])
})

precedence.run()

const reading = withFolder('configuration')

reading('reads stand-in variables, and its own variables are stronger', async ({ load }) => {
  const argv = 'hello:app'
  const workers = async (env: Sources['env']) =>
    optionsOf(await load({ env, argv }), 'workers').count
  assert.is(await workers({ WEB_CONCURRENCY: '3' }), 3)
  assert.is(await workers({ WEB_CONCURRENCY: '3', WSGI_CORE_WORKERS: '4' }), 4)
  const bind = async (env: Sources['env']) => (await load({ env })).core.bind
  assert.equal(await bind({ PORT: '9000' }), ['0.0.0.0:9000'])
  assert.equal(await bind({ PORT: '9000', WSGI_CORE_BIND: ':1, :2' }), [':1', ':2'])
  assert.equal(await bind({ PORT: '' }), ['127.0.0.1:8000'])
})

reading('takes an application from arguments, variable or file', async ({ load }) => {
  const app = async (sources: Parameters<Context['load']>[0]) =>
    optionsOf(await load(sources), 'wsgi')?.app
  const parse: Sources['parseArguments'] = () => ({
    values: new Map([
      ['app', 'a:b'],
      ['wsgi.app', 'a:b'],
    ]),
    faults: [],
  })
  const target = { plugin: 'wsgi', option: 'app' }
  assert.is(await app({ parseArguments: parse, target }), 'a:b')
  assert.is(await app({ argv: '--keep-alive 1', env: { WSGI_CORE_APP: 'c:d' } }), 'c:d')
  assert.is(await app({ argv: '--keep-alive 1', json: { wsgi: { app: 'e:f' } } }), 'e:f')
})

reading("does not take a plugin's value for the application", async ({ load }) => {
  const loaded = await load({ argv: '--shop-size 3' })
  assert.equal(
    loaded.plugins.map(({ plugin }) => plugin.name),
    ['shop'],
  )
})

reading("knows an application's flags before it", async ({ load }) => {
  const loaded = await load({ argv: '--preload hello:app' })
  assert.is(optionsOf(loaded, 'workers').preload, true)
})

reading('demands something to serve where that is required', async ({ load }) => {
  const target = { plugin: 'wsgi', option: 'app', required: true }
  const parseNothing = () => ({ values: new Map(), faults: [] })
  const sources = { uses: [], parseArguments: parseNothing, target }
  const error = await load(sources).catch((reason) => reason)
  assert.is(error.code, 'WSGI_CORE_NOTHING_TO_SERVE')
  assert.match(error.message, /^no application given/)
  await load({ ...sources, uses: [use(bare)] })
})

reading(
  'misses the application, not its plugins, where options of one are given',
  async (context) => {
    const target = { plugin: 'wsgi', option: 'app', required: true }
    for (const json of [{ workers: 4 }, { wsgi: { app: null }, workers: { count: 2 } }]) {
      const error = await context
        .load({ uses: [], argv: '-w 3', json, target })
        .catch((fault) => fault)
      assert.is(error.code, 'WSGI_CORE_NOTHING_TO_SERVE', String(error))
    }
    const wrong = { uses: [], argv: '', json: { workers: 'many' }, target }
    assert.match((await context.faults(wrong))[0] ?? '', /^setting 'workers': must be/)
  },
)

reading('reads keys in snake case and kebab case, not what lies in values', async ({ load }) => {
  const json = { keep_alive: 2, 'graceful-timeout': 3, shop: { open_at: 'night' } }
  const loaded = await load({ json })
  assert.is(loaded.core.keepAlive, 2)
  assert.is(loaded.core.gracefulTimeout, 3)
  assert.is(optionsOf(loaded, 'shop').openAt, 'night')
})

reading('reads the sections of plugins whose names have dashes', async ({ load }) => {
  const dashed = definePlugin({ ...shop, name: 'corner-shop', config: shop.config, apply() {} })
  const loaded = await load({ uses: [use(dashed)], json: { 'corner-shop': { size: 9 } } })
  assert.is(optionsOf(loaded, 'corner-shop').size, 9)
})

reading('takes texts from files for any kind of option', async ({ load }) => {
  const loaded = await load({ json: { keepAlive: '2', shop: { size: '3', items: 'a, b' } } })
  assert.is(loaded.core.keepAlive, 2)
  assert.equal(optionsOf(loaded, 'shop').items, ['a', 'b'])
})

reading('takes a choice in whatever case it is written', async ({ load }) => {
  const level = async (sources: Parameters<Context['load']>[0]) =>
    (await load(sources)).core.logLevel
  assert.is(await level({ argv: '--log-level WARNING' }), 'warning')
  assert.is(await level({ env: { WSGI_CORE_LOG_LEVEL: 'Debug' } }), 'debug')
  assert.is(await level({ json: { loglevel: 'ERROR' } }), 'error')
})

reading('resolves paths of sockets in the folder of chdir', async ({ folder, load }) => {
  mkdirSync(join(folder, 'sub'))
  const loaded = await load({ values: { chdir: 'sub', bind: ['unix:app.sock', ':80'] } })
  assert.is(loaded.cwd, join(folder, 'sub'))
  assert.equal(loaded.binds, [
    { kind: 'unix', path: join(folder, 'sub/app.sock') },
    { kind: 'tcp', host: '0.0.0.0', port: 80 },
  ])
})

reading('applies plugins without options', async ({ load }) => {
  const loaded = await load({ uses: [use(bare)], json: { bare: {} } })
  assert.equal(optionsOf(loaded, 'bare'), {})
})

reading.run()

const wrong = withFolder('a bad configuration')

wrong('lists all faults at once, each with its place', async ({ faults }) => {
  const found = await faults({
    json: { backlog: 0, kepAlive: 1, shop: { openAt: 'noon', sise: 2 } },
    env: { WSGI_CORE_GRACEFUL_TIMEOUT: 'soon', PORT: '70000' },
    argv: '--keep-alive long --shop-size -3 --wrokers 4',
  })
  const places = [
    'argument --wrokers: unknown option',
    "setting 'kepAlive' is unknown; did you mean 'keepAlive'?",
    "setting 'shop.sise' is unknown; did you mean 'shop.size'?",
    "setting 'backlog': must be a whole number, 1 or more",
    'variable PORT: address',
    'variable WSGI_CORE_GRACEFUL_TIMEOUT: must be a number of seconds',
    'argument --keep-alive: must be a number of seconds',
    'argument --shop-size: must be a whole number, 0 or more',
    "setting 'shop.openAt': must be one of the possible values",
  ]
  for (const place of places) {
    assert.ok(
      found.some((fault) => fault.startsWith(place)),
      `${place}\nis not in\n${found.join('\n')}`,
    )
  }
  assert.is(found.length, places.length, found.join('\n'))
})

wrong('does not pass over an object where there may be none', async ({ faults }) => {
  const uses = [use(shop)]
  const json = { bind: {}, logLevel: { a: 1 }, shop: { size: { a: 1 }, openAt: {} } }
  assert.equal(await faults({ uses, json }), [
    "setting 'bind': must be a list of one address or more: value was {}",
    "setting 'logLevel': must be one of debug, info, warning, error, critical",
    `setting 'shop.size': must be a whole number, 0 or more: value was {"a":1}`,
    "setting 'shop.openAt': must be one of day, night",
  ])
})

wrong('names the source whose value counts', async ({ faults }) => {
  const env = { PORT: '70000', GUNICORN_CMD_ARGS: '--keep-alive long -b nowhere:http' }
  const inFile = await faults({ env, json: { bind: 'nowhere:http' } })
  assert.match(inFile[0] ?? '', /^setting 'bind': address 'nowhere:http'/)
  const parse = commandLine([], env)
  const [bind, keepAlive] = await faults({ env, parseArguments: parse })
  assert.match(bind ?? '', /^argument --bind of GUNICORN_CMD_ARGS: address 'nowhere:http'/)
  assert.match(keepAlive ?? '', /^argument --keep-alive of GUNICORN_CMD_ARGS: must be/)
})

const UNKNOWN: [unknown, string][] = [
  [
    { workers: { count: 2 } },
    "setting 'workers' belongs to plugin 'workers', which is not loaded; add it to 'plugins'",
  ],
  [{ nothing: { like: 'it' } }, "setting 'nothing' is unknown; see --help"],
  [{ openAt: 'day' }, "setting 'openAt' is unknown; did you mean 'shop.openAt'?"],
  [{ shop: 3 }, "setting 'shop' is a section, not a value; set 'shop.size', 'shop.items'"],
  [{ shop: 'text' }, "setting 'shop' is a section, not a value;"],
  [{ bare: true }, "setting 'bare' is a section, not a value; remove it"],
  [{ core: {} }, "setting 'core' is unknown"],
]

for (const [json, text] of UNKNOWN) {
  wrong(`says of ${JSON.stringify(json)}: ${text}`, async ({ faults }) => {
    const [fault] = await faults({ json, uses: [use(shop), use(bare)] })
    assert.ok(fault?.startsWith(text), fault)
  })
}

for (const [format, value] of [
  ['keepAlive', -1],
  ['keepAlive', '1s'],
  ['backlog', 1.5],
  ['bind', []],
  ['bind', ['nowhere:http']],
  ['logLevel', 'loud'],
  ['chdir', 3],
  ['plugins', 3],
] as const) {
  wrong(`refuses ${format} ${JSON.stringify(value)}`, async ({ faults, load }) => {
    if (format === 'plugins') {
      const error = await load({ values: { plugins: value } }).catch((reason) => reason)
      assert.is(error.code, 'WSGI_CORE_UNKNOWN_PLUGIN')
    } else assert.match((await faults({ values: { [format]: value } }))[0] ?? '', `'${format}':`)
  })
}

wrong('says so where the folder of chdir is none', async ({ folder, faults }) => {
  writeFileSync(join(folder, 'file'), '')
  const absent = await faults({ argv: '--chdir nowhere', env: { WSGI_CORE_CHDIR: folder } })
  assert.equal(absent, [`argument --chdir: there is no folder '${join(folder, 'nowhere')}'`])
  const file = await faults({ json: { chdir: 'file' } })
  assert.equal(file, [`setting 'chdir': there is no folder '${join(folder, 'file')}'`])
})

wrong('never shows a sensitive value', async ({ faults }) => {
  const found = await faults({ values: { shop: { digits: 'hunter2' } } })
  assert.match(found[0] ?? '', "setting 'shop.digits': must be a whole number")
  assert.not.match(found.join('\n'), 'hunter2')
})

const VALUES: [string, string | undefined][] = [
  ['-k sync', undefined],
  ['-k gthread', undefined],
  ['-k gunicorn.workers.gthread.ThreadWorker', undefined],
  ['-k egg:gunicorn#sync', undefined],
  ['--log-level INFO', undefined],
  ['--log-level loud', 'must be one of the possible values'],
  ['-k gevent', 'must be sync or gthread: greenlets are not supported; give each worker more'],
  ['-k eventlet', 'must be sync or gthread: greenlets'],
  ['-k tornado', "must be sync or gthread: Tornado's loop is not supported"],
  ['-k asgi', 'must be sync or gthread: ASGI applications are not supported'],
  ['-k uvicorn.workers.UvicornWorker', 'must be sync or gthread: ASGI applications'],
  ['-k my.own.Worker', "must be sync or gthread: gunicorn's worker classes are not loaded"],
  ['-w auto', undefined],
  ['-w 2..8', "a range of numbers is not supported; give one, or 'auto'"],
  ['-w 0', 'must be a whole number, 1 or more'],
  ['-e A=b=c -e EMPTY= -e NONE', undefined],
  ['-e =a', 'must be KEY=VALUE, or KEY for an empty one'],
  ['--root-path /a/b%20c', undefined],
  ['--root-path /a/', undefined],
  ['--root-path=', undefined],
  ['--root-path a', "must be a path that begins with '/'"],
  ['--root-path /a?b', "must be a path that begins with '/'"],
]

for (const [argv, fault] of VALUES) {
  wrong(`${fault ? 'refuses' : 'but not'} ${argv}`, async ({ faults, load }) => {
    if (fault === undefined) await load({ argv: `${argv} hello:app` })
    else {
      const [text] = await faults({ argv: `${argv} hello:app` })
      assert.match(
        text?.replace(/^argument --[a-z-]+: /, '') ?? '',
        new RegExp(`^${escaped(fault)}`),
      )
    }
  })
}

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

wrong.run()

const dialect = withFolder("gunicorn's names in a config file")

dialect('set what they set in gunicorn', async ({ load }) => {
  const json = {
    wsgi_app: 'shop:app',
    workers: 2,
    threads: 3,
    max_requests: 100,
    raw_env: ['A=1'],
    preload_app: true,
    keepalive: 5,
    errorlog: 'error.log',
    loglevel: 'debug',
    spew: false,
  }
  const loaded = await load({ argv: '--keep-alive 6', json })
  const { count, threads, maxRequests, preload } = optionsOf(loaded, 'workers')
  assert.equal([count, threads, maxRequests, preload], [2, 3, 100, true])
  assert.equal(optionsOf(loaded, 'wsgi').app, 'shop:app')
  assert.equal(optionsOf(loaded, 'wsgi').env, ['A=1'])
  assert.is(loaded.core.keepAlive, 6)
  assert.is(loaded.core.errorLogfile, 'error.log')
  assert.is(loaded.core.logLevel, 'debug')
  assert.equal(loaded.warnings, [])
})

dialect('are refused or warned of where they are not here', async ({ faults, load }) => {
  const json = {
    keyfile: 'a.pem',
    when_ready: 'x',
    timeout: 3,
    workers: { timeout: 4 },
    nonsense: 1,
  }
  assert.equal(
    (await faults({ argv: 'hello:app', json })).map((text) => text.slice(0, 24)),
    [
      "setting 'timeout' is the",
      "setting 'keyfile': belon",
      "setting 'when_ready': no",
      "setting 'nonsense' is un",
    ],
  )
  const { warnings } = await load({ json: { worker_tmp_dir: '/dev/shm' } })
  assert.equal(warnings, [
    "setting 'worker_tmp_dir' has no effect: workers send no heartbeat by a file",
  ])
})

dialect('in gunicorn.conf.py are not read, which is said', async ({ folder, load }) => {
  writeFileSync(join(folder, 'gunicorn.conf.py'), 'workers = 4')
  const [warning] = (await load({ argv: 'hello:app' })).warnings
  assert.match(warning ?? '', /^file 'gunicorn.conf.py' is not read; write its settings into/)
  assert.equal((await load({ file: null })).warnings, [], 'a server made in code looks for none')
  assert.equal((await load({ argv: 'hello:app', json: { workers: 4 } })).warnings, [])
})

for (const file of ['gunicorn.conf.py', 'file:gunicorn.conf.py', 'python:shop.config']) {
  dialect(`are not read from -c ${file}`, async ({ load }) => {
    const error = await load({ argv: `-c ${file} hello:app` }).catch((reason) => reason)
    assert.is(error.code, 'WSGI_CORE_CONFIG_FILE_UNKNOWN_TYPE')
    assert.match(error.message, 'Python configs are not read; write the settings into a file that')
  })
}

dialect('say with file: that it is a path', async ({ folder, load }) => {
  writeFileSync(join(folder, 'own.yaml'), 'workers: 4')
  const loaded = await load({ argv: '-c file:own.yaml hello:app' })
  assert.is(optionsOf(loaded, 'workers').count, 4)
})

dialect.run()

const printing = withFolder('print')

printing('is a config file that gives the same again', async ({ folder, load }) => {
  const values = { keepAlive: 2, shop: { size: 3, items: ['a'], openAt: 'night' } }
  const loaded = await load({ values })
  writeFileSync(join(folder, 'printed.json'), loaded.print())
  const again = await load({ file: 'printed.json' })
  assert.equal(again.core, loaded.core)
  assert.equal(again.plugins, loaded.plugins)
  assert.is(again.print(), loaded.print())
})

printing('holds every option, and what the application brings', async ({ load }) => {
  const parse: Sources['parseArguments'] = (table) => {
    const { values, faults } = parseArguments(['hello:app'], table)
    return { values: new Map([...values, ['wsgi.app', 'hello:app']]), faults }
  }
  const target = { plugin: 'wsgi', option: 'app' }
  const printed = JSON.parse((await load({ parseArguments: parse, target })).print())
  assert.is(printed.wsgi.app, 'hello:app')
  assert.is(printed.workers.count, 1)
  assert.equal(printed.bind, ['127.0.0.1:8000'])
})

printing('masks what is sensitive', async ({ load }) => {
  const text = (await load({ values: { shop: { code: 'hunter2' } } })).print()
  assert.not.match(text, 'hunter2')
  assert.match(text, '"code": "[Sensitive]"')
})

printing.run()
