import * as assert from 'uvu/assert'
import { type Apply, type Context, start, withServers } from './support.ts'

const test = withServers('what a plugin asks of the core')

test('a service that may be missing', async (context: Context) => {
  const found: unknown[] = []
  await start(context, (core) => {
    found.push(core.findService('none' as never))
    core.provide('some' as never, 'it' as never)
    found.push(core.findService('some' as never))
  })
  assert.equal(found, [undefined, 'it'])
})

const hooksOf = async (context: Context, add: Apply) => {
  let seen: unknown
  await start(context, (core) => {
    add(core)
    core.hooks.beforeListen.tap('test', () => {
      seen = { ...core.fastifyHooks }
    })
  })
  return seen
}

test('which hooks of Fastify see all requests', async (context) => {
  const nothing = { areThere: false, seeAnswers: false, isConstrained: false }
  assert.equal(await hooksOf(context, () => {}), nothing)
  assert.equal(
    await hooksOf(context, ({ hooks }) => {
      hooks.server.tap('test', (fastify) => {
        fastify.addHook('onReady', async () => {})
        fastify.register(async (inner) => void inner.addHook('onSend', async () => {}))
        fastify.get('/', async () => '')
      })
    }),
    nothing,
  )
  assert.equal(
    await hooksOf(context, ({ hooks }) => {
      hooks.server.tap('test', (fastify) => {
        fastify.addHook('onSend', async () => {})
        fastify.get('/', { constraints: { host: 'a' } }, async () => '')
      })
    }),
    { areThere: true, seeAnswers: true, isConstrained: true },
  )
})

test.run()
