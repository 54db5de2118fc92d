import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { promisify } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { attachEngine, createEngineServer, type EngineOptions } from '../engine.ts'
import type { LeanResponse } from '../lean-response.ts'
import {
  Client,
  get,
  type Handler,
  parseAnswer,
  post,
  Stage,
  settled,
  sleep,
  TestDoor,
} from './wire.ts'

interface Context {
  open(handler: Handler, options?: EngineOptions): Promise<Stage>
  stages: Stage[]
}

const withStage = (name: string) => {
  const test = suite<Context>(name)
  test.before.each((context) => {
    context.stages = []
    context.open = async (handler, options) => {
      const stage = await Stage.open(handler, { lingerTime: 50, ...options })
      context.stages.push(stage)
      return stage
    }
  })
  test.after.each(async ({ stages }) => {
    for (const stage of stages) await stage.close()
  })
  return test
}

const EXPECT = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n'
const ok: Handler = (_, response) => response.end('ok')
const statusOf = (text: string) => parseAnswer(text).status
const readBody = async (request: IncomingMessage) => {
  let text = ''
  for await (const chunk of request) text += (chunk as Buffer).toString('latin1')
  return text
}
/** Asks and waits for the answer: the connection is alive. */
const ping = async (client: Client) => {
  client.send(get())
  await client.until('\r\n\r\nok')
}

const order = withStage('requests on one connection')

order('are answered in order, however long each takes', async ({ open }) => {
  const stage = await open((request, response) => {
    setTimeout(() => response.end(`<${request.url}>`), request.url === '/1' ? 30 : 1)
  })
  const client = await stage.connect()
  client.send(get('/1') + get('/2') + get('/3'))
  const text = await client.until('</3>')
  assert.equal(text.match(/<\/\d>/g), ['</1>', '</2>', '</3>'])
})

order('are held back while the first is under way, within a limit', async ({ open }) => {
  let go: (() => void) | undefined
  let served = 0
  const stage = await open(
    (_, response) => {
      served++
      if (served === 1) go = () => response.end('ok')
      else response.end('ok')
    },
    { requests: 0 },
  )
  const client = await stage.connect()
  const count = 20_000
  client.send(get().repeat(count))
  await sleep(50)
  assert.is(served, 1)
  go?.()
  for (let index = 0; index < count; index++) await client.until('\r\n\r\nok')
  assert.is(served, count)
})

order('are served without growing the stack', async ({ open }) => {
  const stage = await open(ok)
  const client = await stage.connect()
  client.send(get().repeat(5000))
  for (let index = 0; index < 5000; index++) await client.until('\r\n\r\nok')
})

order('end after the number that is allowed', async ({ open }) => {
  const stage = await open(ok, { requests: 2 })
  const text = await stage.exchange(get() + get() + get())
  assert.is(text.match(/HTTP\/1\.1 200/g)?.length, 2)
  assert.is(text.match(/Connection: close/g)?.length, 1)
})
order.run()

const bodies = withStage('request bodies')

bodies('arrive whole, slowly and quickly', async ({ open }) => {
  const stage = await open(async (request, response) => response.end(await readBody(request)))
  const body = 'x'.repeat(1_000_000)
  const client = await stage.connect()
  client.send(post(body))
  assert.ok((await client.until(/x$/)).length > 0)
  client.socket.destroy()
  const slow = await stage.connect()
  for (const piece of post('hello').match(/[\s\S]{1,7}/g) ?? []) {
    slow.send(piece)
    await sleep(2)
  }
  await slow.until('hello')
})

bodies('slow the client down where the application does not keep up', async ({ open }) => {
  let request: IncomingMessage | undefined
  const stage = await open((each, response) => {
    request = each
    request.on('end', () => response.end('ok'))
    request.once('readable', () => {})
  })
  const client = await stage.connect()
  const size = 64 * 1_048_576
  client.send(post('x'.repeat(size)))
  await sleep(200)
  assert.ok((request as IncomingMessage).readableLength <= 300_000)
  assert.ok(client.socket.writableLength > 0)
  request?.removeAllListeners('readable')
  request?.resume()
  await client.until('ok')
})

