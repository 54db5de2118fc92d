import Fastify from 'fastify'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { schemaController } from '../schema-compilers.ts'

const test = suite('schema compilers')

const schemas = {
  querystring: {
    type: 'object',
    required: ['page'],
    properties: { page: { type: 'integer' } },
  },
  headers: { type: 'object', required: ['X-Key'], properties: { 'X-Key': { type: 'string' } } },
  response: { 200: { type: 'object', properties: { page: { type: 'integer' } } } },
}

async function answers(options: object): Promise<string[]> {
  const fastify = Fastify(options)
  fastify.get('/', { schema: schemas }, async (request) => ({
    ...(request.query as object),
    secret: 1,
  }))
  const requests = [
    { url: '/?page=2', headers: { 'x-key': 'a' } },
    { url: '/?page=x', headers: { 'x-key': 'a' } },
    { url: '/?page=2' },
  ]
  const replies = await Promise.all(requests.map((request) => fastify.inject(request)))
  await fastify.close()
  return replies.map((reply) => `${reply.statusCode} ${reply.body}`)
}

test('validate and serialize as without them, header names in any case included', async () => {
  const ours = await answers({ schemaController })
  assert.equal(ours, await answers({}))
  assert.is(ours[0], '200 {"page":2}')
})

test.run()
