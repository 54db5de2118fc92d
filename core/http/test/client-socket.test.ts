import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { takeHandles } from '../accept.ts'
import { ClientSocket } from '../client-socket.ts'

interface Context {
  server: Server
  client: Socket
  socket: ClientSocket
}

const test = suite<Context>('a client socket')

test.before.each(async (context) => {
  const server = createServer()
  const taken = new Promise<ClientSocket>((resolve) => {
    const take = (handle: object) => resolve(new ClientSocket({ handle } as object))
    takeHandles(server, take, () => {})
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const client = connect((server.address() as { port: number }).port)
  await once(client, 'connect')
  Object.assign(context, { server, client, socket: await taken })
})

test.after.each(async ({ server, client, socket }) => {
  client.destroy()
  socket.destroy()
  server.close()
  await once(server, 'close')
})

const lineOf = (length: number) => `${'é'.repeat(length)}\n`

test('writes past the stream what the kernel takes at once', ({ socket }) => {
  socket._write = () => assert.unreachable()
  socket.writeAtOnce(lineOf(5000))
  socket.writeAtOnce(lineOf(20_000))
  assert.is(socket.writableLength, 0)
  assert.is(socket.bytesWritten, 25_002)
})

for (const length of [5000, 100_000]) {
  test(`has the stream wait for the rest, in order and once, of ${length} bytes`, async (context) => {
    const { client, socket } = context
    client.pause()
    let written = ''
    for (let count = 0; socket.writableLength === 0; count++) {
      const line = `${count} ${lineOf(length)}`
      socket.writeAtOnce(line)
      written += line
    }
    socket.writeAtOnce('behind\n')
    const left = new Promise((resolve) => socket.write('at the end\n', resolve))
    client.setEncoding('latin1')
    const read = text(client)
    await left
    assert.is(socket.writableLength, 0)
    socket.writeAtOnce('and after\n')
    socket.end()
    assert.is(await read, `${written}behind\nat the end\nand after\n`)
    assert.is(socket.bytesWritten, written.length + 28)
  })
}

test('writes behind what is corked', async ({ client, socket }) => {
  socket.cork()
  socket.write('first ')
  socket.writeAtOnce('second')
  socket.uncork()
  socket.end()
  assert.is(await text(client), 'first second')
})

test('tells of an error as the stream does', async ({ client, socket }) => {
  socket.on('error', () => {})
  client.resetAndDestroy()
  await once(client, 'close')
  while (!socket.errored) {
    socket.writeAtOnce('x')
    await new Promise(setImmediate)
  }
  assert.match((socket.errored as NodeJS.ErrnoException).code as string, /^(?:EPIPE|ECONNRESET)$/)
})

test('is told that what waited is lost when it is destroyed', async ({ client, socket }) => {
  client.pause()
  socket.on('error', () => {})
  while (socket.writableLength === 0) socket.writeAtOnce(lineOf(100_000))
  socket.destroy()
  await once(socket, 'close')
  assert.is(socket.writableFinished, false)
})

test.run()