bodies('show their trailers at the end', async ({ open }) => {
  const stage = await open(async (request, response) => {
    await readBody(request)
    response.end(JSON.stringify([request.trailers, request.rawTrailers, request.complete]))
  })
  const text = await stage.exchange(
    'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: a\r\n\r\n',
  )
  assert.match(text, '[{"x-sum":"a"},["X-Sum","a"],true]')
})

bodies('that nobody reads are passed over up to the limit', async ({ open }) => {
  const stage = await open(ok, { drain: 1000 })
  const client = await stage.connect()
  client.send(post('x'.repeat(1000)))
  await client.until('\r\n\r\nok')
  await ping(client)
})

bodies('that nobody reads and that are longer close the connection', async ({ open }) => {
  const stage = await open(ok, { drain: 1000 })
  const text = await stage.exchange(post('x'.repeat(1001)) + get('/next'))
  assert.is(text.match(/HTTP\/1\.1/g)?.length, 1)
  assert.match(text, 'Connection: close\r\n')
})

bodies('announced but not sent close the connection where they are too long', async ({ open }) => {
  const stage = await open(ok, { drain: 1000 })
  const text = await stage.exchange('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n')
  assert.match(text, 'Connection: close\r\n')
})

bodies('chunked without end close the connection after the limit', async ({ open }) => {
  const stage = await open(ok, { drain: 1000 })
  const client = await stage.connect()
  client.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
  await client.until('ok')
  client.send(`400\r\n${'x'.repeat(1024)}\r\n`.repeat(3))
  await client.rest()
  assert.equal(stage.door.refusals, [], 'not because the rest is slow')
})

bodies('at the limit pass, past it get 413 before the application is asked', async ({ open }) => {
  let served = 0
  const stage = await open(
    async (request, response) => {
      served++
      response.end(await readBody(request))
    },
    { body: 10 },
  )
  assert.is(statusOf(await stage.exchange(post('x'.repeat(10), 'Connection: close\r\n'))), 200)
  assert.is(statusOf(await stage.exchange(post('x'.repeat(11)))), 413)
  assert.is(served, 1)
})

bodies('that grow past the limit in chunks get 413', async ({ open }) => {
  const errors: string[] = []
  const stage = await open(
    (request, response) => {
      request.on('error', (error) => errors.push(error.message))
      request.on('end', () => response.end('ok'))
      request.resume()
    },
    { body: 10 },
  )
  const chunked = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'
  const atLimit = await stage.connect()
  atLimit.send(`${chunked}5\r\nhello\r\n5\r\nhello\r\n0\r\n\r\n`)
  await atLimit.until('ok')
  assert.is(statusOf(await stage.exchange(`${chunked}5\r\nhello\r\n6\r\nhello!\r\n0\r\n\r\n`)), 413)
  await settled()
  assert.equal(errors, ['body too large'])
})

bodies('can be taken at once where they are here', async ({ open }) => {
  const stage = await open((request, response) => {
    const body = (request as unknown as { takeBody(): Buffer | undefined }).takeBody()
    response.end(body?.toString() ?? 'not here')
  })
  const client = await stage.connect()
  client.send(post('hello'))
  await client.until('not here') // the head is served before the body is looked at
})

type Lender = IncomingMessage & { lendBody(): Buffer | undefined; takeBody(): Buffer | undefined }

bodies('are lent where all of them came along with their heads, each its own', async ({ open }) => {
  const asked: Lender[] = []
  const stage = await open((request, response) => {
    asked.push(request as Lender)
    const lent = asked.map((each) => each.lendBody()?.toString() ?? '-')
    response.end(`<${lent.join()} ${request.complete} ${(request as Lender).takeBody()?.length}>`)
  })
  const client = await stage.connect()
  const long = 'x'.repeat(9000)
  client.send(post('hello') + post(long) + get() + post('again'))
  const text = await client.until('again true 0>')
  assert.equal(text.match(/<.*>/g), [
    '<hello true 0>',
    `<-,${long} true 0>`, // the first one has had its own
    '<-,-,- true 0>',
    '<-,-,-,again true 0>',
  ])
})

