import { mkdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'

import { GET, sayGeneration, slow, start, withServers } from '../../test/support.ts'

const logging = withServers('access log')

const GOLDEN =
  /^127\.0\.0\.1 - - \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET \/a\?b=1 HTTP\/1\.1" 200 17 "http:\/\/ref\/" "UA \\"x"$/

logging("writes gunicorn's line for a route", async (context) => {
  const accessLogfile = join(context.folder, 'access.log')
  const { server, request } = await start(
    context,
    ({ hooks }) => {
      hooks.server.tap('test', (fastify) => {
        fastify.get('/a', async () => 'x'.repeat(17))
        fastify.get('/none', async (_request, reply) => reply.code(204).send())
      })
    },
    { accessLogfile },
  )
  await request('/a?b=1', { headers: { referer: 'http://ref/', 'user-agent': 'UA "x' } })
  await request('/a', { method: 'HEAD' })
  await request('/none')
  await request('/nowhere')
  await server.close()
  const lines = readFileSync(accessLogfile, 'utf8').trimEnd().split('\n')
  assert.match(lines[0] ?? '', GOLDEN)
  assert.match(lines[1] ?? '', '"HEAD /a HTTP/1.1" 200 0 "-" "-"')
  assert.match(lines[2] ?? '', '"GET /none HTTP/1.1" 204 0 "-" "-"')
  assert.match(lines[3] ?? '', '"GET /nowhere HTTP/1.1" 404 ')
  assert.is(lines.length, 4)
})

logging('has a line for a request that a quick close cuts off', async (context) => {
  const accessLogfile = join(context.folder, 'access.log')
  const { apply, arrived } = slow()
  const { server, connect } = await start(context, apply, { accessLogfile })
  const connection = await connect()
  connection.send(GET('/slow'))
  await arrived
  await server.close({ quick: true })
  assert.match(readFileSync(accessLogfile, 'utf8'), '"GET /slow HTTP/1.1" 200 0')
})

logging('is written at once where an exit cannot wait', async (context) => {
  const accessLogfile = join(context.folder, 'access.log')
  const { server, request } = await start(context, sayGeneration, { accessLogfile })
  await request('/')
  server.flushLogs()
  assert.match(readFileSync(accessLogfile, 'utf8'), '"GET / HTTP/1.1" 200 1')
})

logging('and the error log go to new files after a rotation', async (context) => {
  const [access, error] = ['access.log', 'error.log'].map((name) => join(context.folder, name)) as [
    string,
    string,
  ]
  const { server, request } = await start(context, sayGeneration, {
    accessLogfile: access,
    errorLogfile: error,
  })
  for (const file of [access, error]) renameSync(file, `${file}.1`)
  server.reopenLogs()
  await request('/')
  server.log?.info('after the rotation')
  await server.close()
  assert.match(readFileSync(access, 'utf8'), '" 200 1 ')
  assert.match(readFileSync(error, 'utf8'), 'after the rotation')
})

logging('that cannot be opened anew goes on in the old file, and says so', async (context) => {
  const access = join(context.folder, 'access.log')
  const { server, request, log } = await start(context, sayGeneration, { accessLogfile: access })
  renameSync(access, `${access}.1`)
  mkdirSync(access)
  server.reopenLogs()
  await request('/')
  await server.close()
  assert.match(log(), /\[ERROR\] a log cannot be opened anew/)
  assert.match(readFileSync(`${access}.1`, 'utf8'), '" 200 1 ')
})

logging.run()
