import * as assert from 'uvu/assert'
import { openConnection } from '../../testing/index.ts'
import { answerOf, fails, GET, sayGeneration, startFromFile, withServers } from './support.ts'

const reloading = withServers('a reload with other limits, for a listener that stays')

const POST = (size: number) =>
  `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n${'x'.repeat(size)}`

const status = (code: number) => new RegExp(`^HTTP/1.1 ${code} `)

reloading('refuses the body that is too large now, also on a kept connection', async (context) => {
  const { server, configure } = await startFromFile(context, sayGeneration)
  const connection = await openConnection(server.addresses[0] as string)
  connection.send(POST(11))
  await connection.receive(/"statusCode":404}/)
  configure({ limitRequestBody: 10 })
  await server.reload()
  connection.send(POST(10) + POST(11))
  assert.match(await connection.rest(), /^HTTP\/1.1 404 .*HTTP\/1.1 413 /s)
})

reloading('lets a body under way go on', async (context) => {
  const { server, configure } = await startFromFile(context, ({ hooks }) => {
    hooks.server.tap('test', (fastify) => {
      fastify.addContentTypeParser('*', { parseAs: 'string' }, (_, body, done) => done(null, body))
      fastify.post('/', async (request) => request.body)
    })
  })
  const whole = 'Host: a\r\nContent-Type: a/b\r\nConnection: close\r\n'
  const bodies = [
    [`${whole}Content-Length: 20\r\n\r\n0123456789`, 'abcdefghij'],
    [`${whole}Transfer-Encoding: chunked\r\n\r\n14\r\n0123456789`, 'abcdefghij\r\n0\r\n\r\n'],
  ] as const
  const connections = []
  for (const [start] of bodies) {
    const connection = await openConnection(server.addresses[0] as string)
    connection.send(`GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\n${start}`)
    await connection.receive(/"statusCode":404}/) // so all of it has been read
    connections.push(connection)
  }
  configure({ limitRequestBody: 10 })
  await server.reload()
  for (const [index, connection] of connections.entries()) {
    connection.send(bodies[index]?.[1] as string)
    assert.match(await connection.rest(), /\r\n\r\n0123456789abcdefghij$/)
  }
})

reloading('takes the request line that was too long', async (context) => {
  const { server, configure } = await startFromFile(context, sayGeneration, {
    limitRequestLine: 20,
  })
  const send = async () => {
    const connection = await openConnection(server.addresses[0] as string)
    connection.send(GET(`/?${'a'.repeat(30)}`))
    return connection
  }
  assert.match(await (await send()).rest(), status(414))
  configure({ limitRequestLine: 60 })
  await server.reload()
  const connection = await send()
  await connection.receive(answerOf('2'))
  connection.destroy()
})

reloading('counts requests by the new limit', async (context) => {
  const { server, configure } = await startFromFile(context, sayGeneration)
  const connection = await openConnection(server.addresses[0] as string)
  connection.send(GET())
  await connection.receive(answerOf('1'))
  configure({ keepaliveRequests: 2 })
  await server.reload()
  connection.send(GET())
  assert.match(await connection.rest(), /\r\nConnection: close\r\n\r\n2$/)
})

reloading('accepts no more connections than are allowed now', async (context) => {
  const { server, configure } = await startFromFile(context, sayGeneration)
  const url = server.addresses[0] as string
  const first = await openConnection(url)
  first.send(POST(10).slice(0, -1)) // has a request under way, so that it does not give way
  await first.receive(status(404))
  configure({ maxConnections: 1 })
  await server.reload()
  const second = await openConnection(url)
  assert.match(await second.rest(), status(503))
  first.destroy()
})

reloading('goes by the new time limits, and its clock ticks for them', async (context) => {
  const { server, configure } = await startFromFile(context, sayGeneration, {
    clientHeaderTimeout: 0,
  })
  const connection = await openConnection(server.addresses[0] as string)
  connection.send('GET / HTTP/1.1\r\n')
  configure({ clientHeaderTimeout: 0.1 })
  await server.reload()
  assert.match(await connection.rest(), status(408))
})

reloading('that fails leaves the limits as they were', async (context) => {
  const { server, configure } = await startFromFile(context, ({ hooks, generation }) => {
    hooks.server.tap('test', (fastify) => void fastify.get('/', async () => String(generation)))
    hooks.afterListen.tap('test', () => {
      if (generation === 2) throw new Error('no luck')
    })
  })
  configure({ limitRequestLine: 5 })
  await fails(server.reload())
  const connection = await openConnection(server.addresses[0] as string)
  connection.send(GET())
  await connection.receive(answerOf('1'))
  connection.destroy()
})

reloading.run()
