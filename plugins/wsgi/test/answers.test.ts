import * as assert from 'uvu/assert'
import { until } from '../../../test/helpers/server-process.ts'
import { appSuite, fieldOf, onTheWire, readAnswer, requestText } from './app-server.ts'

const calls = appSuite('start_response and write()', 'pep3333:app')

calls('hands what write() gets to the client before it returns', async ({ server, open }) => {
  const connection = await server.connect()
  connection.send(requestText('/write?write-go'))
  const first = await connection.receive(/written,/)
  open('write-go')
  const answer = readAnswer(first + (await connection.rest()))
  assert.is(answer.body, 'written,again,returned')
  assert.ok(answer.whole)
})

calls('lets start_response be called as late as with the first chunk', async (context) => {
  const answer = await onTheWire(context, '/lazy')
  assert.is(answer.status, '201 Created')
  assert.is(answer.body, 'lazy')
  assert.ok(answer.whole)
})

calls('sends no head before a chunk that is not empty', async (context) => {
  const answer = await onTheWire(context, '/lazyhead')
  assert.is(answer.status, '503 Service Unavailable')
  assert.is(answer.body, 'replaced')
})

calls('replaces the head by exc_info while nothing was sent', async (context) => {
  const answer = await onTheWire(context, '/replace')
  assert.is(answer.status, '500 Replaced')
  assert.is(fieldOf(answer.fields, 'x-first'), undefined)
  assert.is(fieldOf(answer.fields, 'x-second'), '2')
})

calls('raises exc_info again once the head is out, and breaks the body', async (context) => {
  const answer = await onTheWire(context, '/toolate')
  assert.is(answer.status, '200 OK')
  assert.is(answer.body, 'first')
  assert.not.ok(answer.whole)
  await context.server.line(/ValueError: after the head/)
  assert.ok(context.has('closed-toolate'))
})

for (const [path, message] of [
  ['/twice', /start_response\(\) is called again without exc_info/],
  ['/never', /without calling start_response\(\)/],
  ['/none', /the app returned None/],
  ['/raise', /RuntimeError: raised by the app/],
] as const) {
  calls(`answers 500 with a plain page and a log line to ${path}`, async ({ server }) => {
    const { status, headers, body } = await server.request(path)
    assert.is(status, 500)
    assert.is(headers['content-type'], 'text/html; charset=utf-8')
    assert.match(body, '<h1>500 Internal Server Error</h1>')
    assert.not.match(body, /RuntimeError|pep3333/)
    await server.line(message)
  })
}

calls('breaks a chunked answer whose app fails midway', async (context) => {
  const connection = await context.server.connect()
  connection.send(requestText('/midway?midway-go'))
  const first = await connection.receive(/first/)
  context.open('midway-go')
  const answer = readAnswer(first + (await connection.rest()))
  assert.is(answer.body, 'first')
  assert.not.ok(answer.whole)
  await context.server.line(/RuntimeError: raised midway/)
  assert.ok(context.has('closed-midway'))
})

calls('breaks an answer whose app fails at once after its first chunk', async (context) => {
  context.open('midway-open')
  for (let round = 0; round < 20; round++) {
    const answer = await onTheWire(context, '/midway?midway-open')
    assert.is(answer.status, '200 OK')
    assert.is(answer.body, 'first')
    assert.not.ok(answer.whole)
  }
})

calls('breaks an answer with Content-Length whose app fails midway', async (context) => {
  context.open('midway-length')
  const answer = await onTheWire(context, '/midway?midway-length&length=10')
  assert.is(fieldOf(answer.fields, 'content-length'), '10')
  assert.is(answer.body, 'first')
})

calls('goes on after an app that calls sys.exit()', async ({ server }) => {
  assert.is((await server.request('/exit')).status, 500)
  assert.is((await server.request('/lazy')).body, 'lazy')
})

calls.run()

const closing = appSuite('close()', 'pep3333:app')

for (const [path, what] of [
  ['/close', 'when all is sent'],
  ['/closehead', 'with a Content-Length'],
  ['/closeraise', 'when the iterable raises'],
] as const) {
  closing(`is called ${what}`, async ({ server, has }) => {
    const name = path.slice(1)
    await server.request(`${path}?${name}`)
    await until('the app is closed', () => has(`closed-${name}`))
  })
}

