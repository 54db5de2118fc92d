import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createEngineServer, type EngineOptions } from '../engine.ts'
import { clientAddress, originOf, schemeOf, setOrigin } from '../origin.ts'
import { introductionOf, type Preamble } from '../preamble.ts'
import { guardConnections } from '../preamble-guard.ts'
import { Client, get, TestDoor } from './wire.ts'

/** A line that says whom the connection is from: `FROM 1.2.3.4 80\n`, or, in place of a head, `GET PATH\n`. */
const line: Preamble = {
  name: 'line',
  refuses: ({ remoteAddress }) => (remoteAddress === '127.0.0.9' ? 'not from there' : undefined),
  read(bytes) {
    const end = bytes.indexOf(10)
    if (end < 0) return bytes.length < 40 ? bytes.length + 1 : { refused: 'the line is too long' }
    const [word, value = '', port] = bytes.toString('latin1', 0, end).split(' ')
    const length = end + 1
    if (word === 'GET') return { length, head: Buffer.from(get(value)), info: word }
    if (word === 'NONE')
      return { length, ends: { remote: undefined, local: undefined }, info: word }
    if (word !== 'FROM') return { refused: 'no such word', status: 400 }
    const local = { address: '::1', port: 443 }
    return { length, ends: { remote: { address: value, port: Number(port) }, local }, info: word }
  },
}

interface Context {
  open(options?: EngineOptions): Promise<TestDoor>
  ask(text: string, from?: string): Promise<string>
  port: number
  close: (() => void)[]
}

const withPreamble = (
  name: string,
  listen: (door: TestDoor, options: EngineOptions) => ReturnType<typeof createServer>,
) => {
  const test = suite<Context>(name)
  test.before.each((context) => {
    context.close = []
    context.open = async (options = {}) => {
      const door = new TestDoor((request, response) => {
        const { remoteAddress, remotePort, localAddress, localPort } = request.socket
        const ends = [remoteAddress, remotePort, localAddress, localPort].join(' ')
        response.end(`<${request.url} ${introductionOf(request.socket)} ${ends}>`)
      })
      const server = listen(door, { lingerTime: 50, ...options })
      await once(server.listen(0, '127.0.0.1'), 'listening')
      context.port = (server.address() as AddressInfo).port
      context.close.push(() => server.close())
      return door
    }
    context.ask = async (text, localAddress = '127.0.0.1') => {
      const client = new Client(connect({ port: context.port, host: '127.0.0.1', localAddress }))
      context.close.push(() => client.socket.destroy())
      await client.connected
      for (const piece of text.split('|')) {
        client.send(piece)
        await new Promise(setImmediate)
      }
      return client.rest()
    }
  })
  test.after.each(({ close }) => {
    for (const each of close.reverse()) each()
  })
  return test
}

const CLOSE = 'Connection: close\r\n'

const engine = withPreamble('what stands before the first request', (door, options) => {
  const server = createEngineServer(door, options)
  server.setPreamble?.(line)
  return server
})

engine('says whom the connection is from, whole and in pieces', async ({ open, ask }) => {
  await open()
  for (const text of ['FROM 1.2.3.4 80\n', 'FR|OM 1.2|.3.4 80\n', 'FROM 1.2.3.4 80|\n']) {
    assert.match(await ask(text + get('/a', CLOSE)), '</a FROM 1.2.3.4 80 ::1 443>')
  }
  assert.match(await ask(`NONE\n${get('/a', CLOSE)}`), '</a NONE  ')
})

engine('may be a head itself; the next request follows it', async ({ open, ask }) => {
  await open()
  assert.match(await ask(`GET /first\n${get('/next', CLOSE)}`), /<\/first GET .*<\/next GET /s)
})

engine('is refused with its status, or without a word', async ({ open, ask }) => {
  const door = await open()
  assert.match(await ask('WHAT\n'), /^HTTP\/1\.1 400 /)
  assert.is(await ask('x'.repeat(50)), '')
  assert.is(await ask('FROM 1.2.3.4 80\n', '127.0.0.9'), '')
  assert.equal(door.refusals, [
    { status: 400, reason: 'no such word' },
    { status: 0, reason: 'the line is too long' },
    { status: 0, reason: 'not from there' },
  ])
})

engine('has the time of a head; connections count as those of whom it names', async (context) => {
  const door = await context.open({ headTime: 60, connectionsPerAddress: 1 })
  assert.is(await context.ask('FR'), '')
  assert.equal(door.refusals, [{ status: 0, reason: 'line took too long' }])
  const first = new Client(connect(context.port, '127.0.0.1'))
  context.close.push(() => first.socket.destroy())
  first.send(`FROM 1.2.3.4 80\n${get('/')}`)
  await first.until('>')
  assert.match(await context.ask(`FROM 1.2.3.4 81\n${get('/')}`), /^HTTP\/1\.1 429 /)
})

engine.run()

/** A server of another kind: answers with what its socket says, and what has come. */
const guard = withPreamble(
  'what stands before a connection of another kind',
  (door, { headTime = 1000 }) => {
    const server = createServer((socket: Socket) => {
      const { remoteAddress, remotePort } = socket
      socket.on('data', (bytes) =>
        socket.end(`<${introductionOf(socket)} ${remoteAddress} ${remotePort} ${bytes}>`),
      )
      socket.resume()
    })
    const guarded = guardConnections(
      server,
      () => headTime,
      (reason) => door.refused(0, reason),
    )
    guarded.setPreamble(line)
    return guarded
  },
)

guard('is read before that sees it', async ({ open, ask }) => {
  await open()
  for (const text of ['FROM 1.2.3.4 80\nhello', 'FR|OM 1.2.3.4 80\n|hello']) {
    assert.is(await ask(text), '<FROM 1.2.3.4 80 hello>')
  }
})

guard('ends what is refused, late or gone', async ({ open, ask }) => {
  const door = await open({ headTime: 60 })
  for (const text of ['WHAT\n', 'FR']) assert.is(await ask(text), '')
  assert.is(await ask('FR', '127.0.0.9'), '')
  assert.equal(
    door.refusals.map(({ reason }) => reason),
    ['no such word', 'line took too long', 'not from there'],
  )
})

guard.run()

const origins = suite('the origin of a request')

origins('stands for the socket, where somebody has said it', () => {
  const request = { socket: { remoteAddress: '::ffff:1.2.3.4' } }
  assert.equal(
    [clientAddress(request), schemeOf(request), originOf(request)],
    ['1.2.3.4', 'http', undefined],
  )
  assert.is(clientAddress({ socket: { remoteAddress: '::1' } }), '::1')
  assert.is(clientAddress({ socket: {} }), '')
  assert.is(schemeOf({ socket: { encrypted: true } }), 'https')
  setOrigin(request, { address: '5.6.7.8', port: '', scheme: 'https', hops: [], variables: [] })
  assert.equal([clientAddress(request), schemeOf(request)], ['5.6.7.8', 'https'])
})

origins.run()