bodies('are not lent in part, in chunks, nor where somebody reads them', async ({ open }) => {
  const stage = await open(async (request, response) => {
    if (request.url === '/read') request.on('data', () => {})
    const lent = (request as Lender).lendBody()
    if (request.url === '/read') await once(request, 'end')
    const late = request.complete ? 'all' : await readBody(request)
    response.end(`<${lent?.length} ${late} ${(request as Lender).lendBody()?.length}>`)
  })
  const client = await stage.connect()
  const head = 'POST / HTTP/1.1\r\nHost: a\r\n'
  client.send(`${head}Content-Length: 10\r\n\r\nhello`)
  await settled()
  client.send('hello')
  await client.until('<undefined hellohello undefined>')
  client.send(`${head}Transfer-Encoding: chunked\r\n\r\n5\r\nother\r\n0\r\n\r\n`)
  await client.until('<undefined other undefined>')
  client.send(post('hello').replace(' / ', ' /read '))
  await client.until('<undefined all undefined>')
})

bodies('that are lent need no 100 Continue, and the next request follows', async ({ open }) => {
  const stage = await open((request, response) => {
    response.end(`<${(request as Lender).lendBody()}>`)
  })
  const client = await stage.connect()
  client.send(`${EXPECT}hello${post('other')}`)
  const text = await client.until('<other>')
  assert.match(text, '<hello>')
  assert.not.match(text, 'Continue')
  assert.not.match(text, 'Connection: close')
})

bodies('behind a head of any length are read', async ({ open }) => {
  const stage = await open((request, response) => {
    const body = (request as Lender).lendBody()?.toString() ?? ''
    response.end(`<${body} ${request.headers.pad?.length}>`)
  })
  const client = await stage.connect()
  const pads = [4000, 4040, 4050, 4060, 4096, 8100]
  const texts = pads.map((pad) =>
    post('GET / HTTP/1.1').replace('\r\n\r\n', `\r\nPad: ${'p'.repeat(pad)}\r\n\r\n`),
  )
  client.send(texts.join(''))
  const text = await client.until(' 8100>')
  assert.equal(
    text.match(/<.*>/g),
    pads.map((pad) => `<GET / HTTP/1.1 ${pad}>`),
  )
})
bodies.run()

const continues = withStage('Expect: 100-continue')

