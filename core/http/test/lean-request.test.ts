import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createEngineServer } from '../engine.ts'

const test = suite('a lean request')

/** Sends two requests on one connection. @returns all that comes back. */
async function exchange(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createEngineServer({
    serve: handle,
    takesUpgrades: () => false,
    upgrade() {},
    keepAlive: 1000,
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.write('GET /1 HTTP/1.1\r\nHost: a\r\n\r\n')
  socket.write('GET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  const answer = await text(socket).catch(() => 'reset')
  server.close()
  return answer
}

test('that is destroyed before its answer ends the connection, as in node:http', async () => {
  const answer = await exchange((request, response) => {
    request.destroy()
    setImmediate(() => response.end('late'))
  })
  assert.not.match(answer, /late/)
})

test('that is destroyed after its answer leaves the connection to the next', async () => {
  const requests: IncomingMessage[] = []
  const answer = await exchange((request, response) => {
    requests.push(request)
    if (request.url === '/2') requests[0]?.destroy()
    response.end(`answer to ${request.url}`)
  })
  assert.match(answer, /answer to \/1[\s\S]*answer to \/2$/)
})

test('may be replaced on its response', async () => {
  const answer = await exchange((request, response) => {
    Object.assign(response, { req: new Proxy(request, {}) })
    response.end(`answer to ${request.url}`)
  })
  assert.match(answer, /answer to \/1[\s\S]*answer to \/2$/)
})

test.run()
