import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { definePlugin, loadConfiguration } from '../../index.ts'

const test = suite('settings that are lists of pairs or objects')

const shop = definePlugin({
  name: 'shop',
  config: {
    env: { doc: 'Pairs.', format: 'pairs', default: [] as string[] },
    alias: { doc: 'Mappings.', format: 'mappings', default: [] as string[] },
    expires: { doc: 'Rules.', format: 'rules', default: [] as string[], arg: 'expires' },
    places: { doc: 'Records.', format: 'records', default: [] as object[], arg: 'places' },
  },
  apply() {},
})

async function load(values: object, env = {}) {
  const uses = [{ plugin: shop, options: {} }]
  const loaded = await loadConfiguration({
    cwd: '/',
    env,
    file: null,
    uses,
    values: { shop: values },
  })
  return loaded.values.shop as Record<string, unknown>
}

const fault = (values: object, env = {}) =>
  load(values, env).then(
    () => assert.unreachable('nothing is wrong with it') as never,
    (error: Error) => error.message,
  )

test('may be written as objects, with several values for a key', async () => {
  const { env, alias, expires } = await load({
    env: { A: '1', B: ['2', '3'] },
    alias: { '/static/': './static' },
    expires: { '*.css': '1d' },
  })
  assert.equal(env, ['A=1', 'B=2', 'B=3'])
  assert.equal(alias, ['/static/=./static'])
  assert.equal(expires, ['*.css=1d'])
})

test('stay as they are where they are lists; keys of what lies deeper too', async () => {
  const places = [{ path: '/a', 'some-key': { 'X-A': 1 } }]
  assert.equal(await load({ env: ['A=1'], places }), {
    env: ['A=1'],
    alias: [],
    expires: [],
    places,
  })
})

test('come from a variable: rules by commas, objects as JSON', async () => {
  const env = { WSGI_CORE_EXPIRES: '*.css=1d, max', WSGI_CORE_PLACES: '[{"path": "/"}]' }
  const { expires, places } = await load({}, env)
  assert.equal([expires, places], [['*.css=1d', 'max'], [{ path: '/' }]])
})

test('are refused where they are none', async () => {
  assert.match(await fault({ alias: ['static'] }), "setting 'shop.alias': must be PATH=FOLDER")
  assert.match(await fault({ alias: { static: 'x' } }), 'must be PATH=FOLDER')
  assert.match(await fault({ expires: ['a=b=c'] }), 'must be VALUE, or PATTERN=VALUE')
  assert.match(await fault({ places: [1] }), 'must be a list of objects')
  assert.match(
    await fault({}, { WSGI_CORE_PLACES: '{' }),
    'variable WSGI_CORE_PLACES: must be a list of objects',
  )
})

test.run()