continues('is answered when the body is first read', async ({ open }) => {
  let read: (() => void) | undefined
  const stage = await open((request, response) => {
    read = () => {
      readBody(request).then((body) => response.end(body), assert.unreachable)
    }
  })
  const client = await stage.connect()
  client.send(EXPECT)
  await sleep(20)
  assert.is(client.text, '')
  read?.()
  assert.is(await client.until('\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n')
  client.send('hello')
  await client.until('\r\n\r\nhello')
  client.send(get())
  await settled()
})

continues(
  'is not answered where the application refuses, and the connection ends',
  async (context) => {
    const stage = await context.open((_, response) => response.writeHead(403).end())
    const text = await stage.exchange(EXPECT)
    assert.equal([statusOf(text), /100 Continue/.test(text)], [403, false])
    assert.match(text, 'Connection: close')
  },
)

continues('is not answered again by a client that has begun', async ({ open }) => {
  const stage = await open(async (request, response) => {
    await sleep(20)
    response.end(await readBody(request))
  })
  const client = await stage.connect()
  client.send(`${EXPECT}hello`)
  assert.match(await client.until('hello'), /^HTTP\/1\.1 200/)
})
continues('is not answered behind the head of an answer', async ({ open }) => {
  const stage = await open((request, response) => {
    response.writeHead(200, { 'Content-Length': 5 })
    response.flushHeaders()
    request.once('readable', () => request.pipe(response as never))
  })
  const client = await stage.connect()
  client.send(EXPECT)
  await client.until('\r\n\r\n')
  client.send('hello')
  assert.match(await client.rest(), /^hello$/)
})
continues.run()

const ends = withStage('clients that leave')

ends('abort the request and close the response', async ({ open }) => {
  const seen: unknown[] = []
  let response: LeanResponse | undefined
  const closed = new Promise<void>((resolve) => {
    void open((request, each) => {
      response = each
      request.on('aborted', () => seen.push('aborted'))
      request.on('error', (error: NodeJS.ErrnoException) => seen.push(error.code, error.message))
      request.on('close', () => seen.push('request closed'))
      each.on('close', () => {
        seen.push('response closed', each.writableFinished)
        setImmediate(resolve)
      })
    }).then(async (stage) => {
      const client = await stage.connect()
      client.send(get())
      await sleep(20)
      client.socket.destroy()
    })
  })
  await closed
  assert.equal(seen, [
    'aborted',
    'response closed',
    false,
    'ECONNRESET',
    'aborted',
    'request closed',
  ])
  assert.is(response?.destroyed, true)
  response?.write('x', (error) => seen.push((error as { code?: string }).code))
  response?.end('x')
  await settled()
  assert.is(seen.at(-1), 'ERR_STREAM_DESTROYED')
})

ends('in the middle of a body abort it', async ({ open }) => {
  let resolve: (seen: unknown[]) => void = () => {}
  const result = new Promise<unknown[]>((done) => {
    resolve = done
  })
  const stage = await open((request, _) => {
    const seen: unknown[] = []
    request.on('data', (chunk: Buffer) => seen.push(chunk.length))
    request.on('end', () => seen.push('end'))
    request.on('close', () => resolve([...seen, request.aborted, request.complete]))
  })
  const client = await stage.connect()
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello')
  await sleep(20)
  client.socket.end()
  assert.equal(await result, [5, true, false])
})

ends('before a whole head are forgotten', async ({ open }) => {
  const stage = await open(() => assert.unreachable())
  const client = await stage.connect()
  client.send('GET / HT')
  await sleep(10)
  client.socket.destroy()
  await sleep(10)
  const count = await new Promise((resolve) =>
    stage.server.getConnections((_, number) => resolve(number)),
  )
  assert.is(count, 0)
})

ends('leave a stream that was piped to them destroyed', async ({ open }) => {
  let resolve: () => void = () => {}
  const destroyed = new Promise<void>((done) => {
    resolve = done
  })
  const stage = await open((_, response) => {
    const source = new Readable({ read() {}, destroy: (_, done) => done(null) })
    source.on('close', resolve)
    source.push('x')
    source.pipe(response as never)
    response.on('close', () => source.destroy())
  })
  const client = await stage.connect()
  client.send(get())
  await client.until('x')
  client.socket.destroy()
  await destroyed
})
ends.run()

const closing = withStage('closing a server')

closing('ends idle connections at once and waits for the others', async ({ open }) => {
  let go: (() => void) | undefined
  const stage = await open((request, response) => {
    if (request.url === '/') response.end('ok')
    else go = () => response.end('last')
  })
  const idle = await stage.connect()
  await ping(idle)
  const busy = await stage.connect()
  busy.send(get('/busy'))
  await sleep(20)
  let isClosed = false
  stage.server.close(() => {
    isClosed = true
  })
  await idle.rest()
  assert.is(isClosed, false)
  go?.()
  const text = await busy.rest()
  assert.match(text, 'Connection: close\r\n')
  assert.match(text, /last$/)
  await sleep(20)
  assert.is(isClosed, true)
})

closing('serves what the kernel already held', async ({ open }) => {
  const stage = await open(ok)
  const client = await stage.connect()
  await ping(client)
  client.send(get())
  stage.server.close()
  assert.match(await client.rest(), /Connection: close[\s\S]*ok$/)
})

closing('gives a new connection the time for its first request', async ({ open }) => {
  const stage = await open(ok)
  const client = await stage.connect()
  await sleep(10)
  stage.server.close()
  await sleep(50)
  client.send(get())
  assert.match(await client.rest(), /Connection: close[\s\S]*ok$/)
})

closing('ends all of them where it must', async ({ open }) => {
  const stage = await open(() => {})
  const client = await stage.connect()
  client.send(get())
  await sleep(10)
  stage.server.closeAllConnections()
  assert.is(await client.rest(), '')
})
closing.run()

const transports = withStage('other sockets')
const exec = promisify(execFile)

transports('of the Unix kind enter by the same door', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'wsgi-core-engine-'))
  const path = join(folder, 'engine.sock')
  const server = createEngineServer(new TestDoor(ok))
  server.listen(path)
  await once(server, 'listening')
  const client = new Client(connect(path))
  await client.connected
  await ping(client)
  await ping(client)
  const closed = once(server, 'close')
  server.close()
  await client.rest()
  await closed
  rmSync(folder, { recursive: true })
})