closing('is called for HEAD, whose body nobody reads', async ({ server, has }) => {
  const { status, bytes } = await server.request('/close?head', { method: 'HEAD' })
  assert.is(status, 200)
  assert.is(bytes.length, 0)
  await until('the app is closed', () => has('closed-head'))
})

closing('is called when the client leaves midway', async ({ server, has }) => {
  const connection = await server.connect()
  connection.send(requestText('/endless?left'))
  await connection.receive(/xxxx/)
  connection.destroy()
  await until('the app is closed', () => has('closed-left'))
  assert.is((await server.request('/lazy')).body, 'lazy')
})

closing.run()

const framing = appSuite('the length of an answer', 'pep3333:app')

for (const kind of ['list', 'lists', 'stream', 'write'])
  for (const size of [4, 100_000]) {
    framing(`cuts ${kind} of ${size} bytes past its Content-Length`, async (context) => {
      const answer = await onTheWire(context, `/length?${size - 1},${size},${kind}`)
      assert.is(fieldOf(answer.fields, 'content-length'), String(size - 1))
      assert.is(answer.body.length, size - 1)
      await context.server.line(/more bytes than its Content-Length/)
    })

    framing(`breaks ${kind} of ${size} bytes short of its Content-Length`, async (context) => {
      const answer = await onTheWire(context, `/length?${size + 1},${size},${kind}`)
      const isWhole = answer.status === '200 OK' && answer.whole
      assert.not.ok(isWhole, 'the client cannot take it for whole')
      if (kind.startsWith('list')) assert.is(answer.status, '500 Internal Server Error')
      else assert.is(answer.body.length, size)
      await context.server.line(/gave \d+ of the \d+ bytes of its Content-Length/)
    })

    framing(`passes ${kind} of exactly ${size} bytes`, async (context) => {
      const answer = await onTheWire(context, `/length?${size},${size},${kind}`)
      assert.is(answer.body.length, size)
      assert.ok(answer.whole)
    })
  }

for (const size of [0, 1, 4000, 4070, 4096, 65_536, 1_048_576, 3_000_000]) {
  framing(`adds Content-Length to a list of ${size} bytes`, async (context) => {
    const answer = await onTheWire(context, `/length?-,${size},list`)
    assert.is(fieldOf(answer.fields, 'content-length'), String(size))
    assert.is(answer.body.length, size)
  })
}

for (const kind of ['stream', 'write']) {
  framing(`chunks ${kind} without a Content-Length`, async (context) => {
    const answer = await onTheWire(context, `/length?-,100000,${kind}`)
    assert.is(fieldOf(answer.fields, 'transfer-encoding'), 'chunked')
    assert.is(fieldOf(answer.fields, 'content-length'), undefined)
    assert.is(answer.body.length, 100_000)
    assert.ok(answer.whole)
  })

  framing(`ends ${kind} on HTTP/1.0 by closing`, async ({ server }) => {
    const raw = await server.raw(`GET /length?-,100000,${kind} HTTP/1.0\r\n\r\n`)
    const answer = readAnswer(raw)
    assert.is(fieldOf(answer.fields, 'transfer-encoding'), undefined)
    assert.is(fieldOf(answer.fields, 'connection'), 'close')
    assert.is(answer.body, 'x'.repeat(100_000))
  })
}

framing(
  'keeps an HTTP/1.0 connection that asks for it and knows its length',
  async ({ server }) => {
    const connection = await server.connect()
    const request = 'GET /length?2,2,list HTTP/1.0\r\nConnection: keep-alive\r\n\r\n'
    connection.send(request)
    assert.match(await connection.receive(/\r\n\r\nxx/), /connection: keep-alive/i)
    connection.send(request)
    await connection.receive(/\r\n\r\nxx/)
  },
)

for (const kind of ['list', 'stream']) {
  framing(`ends an empty ${kind}`, async (context) => {
    const answer = await onTheWire(context, `/empty?${kind}`)
    assert.is(answer.body, '')
    assert.ok(answer.whole)
  })
}

framing.run()

const bodiless = appSuite('answers without a body (RFC 9110 §6.4.1)', 'pep3333:app')

