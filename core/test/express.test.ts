import fastifyExpress from '@fastify/express'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createTestServer } from '../../testing/index.ts'
import { definePlugin } from '../index.ts'

const test = suite('@fastify/express')

const legacy = definePlugin({
  name: 'legacy',
  apply(core) {
    core.hooks.server.tapPromise('legacy', async (fastify) => {
      await fastify.register(fastifyExpress)
      fastify.use('/legacy', (request, response) => {
        response.status(201).json({ path: request.path, ip: request.ip })
      })
    })
  },
})

test('serves through its own kind of request and response', async () => {
  const server = await createTestServer({ plugins: [legacy] })
  const { status, body } = await server.request('/legacy/x')
  await server.close()
  assert.is(status, 201)
  assert.equal(JSON.parse(body), { path: '/x', ip: '127.0.0.1' })
})

test.run()