transports('of the TLS kind enter by the same door', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'wsgi-core-engine-'))
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const subject = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-subj', '/CN=a']
  await exec('openssl', ['req', '-x509', '-nodes', ...subject, '-keyout', key, '-out', cert])
  const tls = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) })
  const door = new TestDoor(async (request, response) => response.end(await readBody(request)))
  const server = attachEngine(tls, 'secureConnection', door)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = new Client(connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }))
  await client.connected
  const body = 'x'.repeat(500_000)
  client.send(post(body))
  while (!client.text.endsWith('\r\n\r\n')) {
    const text = await client.until(/x+|\r\n\r\n/)
    if (text.endsWith('\r\n\r\n')) break
  }
  for (let left = body.length; left > 0; ) left -= (await client.until(/x+/)).length
  client.send(get() + post('two'))
  await client.until('two')
  server.close()
  await client.rest()
  rmSync(folder, { recursive: true })
})
transports.run()

const upgrades = withStage('upgrades')
const UPGRADE = get('/chat', 'Connection: Upgrade\r\nUpgrade: echo\r\n')

upgrades('hand the socket over, with the bytes that came along', async ({ open }) => {
  const stage = await open(ok)
  stage.door.onUpgrade = (request, socket, head) => {
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n\r\n<${request.url}>`)
    if (head.length > 0) socket.unshift(head)
    socket.pipe(socket)
  }
  const client = await stage.connect()
  client.send(`${UPGRADE}first`)
  await client.until('</chat>first')
  client.send('x'.repeat(1_000_000))
  let size = 0
  while (size < 1_000_000) size += (await client.until(/x+/)).length
  client.socket.end()
  await client.rest()
})

upgrades('wait for the answers before', async ({ open }) => {
  const stage = await open((_, response) => {
    setTimeout(() => response.end('slow'), 20)
  })
  stage.door.onUpgrade = (_, socket) => socket.end('upgraded')
  const text = await stage.exchange(get() + UPGRADE)
  assert.ok(text.indexOf('slow') < text.indexOf('upgraded'))
})

const NO_UPGRADES: Record<string, string> = {
  'HTTP/1.0 (RFC 9110 §7.8)': UPGRADE.replace('HTTP/1.1', 'HTTP/1.0'),
  'a request whose Connection does not name it': get('/chat', 'Upgrade: echo\r\n'),
  'a request without Upgrade': get('/chat', 'Connection: Upgrade\r\n'),
  'a method other than GET': UPGRADE.replace('GET', 'OPTIONS'),
  'a request with a body': UPGRADE.replace('\r\n\r\n', '\r\nContent-Length: 2\r\n\r\nhi'),
  'a request with a chunked body': UPGRADE.replace(
    '\r\n\r\n',
    '\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ),
}

for (const [what, request] of Object.entries(NO_UPGRADES)) {
  upgrades(`are not there for ${what}`, async ({ open }) => {
    const stage = await open(ok)
    stage.door.onUpgrade = (_, socket) => void socket.end('upgraded')
    const client = await stage.connect()
    client.send(request)
    assert.match(await client.until('\r\n\r\nok'), /^HTTP\/1\.1 200 OK/)
  })
}

upgrades('are plain requests where nobody takes them', async ({ open }) => {
  const stage = await open(ok)
  const client = await stage.connect()
  client.send(UPGRADE)
  await client.until('\r\n\r\nok')
})
upgrades.run()