for (const code of [204, 304])
  for (const kind of ['list', 'stream', 'length']) {
    bodiless(`${code} sends none of a ${kind}`, async ({ server }) => {
      const connection = await server.connect()
      connection.send(`GET /status?${code},${kind} HTTP/1.1\r\nHost: test\r\n\r\n`)
      const head = await connection.receive(/\r\n\r\n/)
      assert.match(head, `HTTP/1.1 ${code} Some Reason\r\n`)
      assert.match(head, /x-app: 1/i)
      assert.not.match(head, /transfer-encoding/i)
      if (code === 204) assert.not.match(head, /content-length/i)
      else if (kind === 'length') assert.match(head, /content-length: 6/i)
      // the next answer begins where this head ended
      connection.send(requestText('/lazy'))
      assert.match(await connection.rest(), /^HTTP\/1\.1 201 Created\r\n/)
    })
  }

bodiless('a 1xx status from the app sends no body and ends the connection', async ({ server }) => {
  const raw = await server.raw('GET /status?150,list HTTP/1.1\r\nHost: test\r\n\r\n')
  assert.not.match(raw, 'hidden')
})

for (const [path, length] of [
  ['/length?4,4,list', '4'],
  ['/length?4,4,stream', '4'],
  ['/length?-,4,list', '4'],
  ['/length?-,4,stream', undefined],
  ['/file?whole', '1100000'],
] as const) {
  bodiless(`HEAD ${path} has the head alone`, async ({ server }) => {
    const connection = await server.connect()
    connection.send(`HEAD ${path} HTTP/1.1\r\nHost: test\r\n\r\n`)
    const head = readAnswer(await connection.receive(/\r\n\r\n/), 'HEAD')
    assert.is(head.status, '200 OK')
    if (length !== undefined) assert.is(fieldOf(head.fields, 'content-length'), length)
    connection.send(requestText('/lazy'))
    assert.match(await connection.rest(), /^HTTP\/1\.1 201 Created\r\n/)
  })
}

bodiless.run()

const headers = appSuite('headers of an answer', 'pep3333:app')

headers('stand on the wire as the app gave them, in order and latin-1', async (context) => {
  const answer = await onTheWire(context, '/headers')
  assert.is(answer.status, '299 Custom Réason')
  const names = ['set-cookie', 'x-latin', 'x-empty', 'x-lower', 'content-type']
  assert.equal(
    answer.fields.filter(([name]) => names.includes(name.toLowerCase())),
    [
      ['Set-Cookie', 'a=1; Path=/'],
      ['X-Latin', 'café ÿ'],
      ['Set-Cookie', 'b=2; Path=/'],
      ['X-Empty', ''],
      ['x-lower', 'kept as it is'],
      ['Content-Type', 'text/plain'],
    ],
  )
})

headers('get a Date and no Server from us', async (context) => {
  const { fields } = await onTheWire(context, '/headers')
  assert.match(fieldOf(fields, 'date') as string, /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/)
  assert.is(fieldOf(fields, 'server'), undefined)
})

headers('are never hop-by-hop ones of the app, nor its Server and Date', async (context) => {
  const answer = await onTheWire(context, '/hop')
  assert.is(answer.status, '200 OK')
  assert.is(answer.body, 'ok')
  assert.not.ok(answer.fields.some(([, value]) => value === 'hop' || value === 'app'))
  assert.is(fieldOf(answer.fields, 'connection'), 'close')
  for (const name of ['Connection', 'Keep-Alive', 'TE', 'Trailer', 'Transfer-Encoding', 'Upgrade'])
    await context.server.line(new RegExp(`hop-by-hop header '${name}'`))
})

headers('may come early, as 103 before the answer (RFC 8297)', async ({ server, open }) => {
  const connection = await server.connect()
  connection.send(requestText('/hints?hints-go'))
  const hints = await connection.receive(/\r\n\r\n/)
  assert.match(hints, /^HTTP\/1\.1 103 Early Hints\r\n/)
  assert.match(hints, /<\/a\.css>; rel=preload/)
  assert.match(hints, /<\/b\.js>; rel=preload/)
  open('hints-go')
  const answer = readAnswer(await connection.rest())
  assert.is(answer.status, '200 OK')
  assert.is(answer.body, 'after the hints')
})

headers.run()
